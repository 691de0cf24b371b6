package dev.causal4j.model.gguf;

import static dev.causal4j.model.gguf.GgufArchitecture.GEMMA2;
import static dev.causal4j.model.gguf.GgufArchitecture.GEMMA3;
import static dev.causal4j.model.gguf.GgufArchitecture.GEMMA4;
import static dev.causal4j.model.gguf.GgufArchitecture.GPT2;
import static dev.causal4j.model.gguf.GgufArchitecture.GPT_OSS;
import static dev.causal4j.model.gguf.GgufArchitecture.GRANITE;
import static dev.causal4j.model.gguf.GgufArchitecture.GRANITE_HYBRID;
import static dev.causal4j.model.gguf.GgufArchitecture.MISTRAL3;
import static dev.causal4j.model.gguf.GgufArchitecture.OLMO2;
import static dev.causal4j.model.gguf.GgufArchitecture.PHI3;
import static dev.causal4j.model.gguf.GgufArchitecture.QWEN35_MOE;

import dev.causal4j.FormatException;
import dev.causal4j.format.TensorStore;
import dev.causal4j.format.TensorView;
import dev.causal4j.json.Json;
import dev.causal4j.model.families.Architecture;
import dev.causal4j.model.families.Families;
import dev.causal4j.model.families.RopeKeys;
import dev.causal4j.model.gguf.GgufArchitecture.Trait;
import dev.causal4j.tensor.DType;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.IntFunction;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Translates GGUF keys to the model's config.json, so that one reader serves both. They stand after the name of the
 * architecture. Not thread-safe; used once.
 */
final class GgufKeys {
    // Keys without a counterpart of the same meaning.
    static final String KEY_LENGTH = "attention.key_length"; // but this
    static final String VALUE_LENGTH = "attention.value_length";
    static final String ROTATED = "rope.dimension_count";
    static final String LOCAL = "_swa"; // behind the name of a key, of layers with windows
    static final String SCALING = "rope.scaling.type";
    static final String FACTOR = "rope.scaling.factor";
    static final String ORIGINAL = "rope.scaling.original_context_length";
    static final String GAIN = "rope.scaling.attn_factor";

    static final String SHARE = "rope.scaling.yarn_log_multiplier"; // of the gain that factors have in scores
    static final String GROWTH = "attention.temperature_scale";
    static final String FAST = "rope.scaling.yarn_beta_fast";
    static final String SLOW = "rope.scaling.yarn_beta_slow";
    static final String GATING = "expert_gating_func";
    static final int SIGMOID = 2;
    static final String VALUES = "ssm.inner_size";
    static final String RECURRENT = "attention.recurrent_layers";
    static final String INTERVAL = "full_attention_interval";
    static final String SECTIONS = "rope.dimension_sections";
    static final String ROTATES = "rope.scaling.finetuned";
    static final String GUESSERS = "nextn_predict_layers";

    // Tensors that are read with the keys.
    static final String FACTORS = "rope_freqs.weight"; // for all lengths
    static final float NEVER = 1e30f; // a pair whose frequency is divided by so much or more is not turned
    static final String SHORT_FACTORS = "rope_factors_short.weight";
    static final String LONG_FACTORS = "rope_factors_long.weight";

    // Hugging Face's names of scalings, two of which are GGUF's too.
    static final String LINEAR = "linear";
    static final String YARN = "yarn";
    static final String LONG = "longrope";

    private final Json metadata;
    private final GgufArchitecture architecture;
    private final TensorStore tensors;
    private final Set<String> present;
    private final Map<String, Object> json = new LinkedHashMap<>(); // Hugging Face's configuration
    private int layers; // as soon as it is read, and likewise the next
    private int hiddenSize;
    private int headSize;
    private int contextLength;

    GgufKeys(Json metadata, GgufArchitecture architecture, TensorStore tensors) {
        this.metadata = metadata;
        this.architecture = architecture;
        this.tensors = tensors;
        this.present = tensors.names();
    }

    /**
     * Reads the keys as a configuration of Hugging Face's.
     *
     * @param type the {@code model_type}
     */
    Json configuration(String type, boolean hasExperts) throws FormatException {
        String causal = key("attention.causal");
        metadata.support(causal, metadata.bool(causal, true), "true");
        json.put("model_type", type);
        json.put("pad_token_id", Json.NULL); // else some families have one of their own vocabulary
        json.put("tie_word_embeddings", !has("output.weight") && !architecture.has(Trait.UNTIED));
        json.put("attention_bias", has("blk.0.attn_output.bias"));
        json.put("mlp_bias", has("blk.0.ffn_down.bias"));
        int heads = sizes();
        boolean twoKinds = architecture == GEMMA4; // layers with windows differ in more than that
        int inner = architecture == QWEN35_MOE
                ? require("moe_intermediate_size")
                : twoKinds ? 0 : requireEqual("intermediate_size");
        json.put("num_key_value_heads", heads);
        if (architecture.has(Trait.CONVOLUTIONS)) {
            mixers("conv", "full_attention");
            require("conv_L_cache");
            json.put("block_auto_adjust_ff_dim", false);
        } else if (architecture == GRANITE_HYBRID) {
            mixers("mamba", "attention");
        } else if (!twoKinds && metadata.has(key("num_key_value_heads"))) {
            requireEqual("num_key_value_heads");
        }
        if (architecture != GPT2 && !twoKinds) {
            rope();
        }
        List<Boolean> local = windows();
        experts(hasExperts || architecture.has(Trait.EXPERTS), inner);
        if (architecture == GEMMA2 || metadata.has(key("final_logit_softcapping"))) {
            number("final_logit_softcapping", 30);
        }
        switch (architecture) { // sizes that no key tells belong to the largest models
            case GEMMA2 -> gemma(layers == 46 ? hiddenSize / heads : headSize);
            case GEMMA3 -> gemma(layers == 62 ? hiddenSize / heads : headSize);
            case GEMMA4 -> new Gemma4Keys(this, json, local).read(headSize, hasExperts);
            case GRANITE -> granite();
            case GRANITE_HYBRID -> {
                granite();
                mamba(inner, hasExperts);
            }
            case GPT_NEOX -> {
                json.put("use_parallel_residual", metadata.bool(key("use_parallel_residual"), true));
                json.put("hidden_act", layers == 44 && hiddenSize == 6144 ? "gelu_new" : "gelu");
            }
            case LFM2_MOE -> sigmoids();
            case QWEN35 -> delta();
            case QWEN35_MOE -> {
                delta();
                require("shared_expert_intermediate_size");
            }
            case GPT_OSS, MISTRAL3 -> json.putIfAbsent("rope_scaling", Json.object("rope_type", "default"));
            default -> {}
        }
        architecture.rename(json);
        return new Json(metadata.subject(), json);
    }

    /** Reads the sizes that all have; returns the number of heads. */
    private int sizes() throws FormatException {
        layers = put("num_hidden_layers", layers());
        check("num_hidden_layers", layers <= present.size(), "at most one block for each tensor");
        int heads = requireEqual("num_attention_heads");
        hiddenSize = require("hidden_size");
        check("num_attention_heads", heads <= hiddenSize, "at most embedding_length = " + hiddenSize);
        headSize = size("head_dim", hiddenSize / heads);
        check(VALUE_LENGTH, size(VALUE_LENGTH, headSize) == headSize, "the key_length, " + headSize);
        boolean wider = architecture != OLMO2 && !architecture.has(Trait.LAYER_NORMS);
        boolean filled = (long) headSize * heads == hiddenSize;
        support("head_dim", wider || filled, "embedding_length / attention.head_count");
        Object length = value("max_position_embeddings"); // some files say that it has no bound
        contextLength = length instanceof Long said && said > Architecture.MOST
                ? put("max_position_embeddings", Architecture.MOST)
                : require("max_position_embeddings");
        json.put("vocab_size", rows(GgufVocabulary.EMBEDDING));
        String epsilon = architecture.has(Trait.LAYER_NORMS) ? "layer_norm_eps" : "rms_norm_eps";
        check(epsilon, metadata.has(key(epsilon)), "a number");
        json.put(epsilon, metadata.number(key(epsilon), 0, 0, 1));
        return heads;
    }

    /** Layers without those that guess further tokens, which are the last. */
    int layers() throws FormatException {
        int all = metadata.requireInt(key("num_hidden_layers"), 1, Architecture.MOST);
        return architecture.has(Trait.DELTA) ? all - metadata.integer(key(GUESSERS), 0, 0, all - 1) : all;
    }

    private String key(String name) {
        return architecture.key(name);
    }

    private @Nullable Object value(String name) {
        return metadata.root().get(key(name));
    }

    void check(String name, boolean right, String expected) throws FormatException {
        metadata.check(key(name), right, expected);
    }

    void support(String name, boolean supported, String expected) throws FormatException {
        metadata.support(key(name), supported, expected);
    }

    /** Puts a value that has a key of Hugging Face's into the configuration. */
    private <T> T put(String name, T value) {
        if (GgufArchitecture.NAMES.containsKey(name)) {
            json.put(name, value);
        }
        return value;
    }

    int require(String name) throws FormatException {
        return put(name, metadata.requireInt(key(name), 1, Architecture.MOST));
    }

    /** A number from 0 on. */
    int count(String name, int most) throws FormatException {
        return put(name, metadata.integer(key(name), 0, 0, most));
    }

    String text(String name, String whenAbsent) throws FormatException {
        return metadata.string(key(name), whenAbsent);
    }

    /** Whether the file has a tensor. */
    boolean has(String tensor) {
        return present.contains(tensor);
    }

    /** The rows of a tensor. */
    int rows(String tensor) throws FormatException {
        List<Long> shape = tensors.tensor(tensor).shape();
        return (int) Math.min(shape.isEmpty() ? 1 : shape.getFirst(), Integer.MAX_VALUE);
    }

    /** A number for each layer, of a list or the same. */
    List<Integer> each(String name, int least) throws FormatException {
        if (!(value(name) instanceof List<?> list)) {
            return Collections.nCopies(layers, require(name));
        }
        boolean fits = list.size() == layers
                && list.stream().allMatch(each -> each instanceof Integer n && n >= least && n <= Architecture.MOST);
        check(name, fits, "a number from " + least + " on for each of " + layers + " layers");
        return list.stream().map(Integer.class::cast).toList();
    }

    /** A number, or a list of one for each layer, which must be equal. */
    private int requireEqual(String name) throws FormatException {
        List<Integer> all = each(name, 1);
        support(name, Set.copyOf(all).size() == 1, "equal numbers");
        return put(name, all.getFirst());
    }

    /** A flag for each layer; empty if there is no list. */
    private List<Boolean> flags(String name) throws FormatException {
        if (!(value(name) instanceof List<?> list)) {
            return List.of();
        }
        boolean all = list.size() == layers || (architecture.has(Trait.DELTA) && list.size() > layers);
        boolean fits = all && Set.of(true, false).containsAll(list);
        check(name, fits, "true or false for each of " + layers + " layers");
        return list.stream().limit(layers).map(Boolean.class::cast).toList();
    }

    /** Says which layers are of a kind, and what the others are. */
    private void kinds(List<Boolean> are, String kind, String others) {
        json.put("layer_types", are.stream().map(is -> is ? kind : others).toList());
    }

    /** Numbers of key heads, which layers of the kind have none of. */
    private void mixers(String kind, String attention) throws FormatException {
        String name = "num_key_value_heads";
        List<Integer> counts = each(name, 0);
        List<Integer> own =
                counts.stream().filter(count -> count > 0).distinct().toList();
        support(name, own.size() == 1, "equal numbers, or 0");
        put(name, own.getFirst());
        kinds(counts.stream().map(count -> count == 0).toList(), kind, attention);
    }

    /** Experts that sigmoids choose. */
    private void sigmoids() throws FormatException {
        support(GATING, metadata.integer(key(GATING), 0, 0, Architecture.MOST) == SIGMOID, "2, sigmoids");
        int dense = put("num_dense_layers", metadata.requireInt(key("num_dense_layers"), 0, layers));
        json.put("use_expert_bias", has("blk." + dense + ".exp_probs_b.bias"));
    }

    int size(String name, int whenAbsent) throws FormatException {
        return put(name, metadata.integer(key(name), whenAbsent, 1, Architecture.MOST));
    }

    double number(String name, double whenAbsent) throws FormatException {
        return put(name, metadata.number(key(name), whenAbsent, 1e-30, 1e300));
    }

    /**
     * A size, and which layers it is of; llama.cpp ignores the keys of other architectures.
     *
     * @return which layers have a window
     */
    private List<Boolean> windows() throws FormatException {
        int period = architecture.period;
        int absent = architecture == GEMMA2 ? 4096 : 0;
        int window = period == 0 ? 0 : metadata.integer(key("sliding_window"), absent, 0, Architecture.MOST);
        json.put("sliding_window", window == 0 ? Json.NULL : window);
        if (period == 0) {
            return List.of();
        }
        List<Boolean> listed = flags("layer_types");
        check("layer_types", !listed.isEmpty() || architecture != GEMMA4, "a list of " + layers + " layers");
        boolean needed = architecture == GPT_OSS || (architecture == GEMMA4 && listed.contains(true));
        check("sliding_window", window > 0 || !needed, "at least 1");
        int last = listed.isEmpty() ? size("layer_types", period) : 0;
        List<Boolean> local = IntStream.range(0, layers)
                .mapToObj(layer -> window > 0 && (listed.isEmpty() ? (layer + 1) % last != 0 : listed.get(layer)))
                .toList();
        kinds(local, "sliding_attention", "full_attention");
        return local;
    }

    private void experts(boolean needed, int inner) throws FormatException {
        int count = metadata.integer(key("num_local_experts"), 0, 0, Architecture.MOST_EXPERTS);
        String groups = "expert_group_count";
        support(groups, metadata.integer(key(groups), 0, 0, Architecture.MOST_EXPERTS) <= 1, "no groups of experts");
        support("num_local_experts", count > 0 == needed, needed ? "the number of experts" : "0");
        if (count > 0) {
            int chosen = metadata.requireInt(key("num_experts_per_tok"), 1, count);
            json.put("num_local_experts", count);
            json.put("num_experts_per_tok", chosen);
            json.put("norm_topk_prob", true);
            if (architecture.has(Trait.EXPERTS)) {
                size("moe_intermediate_size", Math.max(1, inner / chosen));
            }
        }
    }

    /** Delta nets, whose norm of queries and keys has the epsilon of the others in llama.cpp, but 1e-6 in the model. */
    private void delta() throws FormatException {
        double epsilon = metadata.number(key("rms_norm_eps"), 0, 0, 1);
        support("rms_norm_eps", (float) epsilon == 1e-6f, "1e-6, which queries and keys are normed with");
        require("linear_conv_kernel_dim");
        require("linear_num_key_heads");
        int heads = require("linear_num_value_heads");
        int size = require("linear_key_head_dim");
        json.put("linear_value_head_dim", size);
        long values = metadata.requireInt(key(VALUES), 1, Architecture.MOST);
        support(VALUES, values == (long) heads * size, "values as wide as keys, ssm.time_step_rank * ssm.state_size");
        json.put(Families.OWN_KEY, true);
        List<Boolean> listed = flags(RECURRENT);
        int interval = metadata.integer(key(INTERVAL), 4, 1, Architecture.MOST_LAYERS);
        IntFunction<Boolean> recurs = layer -> listed.isEmpty() ? (layer + 1) % interval != 0 : listed.get(layer);
        kinds(IntStream.range(0, layers).mapToObj(recurs).toList(), "linear_attention", "full_attention");
    }

    private void granite() throws FormatException {
        boolean rotates = metadata.bool(key(ROTATES), true);
        support(ROTATES, rotates || architecture == GRANITE_HYBRID, "true");
        number("attention_multiplier", 1 / Math.sqrt(headSize));
        number("embedding_multiplier", 1);
        number("residual_multiplier", 1);
        number("logits_scaling", 1);
    }

    private void mamba(int inner, boolean hasExperts) throws FormatException {
        json.put("position_embedding_type", metadata.bool(key(ROTATES), true) ? "rope" : "nope");
        require("linear_conv_kernel_dim");
        require("linear_key_head_dim");
        require("linear_num_value_heads");
        String groups = "linear_num_key_heads";
        support(groups, require(groups) == 1, "1, since llama.cpp norms each group by itself");
        int width = metadata.requireInt(key(VALUES), 1, Architecture.MOST);
        support(VALUES, width % hiddenSize == 0, "a multiple of embedding_length = " + hiddenSize);
        json.put("mamba_expand", width / hiddenSize);
        json.put("mamba_conv_bias", present.stream().anyMatch(name -> name.endsWith(".ssm_conv1d.bias")));
        if (hasExperts) {
            require("shared_expert_intermediate_size");
        } else {
            json.put("num_local_experts", 0);
            json.put("shared_intermediate_size", inner);
        }
    }

    private void gemma(int scalar) throws FormatException {
        boolean second = architecture == GEMMA2;
        json.put("query_pre_attn_scalar", scalar);
        number(second ? "attn_logit_softcapping" : "rope_local_base_freq", second ? 50 : 1e4);
    }

    private void rope() throws FormatException {
        double theta = number("rope_theta", 10000);
        boolean one =
                architecture == GEMMA3 || metadata.number(key("rope_local_base_freq"), theta, 1e-30, 1e300) == theta;
        support("rope_local_base_freq", one, "rope.freq_base, " + theta);
        int width = size(ROTATED, headSize);
        boolean partial = architecture.has(Trait.PARTIAL);
        boolean fits = partial ? width <= headSize : width == headSize;
        support(ROTATED, fits, (partial ? "at most " : "") + "the key_length, " + headSize);
        if (partial) {
            double share = (double) width / headSize; // whose product with the head's size is cut
            json.put("partial_rotary_factor", (int) (headSize * share) == width ? share : Math.nextUp(share));
        }
        double factor = number(FACTOR, number("rope.scale_linear", 1));
        double gain = number(GAIN, 1);
        String said = text(SCALING, LINEAR);
        List<String> names = factorTensors(architecture);
        boolean factors = names.stream().anyMatch(this::has);
        support(FACTOR, !factors || factor == 1 || said.equals("none"), "1 beside tensor " + names);
        boolean known = factors || List.of("none", LINEAR, YARN).contains(said);
        support(SCALING, known, "none, linear or yarn");
        String kind = factors ? LONG : said.equals(LINEAR) && factor == 1 ? "none" : said;
        boolean same = factors && names.size() == 1; // for all lengths
        support(GAIN, kind.equals(YARN) || (factors && !same) || gain == 1, "1");
        double growth = architecture == MISTRAL3 ? metadata.number(key(GROWTH), 0, 0, 1e9) : 0;
        support(GROWTH, growth == 0 || kind.equals(YARN), "0 without yarn");
        if (kind.equals("none")) {
            return;
        }
        Map<String, Object> scaling = Json.object("rope_type", kind);
        if (factors) {
            scaling.put("short_factor", numbers(names.getFirst()));
            scaling.put("long_factor", numbers(names.getLast()));
        } else {
            scaling.put("factor", factor);
        }
        if (!kind.equals(LINEAR)) {
            double share = architecture == MISTRAL3 ? metadata.number(key(SHARE), 0, 0, 1e9) : 0;
            double own = kind.equals(YARN) ? RopeKeys.scale(factor, 1) / RopeKeys.scale(factor, share) : 1;
            scaling.put("original_max_position_embeddings", size(ORIGINAL, contextLength));
            scaling.put("attention_factor", same ? 1.0 : gain * own);
        }
        if (kind.equals(YARN)) {
            yarn(scaling, gain * RopeKeys.scale(factor, 1));
        }
        if (architecture == GPT_OSS) {
            scaling.put("truncate", false);
        }
        if (architecture == MISTRAL3) {
            scaling.put("llama_4_scaling_beta", growth);
        }
        if (architecture == PHI3) {
            phi(scaling);
        }
        json.put("rope_scaling", scaling);
    }

    /** Older releases of Hugging Face's library take three keys there, and compute the gain. */
    private void phi(Map<String, Object> scaling) {
        if (scaling.remove("original_max_position_embeddings") instanceof Integer original) {
            json.put("original_max_position_embeddings", original);
            double gain = RopeKeys.longGain((double) contextLength / original, original);
            if (scaling.get("attention_factor") instanceof Double said && said.floatValue() == (float) gain) {
                scaling.remove("attention_factor");
            }
        }
        scaling.put("type", scaling.remove("rope_type"));
    }

    /** Keys that converters write, and llama.cpp does not read in these architectures. */
    private void yarn(Map<String, Object> scaling, double gain) throws FormatException {
        scaling.put("beta_fast", number(FAST, 32));
        scaling.put("beta_slow", number(SLOW, 1));
        String share = "rope.scaling.yarn_ext_factor";
        support(share, number(share, 1) == 1, "1");
        String same = "rope.scaling.yarn_attn_factor";
        boolean fits = Math.abs(number(same, gain) - gain) < Difference.ROUNDING;
        support(same, fits, "what the factor gives, " + gain);
    }

    /** The tensors of factors that an architecture may have: for all lengths, or for short and long texts. */
    static List<String> factorTensors(GgufArchitecture architecture) {
        return architecture == PHI3
                ? List.of(SHORT_FACTORS, LONG_FACTORS)
                : architecture.has(Trait.FACTORS) ? List.of(FACTORS) : List.of();
    }

    /** The numbers of a small tensor. */
    List<Double> numbers(String name) throws FormatException {
        TensorView tensor = tensors.tensor(name);
        boolean small = tensor.elements() <= Architecture.MOST && tensor.dtype() == DType.F32;
        metadata.check(GgufArchitecture.KEY, small, "one whose tensor " + name + " has few numbers in F32");
        float[] numbers = tensor.toArray();
        return IntStream.range(0, numbers.length)
                .mapToObj(i -> (double) numbers[i])
                .toList();
    }
}
