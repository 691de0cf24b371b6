package dev.causal4j.model.families;

import dev.causal4j.FormatException;
import dev.causal4j.UnsupportedModelException;
import dev.causal4j.decoder.BlockConfig;
import dev.causal4j.decoder.BlockConfig.AttentionConfig;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Experts;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.decoder.ParameterSpec.Role;
import dev.causal4j.format.GgufVocabulary;
import dev.causal4j.format.Json;
import dev.causal4j.format.TensorStore;
import dev.causal4j.format.TensorStore.Stored;
import dev.causal4j.format.TensorView;
import dev.causal4j.model.ModelConfig;
import dev.causal4j.model.families.GgufArchitecture.Trait;
import dev.causal4j.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * A family in a GGUF file, as llama.cpp writes it: the metadata, and the names and places of parameters. Immutable.
 *
 * <p>Linear weights are [out, in] there, Gemma's gains hold the one that is added, and Llama's queries and keys have the
 * rows of each head in pairs.
 */
public final class GgufFamily implements Family {
    private static final Names NAMES = new Names(
            List.of(""),
            "blk.",
            Map.ofEntries(
                    Map.entry("embedding", "token_embd"),
                    Map.entry("positions", "position_embd"),
                    Map.entry("norm", "output_norm"),
                    Map.entry("head", "output"),
                    Map.entry("attention_norm", "attn_norm"),
                    Map.entry("query", "attn_q"),
                    Map.entry("key", "attn_k"),
                    Map.entry("value", "attn_v"),
                    Map.entry("query_norm", "attn_q_norm"),
                    Map.entry("key_norm", "attn_k_norm"),
                    Map.entry("sinks", "attn_sinks"),
                    Map.entry("attention_out", "attn_output"),
                    Map.entry("attention_out_norm", "post_attention_norm"),
                    Map.entry("feed_forward_norm", "ffn_norm"),
                    Map.entry("feed_forward_out_norm", "post_ffw_norm"),
                    Map.entry("router", "ffn_gate_inp"),
                    Map.entry("gate", "ffn_gate"),
                    Map.entry("up", "ffn_up"),
                    Map.entry("down", "ffn_down")));

    private static final String ARCHITECTURE = "general.architecture";
    private static final String REMEDY = "this model cannot be written as GGUF";
    private static final String PACKED = "blk.0.attn_qkv.weight";
    private static final String GATE = "blk.0.ffn_gate.weight";
    private static final String ROUTER = "blk.0.ffn_gate_inp.weight";
    private static final String FUSED = "blk.0.ffn_gate_up_exps.weight";
    private static final Map<String, String> EXPERT_NAMES =
            Map.of("gate", "ffn_gate_exps", "up", "ffn_up_exps", "down", "ffn_down_exps");

    private static final MemorySegment NO_NUMBERS = MemorySegment.ofArray(new float[0]);

    private final Json metadata;
    private final GgufArchitecture architecture;
    private final boolean hasExperts;
    private final TensorStore tensors;
    private final Set<String> present;
    private final Names names;

    public GgufFamily(Json metadata, TensorStore tensors) throws FormatException {
        this.metadata = metadata;
        this.tensors = tensors;
        this.present = tensors.names();
        this.architecture = GgufArchitecture.of(metadata, ARCHITECTURE);
        boolean mayHave = architecture == GgufArchitecture.LLAMA || architecture.has(Trait.EXPERTS);
        this.hasExperts = mayHave && present.contains(ROUTER);
        Map<String, String> own = new HashMap<>(hasExperts ? EXPERT_NAMES : Map.of());
        if (present.contains(PACKED)) {
            own.put("qkv", "attn_qkv");
        }
        if (!present.contains(GATE) && !hasExperts) {
            own.put("gate_up", "ffn_up");
        }
        if (architecture == GgufArchitecture.GPT_OSS) {
            own.put("feed_forward_norm", "post_attention_norm");
        }
        this.names = NAMES.but(own);
    }

    /**
     * The family in a file to write, which says what a configuration does: {@link #metadata} and {@link #buffers} are the
     * inverse of {@link #read}, which has to give the same configuration again.
     *
     * @param subject of messages
     * @throws UnsupportedModelException naming what no file can say
     */
    public static GgufFamily of(String subject, ModelConfig config) throws FormatException {
        BlockConfig block = config.decoder().blocks().getFirst();
        boolean biased = block.attention().qkvBias() && block.attention().outBias();
        Json said = new Json(
                subject,
                Json.object(
                        "model_type", config.family().type(),
                        "tie_word_embeddings", config.tied(),
                        "attention_bias", biased));
        GgufArchitecture architecture = GgufArchitecture.of(said, config);
        boolean tied = config.tied();
        boolean fits = tied ? !architecture.has(Trait.UNTIED) : !architecture.has(Trait.TIED);
        said.support("tie_word_embeddings", fits, !tied + " of " + architecture + " in GGUF");
        said.support(
                "attention_bias", biased || !architecture.has(Trait.BIASES), "true of " + architecture + " in GGUF");
        Map<String, Stored> tensors = new LinkedHashMap<>();
        Map<String, Object> keys = Json.object(ARCHITECTURE, architecture.toString());
        Map<String, float[]> factors = new LinkedHashMap<>();
        GgufKeys.say(architecture, config, factors).forEach((key, value) -> keys.put(architecture + "." + key, value));
        factors.forEach((name, numbers) -> {
            List<Long> shape = List.of((long) numbers.length);
            tensors.put(name, new Stored(subject, DType.F32.name(), shape, MemorySegment.ofArray(numbers)));
        });
        Json metadata = new Json(subject, keys);
        Stored none = new Stored(subject, DType.F32.name(), List.of((long) config.vocabularySize(), 0L), NO_NUMBERS);
        boolean experts = block.feedForward() instanceof Experts;
        tensors.put(architecture.has(Trait.PACKED) ? PACKED : experts ? ROUTER : GATE, none);
        GgufFamily naming = new GgufFamily(metadata, new TensorStore(subject, tensors, Map.of()));
        for (ParameterSpec spec : config.specs()) {
            List<String> names = naming.origin(config, spec, "").names();
            if (spec.role() == Role.BIAS && !hasBias(architecture, spec)) {
                String expected = "none, since llama.cpp has no such bias in " + architecture;
                throw new UnsupportedModelException(subject + ", tensor " + names.getFirst(), expected, "one", REMEDY);
            }
            names.forEach(name -> tensors.put(name, none));
        }
        GgufFamily family = new GgufFamily(metadata, new TensorStore(subject, tensors, Map.of()));
        ModelConfig read = family.configuration();
        Difference other = Difference.of("", config.decoder(), read.decoder())
                .or(() -> Difference.of("logitCap", config.logitCap(), read.logitCap()))
                .orElse(null);
        if (other != null) {
            String expected = other.other() + ", which is all that GGUF's " + architecture + " can say";
            throw new UnsupportedModelException(subject + ", " + other.path(), expected, other.one(), REMEDY);
        }
        return family;
    }

    private static boolean hasBias(GgufArchitecture architecture, ParameterSpec spec) {
        return architecture.has(Trait.BIASES)
                || (architecture.has(Trait.MAY_BE_BIASED) && spec.expert() == ParameterSpec.NO_EXPERT)
                || (architecture.has(Trait.QKV_BIASES) && spec.module().equals("qkv"));
    }

    /** The keys of the file, but for the vocabulary's. */
    public Map<?, ?> metadata() {
        return metadata.root();
    }

    /** The tensors that belong to the metadata. */
    public List<TensorView> buffers() throws FormatException {
        List<TensorView> buffers = new ArrayList<>();
        for (String name : present) {
            if (isBuffer(name)) {
                buffers.add(tensors.tensor(name));
            }
        }
        return buffers;
    }

    @Override
    public String type() {
        boolean olmo = architecture == GgufArchitecture.OLMO2;
        boolean windows = olmo && metadata.root().get(key(GgufKeys.WINDOW)) instanceof Integer window && window > 0;
        boolean mixtral = architecture == GgufArchitecture.LLAMA && hasExperts;
        return architecture.type(mixtral || windows);
    }

    @Override
    public Names names() {
        return names;
    }

    @Override
    public boolean isBuffer(String name) {
        return factorTensors().contains(name); // read with the configuration
    }

    private List<String> factorTensors() {
        return architecture == GgufArchitecture.PHI3
                ? List.of(GgufKeys.SHORT_FACTORS, GgufKeys.LONG_FACTORS)
                : architecture.has(Trait.FACTORS) ? List.of(GgufKeys.FACTORS) : List.of();
    }

    @Override
    public Origin origin(ModelConfig config, ParameterSpec spec, String root) {
        Origin origin = names.origin(config, spec, root);
        if (spec.expert() != ParameterSpec.NO_EXPERT) {
            Experts all = (Experts) Names.block(config, spec).feedForward();
            return origin.among(all.count(), spec.expert());
        }
        if (!architecture.has(Trait.PAIRS) || !spec.module().equals("qkv")) {
            return origin;
        }
        AttentionConfig a = Names.block(config, spec).attention();
        List<Origin.Part> parts = new ArrayList<>();
        int head = 0; // of queries, keys, values
        for (Origin.Part all : origin.parts()) {
            for (int row = 0; row < all.rows(); row += a.headSize(), head++) {
                if (head < a.heads() + a.kvHeads()) { // the halves lie in turn
                    parts.add(all.rows(row, a.headSize() / 2, 2));
                    parts.add(all.rows(row + 1, a.headSize() / 2, 2));
                } else {
                    parts.add(all.rows(row, a.headSize(), 1));
                }
            }
        }
        return new Origin(parts);
    }

    /** Reads its metadata as the configuration that Hugging Face's files of the same model have. */
    @Override
    public ModelConfig read(Json same) throws FormatException {
        if (present.contains(FUSED)) {
            String expected = "gates and ups of experts in a tensor each";
            throw new UnsupportedModelException(
                    metadata.subject() + ", tensor " + FUSED, expected, "both in one", "convert the model without it");
        }
        ModelConfig config = configuration();
        // Before parameters and their parts are listed the file has to have so many experts and heads.
        for (int layer = 0; layer < config.decoder().blocks().size(); layer++) {
            BlockConfig block = config.decoder().blocks().get(layer);
            AttentionConfig a = block.attention();
            boolean packed = present.contains(PACKED);
            long rows = (a.heads() + (packed ? 2L * a.kvHeads() : 0)) * a.headSize();
            checkRows(GgufKeys.HEADS, layer, packed ? "attn_qkv" : "attn_q", rows);
            if (block.feedForward() instanceof Experts experts) {
                checkRows(GgufKeys.EXPERTS, layer, "ffn_gate_inp", experts.count());
            }
        }
        return config;
    }

    private void checkRows(String key, int layer, String name, long rows) throws FormatException {
        String tensor = "blk." + layer + "." + name + ".weight";
        List<Long> shape = tensors.tensor(tensor).shape();
        boolean fits = shape.size() == 2 && shape.getFirst() == rows;
        metadata.check(key(key), fits, "a number that fits tensor " + tensor + " of shape " + shape);
    }

    private ModelConfig configuration() throws FormatException {
        String causal = key("attention.causal");
        metadata.support(causal, metadata.bool(causal, true), "true");
        int layers = require(GgufKeys.LAYERS);
        metadata.check(key(GgufKeys.LAYERS), layers <= present.size(), "at most one block for each tensor");
        int heads = requireEqual(GgufKeys.HEADS, layers);
        int hiddenSize = require(GgufKeys.HIDDEN);
        metadata.check(key(GgufKeys.HEADS), heads <= hiddenSize, "at most embedding_length = " + hiddenSize);
        int headSize = size(GgufKeys.KEY_LENGTH, hiddenSize / heads);
        boolean fits = size(GgufKeys.VALUE_LENGTH, headSize) == headSize;
        metadata.check(key(GgufKeys.VALUE_LENGTH), fits, "the key_length, " + headSize);
        boolean other = architecture != GgufArchitecture.OLMO2 && !architecture.has(Trait.LAYER_NORMS);
        boolean filled = (long) headSize * heads == hiddenSize;
        metadata.support(key(GgufKeys.KEY_LENGTH), other || filled, "embedding_length / attention.head_count");
        boolean grouped = metadata.has(key(GgufKeys.KV_HEADS));
        // Some say that it is not bounded.
        Object length = metadata.root().get(key(GgufKeys.CONTEXT));
        boolean bounded = !(length instanceof Long given && given > ModelConfig.MOST);
        int contextLength = bounded ? require(GgufKeys.CONTEXT) : ModelConfig.MOST;
        List<Long> embedding = tensors.tensor(GgufVocabulary.EMBEDDING).shape();
        String epsilon = key(architecture.has(Trait.LAYER_NORMS) ? GgufKeys.LAYER_EPSILON : GgufKeys.RMS_EPSILON);
        metadata.check(epsilon, metadata.has(epsilon), "a number");
        int inner = requireEqual(GgufKeys.INNER, layers);
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("model_type", type());
        json.put("vocab_size", (int) Math.min(embedding.isEmpty() ? 1 : embedding.getFirst(), Integer.MAX_VALUE));
        json.put("pad_token_id", Json.NULL); // else some families have one of their own vocabulary
        json.put("tie_word_embeddings", !present.contains("output.weight") && !architecture.has(Trait.UNTIED));
        json.put("hidden_size", hiddenSize);
        json.put("num_attention_heads", heads);
        json.put("num_key_value_heads", grouped ? requireEqual(GgufKeys.KV_HEADS, layers) : heads);
        json.put("head_dim", headSize);
        json.put("num_hidden_layers", layers);
        json.put("max_position_embeddings", contextLength);
        json.put("intermediate_size", inner);
        json.put("rms_norm_eps", metadata.number(epsilon, 0, 0, 1));
        json.put("attention_bias", present.contains("blk.0.attn_output.bias"));
        json.put("mlp_bias", present.contains("blk.0.ffn_down.bias"));
        if (architecture != GgufArchitecture.GPT2) {
            rope(json, headSize, contextLength);
        }
        windows(json, layers);
        experts(json, inner);
        switch (architecture) {
            case GEMMA2, GEMMA3 -> {
                // The models of 27B: no key tells.
                boolean largest = layers == (architecture == GgufArchitecture.GEMMA2 ? 46 : 62);
                gemma(json, largest ? hiddenSize / heads : headSize);
            }
            case GRANITE -> granite(json, headSize);
            case GPT_NEOX -> neox(json, layers == 44 && hiddenSize == 6144); // GPT-NeoX-20B: no key tells
            case GPT_OSS -> json.putIfAbsent("rope_scaling", Json.object("rope_type", "default"));
            default -> {}
        }
        architecture.rename(json);
        return ModelConfig.of(new Json(metadata.subject(), json));
    }

    private String key(String name) {
        return architecture + "." + name;
    }

    private int require(String name) throws FormatException {
        return metadata.requireInt(key(name), 1, ModelConfig.MOST);
    }

    /** A number, or a list of one for each layer, which must be equal. */
    private int requireEqual(String name, int layers) throws FormatException {
        if (!(metadata.root().get(key(name)) instanceof List<?> list)) {
            return require(name);
        }
        metadata.check(key(name), list.size() == layers, "a number for each of " + layers + " layers");
        metadata.support(key(name), Set.copyOf(list).size() == 1, "equal numbers");
        return new Json(metadata.subject(), Map.of(name, list.getFirst())).requireInt(name, 1, ModelConfig.MOST);
    }

    private int size(String name, int whenAbsent) throws FormatException {
        return metadata.integer(key(name), whenAbsent, 1, ModelConfig.MOST);
    }

    private double number(String name, double whenAbsent) throws FormatException {
        return metadata.number(key(name), whenAbsent, 1e-30, 1e300);
    }

    /** A size, and which layers it is of; llama.cpp ignores the keys of other architectures. */
    private void windows(Map<String, Object> json, int layers) throws FormatException {
        int period = architecture.period;
        String key = key(GgufKeys.WINDOW);
        boolean second = architecture == GgufArchitecture.GEMMA2;
        int window = period == 0 ? 0 : metadata.integer(key, second ? 4096 : 0, 0, ModelConfig.MOST);
        metadata.check(key, window > 0 || architecture != GgufArchitecture.GPT_OSS, "at least 1");
        json.put("sliding_window", window == 0 ? Json.NULL : window);
        if (period == 0) {
            return;
        }
        List<?> each = metadata.root().get(key(GgufKeys.WINDOWED)) instanceof List<?> list ? list : List.of();
        boolean listed = each.size() == layers && Set.of(true, false).containsAll(each);
        int last = listed ? 0 : size(GgufKeys.WINDOWED, period);
        Stream<?> local =
                listed ? each.stream() : IntStream.range(0, layers).mapToObj(layer -> (layer + 1) % last != 0);
        json.put(
                "layer_types",
                local.map(is -> window > 0 && is.equals(true) ? "sliding_attention" : "full_attention")
                        .toList());
    }

    private void experts(Map<String, Object> json, int inner) throws FormatException {
        String key = key(GgufKeys.EXPERTS);
        int count = metadata.integer(key, 0, 0, ModelConfig.MOST_EXPERTS);
        String groups = key("expert_group_count");
        metadata.support(groups, metadata.integer(groups, 0, 0, ModelConfig.MOST_EXPERTS) <= 1, "no groups of experts");
        boolean needed = hasExperts || architecture.has(Trait.EXPERTS);
        metadata.support(key, count > 0 == needed, needed ? "the number of experts" : "0");
        if (count == 0) {
            return;
        }
        int chosen = metadata.requireInt(key(GgufKeys.CHOSEN), 1, count);
        json.put("num_local_experts", count);
        json.put("num_experts_per_tok", chosen);
        json.put("norm_topk_prob", true);
        if (architecture.has(Trait.EXPERTS)) {
            json.put("moe_intermediate_size", size(GgufKeys.EXPERT_INNER, Math.max(1, inner / chosen)));
        }
    }

    private void neox(Map<String, Object> json, boolean largest) throws FormatException {
        json.put("use_parallel_residual", metadata.bool(key(GgufKeys.PARALLEL), true));
        json.put("hidden_act", largest ? "gelu_new" : "gelu");
    }

    private void granite(Map<String, Object> json, int headSize) throws FormatException {
        String rotates = key("rope.scaling.finetuned");
        metadata.support(rotates, metadata.bool(rotates, true), "true");
        json.put("attention_multiplier", number(GgufKeys.SCORE_SCALE, 1 / Math.sqrt(headSize)));
        json.put("embedding_multiplier", number(GgufKeys.EMBEDDING_SCALE, 1));
        json.put("residual_multiplier", number(GgufKeys.RESIDUAL_SCALE, 1));
        json.put("logits_scaling", number(GgufKeys.LOGIT_DIVISOR, 1));
    }

    private void gemma(Map<String, Object> json, int scalar) throws FormatException {
        boolean second = architecture == GgufArchitecture.GEMMA2;
        json.put("query_pre_attn_scalar", scalar);
        if (second) {
            json.put("attn_logit_softcapping", number(GgufKeys.SCORE_CAP, 50));
        } else {
            json.put("rope_local_base_freq", number(GgufKeys.LOCAL_THETA, 1e4));
        }
        if (second || metadata.has(key(GgufKeys.LOGIT_CAP))) {
            json.put("final_logit_softcapping", number(GgufKeys.LOGIT_CAP, 30));
        }
    }

    private void rope(Map<String, Object> json, int headSize, int contextLength) throws FormatException {
        double theta = number(GgufKeys.THETA, 10000);
        json.put("rope_theta", theta);
        boolean one = architecture == GgufArchitecture.GEMMA3 || number(GgufKeys.LOCAL_THETA, theta) == theta;
        metadata.support(key(GgufKeys.LOCAL_THETA), one, "rope.freq_base, " + theta);
        int width = size(GgufKeys.ROTATED, headSize);
        boolean partial = architecture.has(Trait.PARTIAL);
        boolean fits = partial ? width <= headSize : width == headSize;
        metadata.support(key(GgufKeys.ROTATED), fits, (partial ? "at most " : "") + "the key_length, " + headSize);
        if (partial) {
            double share = (double) width / headSize; // whose product with the head's size is cut
            json.put("partial_rotary_factor", (int) (headSize * share) == width ? share : Math.nextUp(share));
        }
        double factor = number(GgufKeys.FACTOR, number("rope.scale_linear", 1));
        int original = size(GgufKeys.ORIGINAL, contextLength);
        double gain = number(GgufKeys.GAIN, 1);
        String said = metadata.string(key(GgufKeys.SCALING), GgufKeys.LINEAR);
        List<String> names = factorTensors();
        boolean factors = names.stream().anyMatch(present::contains);
        boolean same = factors && names.size() == 1; // for all lengths
        boolean alone = !factors || factor == 1 || said.equals("none");
        metadata.support(key(GgufKeys.FACTOR), alone, "1 beside tensor " + names);
        boolean known =
                factors || List.of("none", GgufKeys.LINEAR, GgufKeys.YARN).contains(said);
        metadata.support(key(GgufKeys.SCALING), known, "none, linear or yarn");
        String kind = factors ? GgufKeys.LONG : said.equals(GgufKeys.LINEAR) && factor == 1 ? "none" : said;
        metadata.support(key(GgufKeys.GAIN), kind.equals(GgufKeys.YARN) || (factors && !same) || gain == 1, "1");
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
        if (!kind.equals(GgufKeys.LINEAR)) {
            double own = kind.equals(GgufKeys.YARN) ? RopeKeys.scale(factor, 1) : 1;
            scaling.put("original_max_position_embeddings", original);
            scaling.put("attention_factor", same ? 1.0 : gain * own);
        }
        if (kind.equals(GgufKeys.YARN)) {
            yarn(scaling, gain * RopeKeys.scale(factor, 1));
        }
        if (architecture == GgufArchitecture.GPT_OSS) {
            scaling.put("truncate", false);
        }
        if (architecture == GgufArchitecture.PHI3) {
            phi(json, scaling, contextLength);
        }
        json.put("rope_scaling", scaling);
    }

    /** Older releases of Hugging Face's library take three keys there, and compute the gain. */
    private static void phi(Map<String, Object> json, Map<String, Object> scaling, int contextLength) {
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
        scaling.put("beta_fast", number("rope.scaling.yarn_beta_fast", 32));
        scaling.put("beta_slow", number("rope.scaling.yarn_beta_slow", 1));
        String share = "rope.scaling.yarn_ext_factor";
        metadata.support(key(share), number(share, 1) == 1, "1");
        String same = "rope.scaling.yarn_attn_factor";
        boolean fits = Math.abs(number(same, gain) - gain) < Difference.ROUNDING;
        metadata.support(key(same), fits, "what the factor gives, " + gain);
    }

    /** The numbers of a small tensor. */
    private List<Double> numbers(String name) throws FormatException {
        TensorView tensor = tensors.tensor(name);
        boolean small = tensor.elements() <= ModelConfig.MOST && tensor.dtype() == DType.F32;
        metadata.check(ARCHITECTURE, small, "one whose tensor " + name + " has few numbers in F32");
        float[] numbers = tensor.toArray();
        return IntStream.range(0, numbers.length)
                .mapToObj(i -> (double) numbers[i])
                .toList();
    }
}
