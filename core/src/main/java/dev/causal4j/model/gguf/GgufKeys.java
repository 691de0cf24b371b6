package dev.causal4j.model.gguf;

import static dev.causal4j.model.gguf.GgufArchitecture.GEMMA2;
import static dev.causal4j.model.gguf.GgufArchitecture.GEMMA3;
import static dev.causal4j.model.gguf.GgufArchitecture.GPT_NEOX;
import static dev.causal4j.model.gguf.GgufArchitecture.GPT_OSS;
import static dev.causal4j.model.gguf.GgufArchitecture.GRANITE;
import static dev.causal4j.model.gguf.GgufArchitecture.OLMO2;
import static dev.causal4j.model.gguf.GgufArchitecture.PHI3;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.BlockConfig;
import dev.causal4j.decoder.BlockConfig.AttentionConfig;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Experts;
import dev.causal4j.decoder.BlockConfig.NormConfig;
import dev.causal4j.decoder.BlockConfig.Residual;
import dev.causal4j.decoder.BlockConfig.RopeConfig;
import dev.causal4j.decoder.BlockConfig.RopeConfig.Formula;
import dev.causal4j.decoder.BlockConfig.RopeConfig.Longer;
import dev.causal4j.format.Json;
import dev.causal4j.format.TensorStore;
import dev.causal4j.model.families.Architecture;
import dev.causal4j.model.families.RopeKeys;
import dev.causal4j.model.gguf.GgufArchitecture.Trait;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.TensorView;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The keys that configure a model in a GGUF file, behind the name of the architecture. One table has both directions: a
 * file is read as the configuration that Hugging Face's files of the same model have, and an architecture is written as
 * keys. Immutable.
 */
final class GgufKeys {
    static final String HEADS = "attention.head_count";
    static final String EXPERTS = "expert_count";
    static final String WINDOW = "attention.sliding_window";
    private static final String CONTEXT = "context_length";
    private static final String HIDDEN = "embedding_length";
    private static final String LAYERS = "block_count";
    private static final String INNER = "feed_forward_length";
    private static final String KEY_LENGTH = "attention.key_length";
    private static final String VALUE_LENGTH = "attention.value_length";
    private static final String WINDOWED = "attention.sliding_window_pattern";
    private static final String SCORE_CAP = "attn_logit_softcapping";
    private static final String LOGIT_CAP = "final_logit_softcapping";
    private static final String PARALLEL = "use_parallel_residual";
    private static final String EXPERT_INNER = "expert_feed_forward_length";
    private static final String CHOSEN = "expert_used_count";
    private static final String THETA = "rope.freq_base";
    private static final String LOCAL_THETA = "rope.freq_base_swa";
    private static final String ROTATED = "rope.dimension_count";
    private static final String SCALING = "rope.scaling.type";
    private static final String FACTOR = "rope.scaling.factor";
    private static final String ORIGINAL = "rope.scaling.original_context_length";
    private static final String GAIN = "rope.scaling.attn_factor";

    // Tensors that are read with the keys.
    private static final String FACTORS = "rope_freqs.weight"; // for all lengths
    private static final String SHORT_FACTORS = "rope_factors_short.weight";
    private static final String LONG_FACTORS = "rope_factors_long.weight";

    // Hugging Face's names of scalings, two of which are GGUF's too.
    private static final String LINEAR = "linear";
    private static final String YARN = "yarn";
    private static final String LONG = "longrope";

    /**
     * A key in both directions.
     *
     * @param theirs the key of Hugging Face's configurations
     * @param writing makes the value; null for none
     */
    private record Key(String name, String theirs, Reading reading, Function<Architecture, @Nullable Object> writing) {}

    /** Reads a value for Hugging Face's key; null for none. */
    private interface Reading {
        @Nullable
        Object of(GgufKeys file, String name) throws FormatException;
    }

    private static final List<Key> KEYS = List.of(
            new Key("vocab_size", "vocab_size", (file, _) -> file.rows(), Architecture::vocabularySize),
            new Key(
                    CONTEXT,
                    "max_position_embeddings",
                    (f, _) -> f.contextLength,
                    m -> m.decoder().contextLength()),
            new Key(
                    HIDDEN,
                    "hidden_size",
                    (file, _) -> file.hiddenSize,
                    m -> m.decoder().hiddenSize()),
            new Key(
                    LAYERS,
                    "num_hidden_layers",
                    (file, _) -> file.layers,
                    m -> m.decoder().blocks().size()),
            new Key(INNER, "intermediate_size", GgufKeys::equal, GgufKeys::innerSize),
            new Key(
                    HEADS,
                    "num_attention_heads",
                    (file, _) -> file.heads,
                    m -> attention(m).heads()),
            new Key(
                    "attention.head_count_kv",
                    "num_key_value_heads",
                    GgufKeys::kvHeads,
                    m -> attention(m).kvHeads()),
            new Key(
                    KEY_LENGTH,
                    "head_dim",
                    (file, _) -> file.headSize,
                    m -> attention(m).headSize()),
            new Key(
                    VALUE_LENGTH,
                    "head_dim",
                    (file, _) -> file.headSize,
                    m -> attention(m).headSize()),
            new Key("attention.layer_norm_epsilon", "rms_norm_eps", GgufKeys::epsilon, m -> epsilon(m, true)),
            new Key("attention.layer_norm_rms_epsilon", "rms_norm_eps", GgufKeys::epsilon, m -> epsilon(m, false)));

    /** Keys that one architecture has. */
    private static final Map<GgufArchitecture, List<Key>> OWN_KEYS = Map.of(
            GRANITE,
            List.of(
                    new Key(
                            "attention.scale",
                            "attention_multiplier",
                            GgufKeys::scoreScale,
                            m -> attention(m).scale()),
                    new Key(
                            "embedding_scale",
                            "embedding_multiplier",
                            GgufKeys::one,
                            m -> m.decoder().embeddingScale()),
                    new Key("residual_scale", "residual_multiplier", GgufKeys::one, m -> block(m).residualScale()),
                    new Key(
                            "logit_scale",
                            "logits_scaling",
                            GgufKeys::one,
                            m -> 1 / m.decoder().hiddenScale())),
            GPT_NEOX,
            List.of(new Key(PARALLEL, PARALLEL, GgufKeys::parallel, m -> block(m).residual() == Residual.PARALLEL)),
            GEMMA2,
            List.of(
                    new Key(
                            SCORE_CAP,
                            SCORE_CAP,
                            (f, key) -> f.number(key, 50),
                            m -> cap(attention(m).softCap())),
                    new Key(LOGIT_CAP, LOGIT_CAP, (f, key) -> f.number(key, 30), m -> cap(m.logitCap()))),
            GEMMA3,
            List.of(
                    new Key(LOGIT_CAP, LOGIT_CAP, GgufKeys::numberIfThere, m -> cap(m.logitCap())),
                    new Key(LOCAL_THETA, "rope_local_base_freq", (f, key) -> f.number(key, 1e4), _ -> null)));

    /** Keys of rotary positions, which {@link #writePositions} writes. */
    private static final List<Key> ROTARY = List.of(
            new Key(THETA, "rope_theta", (file, _) -> file.theta(), _ -> null),
            new Key(ROTATED, "partial_rotary_factor", GgufKeys::rotated, _ -> null),
            new Key(SCALING, "rope_scaling", (file, _) -> file.scaling(), _ -> null),
            new Key(ORIGINAL, "original_max_position_embeddings", GgufKeys::original, _ -> null));

    /** Keys of windows, which it writes too. */
    private static final List<Key> WINDOWS = List.of(
            new Key(WINDOW, "sliding_window", (f, _) -> f.window() == 0 ? Json.NULL : (Object) f.window(), _ -> null),
            new Key(WINDOWED, "layer_types", (file, _) -> file.layerTypes(), _ -> null));

    private static final List<Key> OF_EXPERTS = List.of(
            new Key(EXPERTS, "num_local_experts", (file, _) -> file.experts(), m -> experts(m, Experts::count)),
            new Key(CHOSEN, "num_experts_per_tok", (file, _) -> file.chosen(), m -> experts(m, Experts::chosen)),
            new Key(EXPERT_INNER, "moe_intermediate_size", GgufKeys::expertInner, m -> experts(m, _ -> innerSize(m))));

    private static List<Key> keys(GgufArchitecture architecture) {
        List<Key> own = OWN_KEYS.getOrDefault(architecture, List.of());
        List<Key> rotary = architecture == GgufArchitecture.GPT2 ? List.of() : ROTARY;
        return Stream.of(KEYS, own, rotary, WINDOWS, OF_EXPERTS)
                .flatMap(List::stream)
                .toList();
    }

    private static @Nullable Object epsilon(Architecture model, boolean ofLayerNorms) {
        NormConfig norm = block(model).norm();
        return (norm.kind() == NormConfig.Kind.LAYER) == ofLayerNorms ? norm.epsilon() : null;
    }

    private static BlockConfig block(Architecture model) {
        return model.decoder().blocks().getFirst();
    }

    private static AttentionConfig attention(Architecture model) {
        return block(model).attention();
    }

    private static int innerSize(Architecture model) {
        return block(model).feedForward().each().innerSize();
    }

    private static @Nullable Object experts(Architecture model, Function<Experts, Integer> value) {
        return block(model).feedForward() instanceof Experts experts ? value.apply(experts) : null;
    }

    private static @Nullable Object cap(float number) {
        return number > 0 ? number : null;
    }

    private final Json metadata;
    private final GgufArchitecture architecture;
    private final boolean hasExperts;
    private final TensorStore tensors;
    private final int layers;
    private final int heads;
    private final int hiddenSize;
    private final int headSize;
    private final int contextLength;

    GgufKeys(Json metadata, GgufArchitecture architecture, boolean hasExperts, TensorStore tensors)
            throws FormatException {
        this.metadata = metadata;
        this.architecture = architecture;
        this.hasExperts = hasExperts;
        this.tensors = tensors;
        String causal = key("attention.causal");
        metadata.support(causal, metadata.bool(causal, true), "true");
        layers = require(LAYERS);
        metadata.check(key(LAYERS), layers <= tensors.names().size(), "at most one block for each tensor");
        heads = equal(HEADS);
        hiddenSize = require(HIDDEN);
        metadata.check(key(HEADS), heads <= hiddenSize, "at most embedding_length = " + hiddenSize);
        headSize = size(KEY_LENGTH, hiddenSize / heads);
        metadata.check(key(VALUE_LENGTH), size(VALUE_LENGTH, headSize) == headSize, "the key_length, " + headSize);
        boolean wider = architecture != OLMO2 && !architecture.has(Trait.LAYER_NORMS);
        boolean filled = (long) headSize * heads == hiddenSize;
        metadata.support(key(KEY_LENGTH), wider || filled, "embedding_length / attention.head_count");
        Object length = metadata.root().get(key(CONTEXT)); // some files say that it has no bound
        contextLength = length instanceof Long said && said > Architecture.MOST ? Architecture.MOST : require(CONTEXT);
    }

    /**
     * Reads the keys as a configuration of Hugging Face's.
     *
     * @param type the {@code model_type}
     */
    Json configuration(String type) throws FormatException {
        Set<String> present = tensors.names();
        Map<String, Object> json = Json.object(
                "model_type",
                type,
                "pad_token_id",
                Json.NULL, // else some families have one of their own vocabulary
                "tie_word_embeddings",
                !present.contains("output.weight") && !architecture.has(Trait.UNTIED),
                "attention_bias",
                present.contains("blk.0.attn_output.bias"),
                "mlp_bias",
                present.contains("blk.0.ffn_down.bias"),
                "norm_topk_prob",
                true);
        for (Key key : keys(architecture)) {
            Object value = key.reading.of(this, key.name);
            if (value != null) {
                json.put(key.theirs, value);
            }
        }
        switch (architecture) { // what no key says depends on the size
            case GEMMA2 -> json.put("query_pre_attn_scalar", layers == 46 ? hiddenSize / heads : headSize);
            case GEMMA3 -> json.put("query_pre_attn_scalar", layers == 62 ? hiddenSize / heads : headSize);
            case GPT_NEOX -> json.put("hidden_act", layers == 44 && hiddenSize == 6144 ? "gelu_new" : "gelu");
            case GRANITE -> {
                String rotates = key("rope.scaling.finetuned");
                metadata.support(rotates, metadata.bool(rotates, true), "true");
            }
            default -> {}
        }
        architecture.rename(json);
        return new Json(metadata.subject(), json);
    }

    private String key(String name) {
        return architecture + "." + name;
    }

    private int require(String name) throws FormatException {
        return metadata.requireInt(key(name), 1, Architecture.MOST);
    }

    /** A number, or a list of one for each layer, which must be equal. */
    private int equal(String name) throws FormatException {
        if (!(metadata.root().get(key(name)) instanceof List<?> list)) {
            return require(name);
        }
        metadata.check(key(name), list.size() == layers, "a number for each of " + layers + " layers");
        metadata.support(key(name), Set.copyOf(list).size() == 1, "equal numbers");
        return new Json(metadata.subject(), Map.of(name, list.getFirst())).requireInt(name, 1, Architecture.MOST);
    }

    private int size(String name, int whenAbsent) throws FormatException {
        return metadata.integer(key(name), whenAbsent, 1, Architecture.MOST);
    }

    private double number(String name, double whenAbsent) throws FormatException {
        return metadata.number(key(name), whenAbsent, 1e-30, 1e300);
    }

    private int rows() throws FormatException {
        List<Long> embedding = tensors.tensor(GgufVocabulary.EMBEDDING).shape();
        return (int) Math.min(embedding.isEmpty() ? 1 : embedding.getFirst(), Integer.MAX_VALUE);
    }

    private int kvHeads(String name) throws FormatException {
        return metadata.has(key(name)) ? equal(name) : heads;
    }

    private @Nullable Object epsilon(String name) throws FormatException {
        if (architecture.has(Trait.LAYER_NORMS) == name.contains("rms")) {
            return null;
        }
        metadata.check(key(name), metadata.has(key(name)), "a number");
        return metadata.number(key(name), 0, 0, 1);
    }

    private double scoreScale(String name) throws FormatException {
        return number(name, 1 / Math.sqrt(headSize));
    }

    private double one(String name) throws FormatException {
        return number(name, 1);
    }

    private boolean parallel(String name) throws FormatException {
        return metadata.bool(key(name), true);
    }

    private @Nullable Object numberIfThere(String name) throws FormatException {
        return metadata.has(key(name)) ? (Object) number(name, 0) : null;
    }

    private @Nullable Object experts() throws FormatException {
        int count = metadata.integer(key(EXPERTS), 0, 0, Architecture.MOST_EXPERTS);
        String groups = key("expert_group_count");
        int grouped = metadata.integer(groups, 0, 0, Architecture.MOST_EXPERTS);
        metadata.support(groups, grouped <= 1, "no groups of experts");
        boolean needed = hasExperts || architecture.has(Trait.EXPERTS);
        metadata.support(key(EXPERTS), count > 0 == needed, needed ? "the number of experts" : "0");
        return count > 0 ? count : null;
    }

    private @Nullable Object chosen() throws FormatException {
        return experts() instanceof Integer count ? (Object) metadata.requireInt(key(CHOSEN), 1, count) : null;
    }

    private @Nullable Object expertInner(String name) throws FormatException {
        return architecture.has(Trait.EXPERTS) && chosen() instanceof Integer chosen
                ? (Object) size(name, Math.max(1, equal(INNER) / chosen))
                : null;
    }

    /** The window of local layers; llama.cpp ignores the keys of other architectures. */
    private int window() throws FormatException {
        int absent = architecture == GEMMA2 ? 4096 : 0;
        int window = architecture.period == 0 ? 0 : metadata.integer(key(WINDOW), absent, 0, Architecture.MOST);
        metadata.check(key(WINDOW), window > 0 || architecture != GPT_OSS, "at least 1");
        return window;
    }

    private @Nullable Object layerTypes() throws FormatException {
        int window = window();
        if (architecture.period == 0) {
            return null;
        }
        List<?> each = metadata.root().get(key(WINDOWED)) instanceof List<?> list ? list : List.of();
        boolean listed = each.size() == layers && Set.of(true, false).containsAll(each);
        int last = listed ? 0 : size(WINDOWED, architecture.period);
        Stream<?> local =
                listed ? each.stream() : IntStream.range(0, layers).mapToObj(layer -> (layer + 1) % last != 0);
        return local.map(is -> window > 0 && is.equals(true) ? "sliding_attention" : "full_attention")
                .toList();
    }

    private double theta() throws FormatException {
        double theta = number(THETA, 10000);
        boolean one = architecture == GEMMA3 || number(LOCAL_THETA, theta) == theta;
        metadata.support(key(LOCAL_THETA), one, "rope.freq_base, " + theta);
        return theta;
    }

    private @Nullable Object rotated(String name) throws FormatException {
        int width = size(name, headSize);
        boolean partial = architecture.has(Trait.PARTIAL);
        boolean fits = partial ? width <= headSize : width == headSize;
        metadata.support(key(name), fits, (partial ? "at most " : "") + "the key_length, " + headSize);
        double share = (double) width / headSize; // whose product with the head's size is cut
        return partial ? (Object) ((int) (headSize * share) == width ? share : Math.nextUp(share)) : null;
    }

    /** The tensors of factors that an architecture may have: for all lengths, or for short and long texts. */
    static List<String> factorTensors(GgufArchitecture architecture) {
        return architecture == PHI3
                ? List.of(SHORT_FACTORS, LONG_FACTORS)
                : architecture.has(Trait.FACTORS) ? List.of(FACTORS) : List.of();
    }

    private boolean hasFactors() {
        return factorTensors(architecture).stream().anyMatch(tensors.names()::contains);
    }

    /** The kind of scaling; "none" for none. */
    private String kind() throws FormatException {
        double factor = number(FACTOR, number("rope.scale_linear", 1));
        String said = metadata.string(key(SCALING), LINEAR);
        boolean alone = !hasFactors() || factor == 1 || said.equals("none");
        metadata.support(key(FACTOR), alone, "1 beside tensor " + factorTensors(architecture));
        boolean known = hasFactors() || List.of("none", LINEAR, YARN).contains(said);
        metadata.support(key(SCALING), known, "none, linear or yarn");
        return hasFactors() ? LONG : said.equals(LINEAR) && factor == 1 ? "none" : said;
    }

    /** Older releases of Hugging Face's library take Phi's original length beside the scaling. */
    private @Nullable Object original(String name) throws FormatException {
        boolean beside = architecture == PHI3 && List.of(YARN, LONG).contains(kind());
        return beside ? (Object) size(name, contextLength) : null;
    }

    private @Nullable Object scaling() throws FormatException {
        String kind = kind();
        boolean phi = architecture == PHI3;
        boolean same = hasFactors() && !phi; // factors for all lengths
        double gain = number(GAIN, 1);
        metadata.support(key(GAIN), kind.equals(YARN) || (hasFactors() && !same) || gain == 1, "1");
        if (kind.equals("none")) {
            return architecture == GPT_OSS ? Json.object("rope_type", "default") : null;
        }
        Map<String, Object> scaling = Json.object(phi ? "type" : "rope_type", kind);
        double factor = number(FACTOR, number("rope.scale_linear", 1));
        int original = size(ORIGINAL, contextLength);
        if (hasFactors()) {
            scaling.put("short_factor", numbers(factorTensors(architecture).getFirst()));
            scaling.put("long_factor", numbers(factorTensors(architecture).getLast()));
        } else {
            scaling.put("factor", factor);
        }
        double whole = same ? 1 : kind.equals(YARN) ? gain * RopeKeys.scale(factor, 1) : gain;
        boolean computed =
                phi && (float) whole == (float) RopeKeys.longGain((double) contextLength / original, original);
        if (!kind.equals(LINEAR) && !computed) { // older releases of the library compute Phi's
            scaling.put("attention_factor", whole);
        }
        if (!kind.equals(LINEAR) && !phi) {
            scaling.put("original_max_position_embeddings", original);
        }
        if (kind.equals(YARN)) {
            yarn(scaling, whole);
        }
        if (architecture == GPT_OSS) {
            scaling.put("truncate", false);
        }
        return scaling;
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
        boolean small = tensor.elements() <= Architecture.MOST && tensor.dtype() == DType.F32;
        metadata.check(GgufArchitecture.KEY, small, "one whose tensor " + name + " has few numbers in F32");
        float[] numbers = tensor.toArray();
        return IntStream.range(0, numbers.length)
                .mapToObj(i -> (double) numbers[i])
                .toList();
    }

    /**
     * Writes the keys of a model, as far as there are some for what it does.
     *
     * @param tensors receives the tensors that are read with the keys
     */
    static Map<String, Object> write(GgufArchitecture architecture, Architecture model, Map<String, float[]> tensors) {
        Map<String, Object> keys = new LinkedHashMap<>();
        for (Key key : keys(architecture)) {
            Object value = key.writing.apply(model);
            if (value != null) {
                keys.put(key.name, value);
            }
        }
        model.decoder().blocks().stream()
                .map(BlockConfig::attention)
                .sorted(Comparator.comparingInt(AttentionConfig::window)) // the positions of full layers may be scaled
                .forEach(layer -> writePositions(architecture, layer, model.ropes(), keys, tensors));
        return keys;
    }

    private static void writePositions(
            GgufArchitecture architecture,
            AttentionConfig layer,
            Map<RopeConfig, Formula> formulas,
            Map<String, Object> keys,
            Map<String, float[]> tensors) {
        boolean local = layer.window() > 0;
        if (local && architecture.period > 0) {
            keys.put(WINDOW, layer.window());
        }
        RopeConfig rope = layer.rope();
        Formula formula = rope == null ? null : formulas.get(rope);
        if (rope == null || formula == null) {
            return;
        }
        if (local && architecture == GEMMA3) {
            keys.put(LOCAL_THETA, (float) formula.theta());
        } else if (keys.putIfAbsent(THETA, (float) formula.theta()) == null) {
            keys.put(ROTATED, rope.width());
            writeScaling(architecture, rope, formula, keys, tensors);
        }
    }

    private static void writeScaling(
            GgufArchitecture architecture,
            RopeConfig rope,
            Formula formula,
            Map<String, Object> keys,
            Map<String, float[]> tensors) {
        String kind = formula.scaling();
        boolean yarn = kind.equals(YARN);
        boolean phi = kind.equals(LONG) && architecture == PHI3;
        if (yarn || kind.equals(LINEAR)) {
            keys.put(SCALING, kind);
            keys.put(FACTOR, (float) formula.factor());
        }
        if (yarn || phi) {
            double gain = phi ? rope.gain() : rope.gain() / RopeKeys.scale(formula.factor(), 1);
            keys.put(ORIGINAL, formula.original());
            keys.put(GAIN, yarn && Math.abs(gain - 1) < Difference.ROUNDING ? 1f : (float) gain);
        }
        if (phi) {
            List<Double> longer =
                    rope.longer() instanceof Longer.Other other ? other.frequencies() : rope.frequencies();
            tensors.put(SHORT_FACTORS, factors(formula, rope.width(), rope.frequencies()));
            tensors.put(LONG_FACTORS, factors(formula, rope.width(), longer));
        } else if (architecture.has(Trait.FACTORS) && List.of("llama3", LONG).contains(kind)) {
            tensors.put(FACTORS, factors(formula, rope.width(), rope.frequencies()));
        }
    }

    /** The numbers that frequencies are divided by. */
    private static float[] factors(Formula formula, int width, List<Double> frequencies) {
        float[] factors = new float[frequencies.size()];
        for (int j = 0; j < factors.length; j++) {
            factors[j] = (float) (RopeKeys.plain(formula.theta(), j, width) / frequencies.get(j));
        }
        return factors;
    }
}
