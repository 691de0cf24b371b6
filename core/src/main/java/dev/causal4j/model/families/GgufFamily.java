package dev.causal4j.model.families;

import dev.causal4j.FormatException;
import dev.causal4j.UnsupportedModelException;
import dev.causal4j.decoder.BlockConfig;
import dev.causal4j.decoder.BlockConfig.AttentionConfig;
import dev.causal4j.decoder.BlockConfig.RopeConfig;
import dev.causal4j.decoder.BlockConfig.RopeConfig.Longer;
import dev.causal4j.decoder.DecoderConfig;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.decoder.ParameterSpec.Role;
import dev.causal4j.format.GgufVocabulary;
import dev.causal4j.format.Json;
import dev.causal4j.format.TensorStore;
import dev.causal4j.format.TensorStore.Stored;
import dev.causal4j.model.ModelConfig;
import dev.causal4j.model.ModelConfig.Rope;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.TensorView;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;

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
                    Map.entry("attention_out", "attn_output"),
                    Map.entry("attention_out_norm", "post_attention_norm"),
                    Map.entry("feed_forward_norm", "ffn_norm"),
                    Map.entry("feed_forward_out_norm", "post_ffw_norm"),
                    Map.entry("gate", "ffn_gate"),
                    Map.entry("up", "ffn_up"),
                    Map.entry("down", "ffn_down")));

    private static final List<String> ARCHITECTURES =
            List.of("llama", "qwen2", "qwen3", "gemma2", "gemma3", "phi3", "gpt2");
    private static final String ARCHITECTURE = "general.architecture";
    private static final String REMEDY = "this model cannot be written as GGUF";
    private static final String GEMMA3 = "gemma3";
    private static final String GEMMA3_TYPE = "gemma3_text";

    // Keys, behind the architecture.
    private static final String CONTEXT = "context_length";
    private static final String HIDDEN = "embedding_length";
    private static final String LAYERS = "block_count";
    private static final String INNER = "feed_forward_length";
    private static final String HEADS = "attention.head_count";
    private static final String KV_HEADS = "attention.head_count_kv";
    private static final String KEY_LENGTH = "attention.key_length";
    private static final String VALUE_LENGTH = "attention.value_length";
    private static final String LAYER_EPSILON = "attention.layer_norm_epsilon";
    private static final String RMS_EPSILON = "attention.layer_norm_rms_epsilon";
    private static final String WINDOW = "attention.sliding_window";
    private static final String SCORE_CAP = "attn_logit_softcapping";
    private static final String LOGIT_CAP = "final_logit_softcapping";
    private static final String THETA = "rope.freq_base";
    private static final String LOCAL_THETA = "rope.freq_base_swa";
    private static final String ROTATED = "rope.dimension_count";
    private static final String SCALING = "rope.scaling.type";
    private static final String FACTOR = "rope.scaling.factor";
    private static final String ORIGINAL = "rope.scaling.original_context_length";
    private static final String GAIN = "rope.scaling.attn_factor";

    // Tensors that are read with the configuration.
    private static final String FACTORS = "rope_freqs.weight"; // for all lengths
    private static final String SHORT_FACTORS = "rope_factors_short.weight";
    private static final String LONG_FACTORS = "rope_factors_long.weight";
    private static final String PACKED = "blk.0.attn_qkv.weight";
    private static final String GATE = "blk.0.ffn_gate.weight";

    private static final MemorySegment NO_NUMBERS = MemorySegment.ofArray(new float[0]);

    /** Llama's keys and GPT-2's. */
    private static final Map<String, String> GPT2 = Map.of(
            "hidden_size", "n_embd",
            "num_attention_heads", "n_head",
            "num_hidden_layers", "n_layer",
            "max_position_embeddings", "n_positions",
            "intermediate_size", "n_inner",
            "rms_norm_eps", "layer_norm_epsilon");

    // Hugging Face's names of scalings, two of which are GGUF's too.
    private static final String LINEAR = "linear";
    private static final String YARN = "yarn";
    private static final String LONG = "longrope";

    private final Json metadata;
    private final String architecture;
    private final TensorStore tensors;
    private final Set<String> present;
    private final Names names;

    public GgufFamily(Json metadata, TensorStore tensors) throws FormatException {
        this.metadata = metadata;
        this.tensors = tensors;
        this.present = tensors.names();
        this.architecture = metadata.requireString(ARCHITECTURE);
        Map<String, String> packed = new HashMap<>();
        if (present.contains(PACKED)) {
            packed.put("qkv", "attn_qkv");
        }
        if (!present.contains(GATE)) {
            packed.put("gate_up", "ffn_up");
        }
        this.names = NAMES.but(packed);
    }

    /**
     * The family in a file to write, which says what a configuration does: {@link #metadata} and {@link #buffers} are the
     * inverse of {@link #read}, which has to give the same configuration again.
     *
     * @param subject of messages
     * @throws UnsupportedModelException naming what no file can say
     */
    public static GgufFamily of(String subject, ModelConfig config) throws FormatException {
        String type = config.family().type();
        String architecture = type.equals(GEMMA3_TYPE) ? GEMMA3 : type.equals("mistral") ? "llama" : type;
        Json said = new Json(subject, Json.object("model_type", type, "tie_word_embeddings", config.tied()));
        said.support("model_type", ARCHITECTURES.contains(architecture), "one with a name in GGUF, " + ARCHITECTURES);
        said.support("tie_word_embeddings", config.tied() || !architecture.equals("gemma2"), "true of gemma2 in GGUF");
        Map<String, Stored> tensors = new LinkedHashMap<>();
        Map<String, Object> keys = Json.object(ARCHITECTURE, architecture);
        Map<String, float[]> factors = new LinkedHashMap<>();
        say(architecture, config, factors).forEach((key, value) -> keys.put(architecture + "." + key, value));
        factors.forEach((name, numbers) -> {
            List<Long> shape = List.of((long) numbers.length);
            tensors.put(name, new Stored(subject, DType.F32.name(), shape, MemorySegment.ofArray(numbers)));
        });
        Json metadata = new Json(subject, keys);
        Stored none = new Stored(subject, DType.F32.name(), List.of((long) config.vocabularySize(), 0L), NO_NUMBERS);
        tensors.put(List.of("gpt2", "phi3").contains(architecture) ? PACKED : GATE, none);
        GgufFamily naming = new GgufFamily(metadata, new TensorStore(subject, tensors, Map.of()));
        for (ParameterSpec spec : config.specs()) {
            List<String> names = naming.origin(config, spec, "").names();
            if (spec.role() == Role.BIAS && !hasBias(architecture, spec.module())) {
                String expected = "none, since llama.cpp has no such bias in " + architecture;
                throw new UnsupportedModelException(subject + ", tensor " + names.getFirst(), expected, "one", REMEDY);
            }
            names.forEach(name -> tensors.put(name, none));
        }
        GgufFamily family = new GgufFamily(metadata, new TensorStore(subject, tensors, Map.of()));
        ModelConfig read = family.read(metadata);
        Difference other = Difference.of("", config.decoder(), read.decoder())
                .or(() -> Difference.of("logitCap", config.logitCap(), read.logitCap()))
                .orElse(null);
        if (other != null) {
            String expected = other.other() + ", which is all that GGUF's " + architecture + " can say";
            throw new UnsupportedModelException(subject + ", " + other.path(), expected, other.one(), REMEDY);
        }
        return family;
    }

    private static boolean hasBias(String architecture, String module) {
        return List.of("llama", "gpt2").contains(architecture) || (architecture + module).equals("qwen2qkv");
    }

    /** What a file says, by keys without the architecture and by tensors, as far as it can. */
    private static Map<String, Object> say(String architecture, ModelConfig config, Map<String, float[]> tensors) {
        DecoderConfig decoder = config.decoder();
        BlockConfig block = decoder.blocks().getFirst();
        AttentionConfig attention = block.attention();
        Map<String, Object> keys = new LinkedHashMap<>();
        keys.put("vocab_size", config.vocabularySize());
        keys.put(CONTEXT, decoder.contextLength());
        keys.put(HIDDEN, decoder.hiddenSize());
        keys.put(LAYERS, decoder.blocks().size());
        keys.put(INNER, block.feedForward().each().innerSize());
        keys.put(HEADS, attention.heads());
        keys.put(KV_HEADS, attention.kvHeads());
        keys.put(KEY_LENGTH, attention.headSize());
        keys.put(VALUE_LENGTH, attention.headSize());
        keys.put(
                architecture.equals("gpt2") ? LAYER_EPSILON : RMS_EPSILON,
                block.norm().epsilon());
        for (BlockConfig each : decoder.blocks()) {
            int window = each.attention().window();
            RopeConfig rope = each.attention().rope();
            Rope known = rope == null ? null : config.ropes().get(rope);
            if (window > 0 && architecture.startsWith("gemma")) {
                keys.put(WINDOW, window);
            }
            if (rope != null && known != null && window > 0 && architecture.equals(GEMMA3)) {
                keys.put(LOCAL_THETA, (float) known.theta());
            } else if (rope != null && known != null && !keys.containsKey(THETA)) {
                say(rope, known, architecture, keys, tensors);
            }
        }
        if (attention.softCap() > 0) {
            keys.put(SCORE_CAP, attention.softCap());
        }
        if (config.logitCap() > 0) {
            keys.put(LOGIT_CAP, config.logitCap());
        }
        return keys;
    }

    private static void say(
            RopeConfig rope, Rope known, String architecture, Map<String, Object> keys, Map<String, float[]> tensors) {
        keys.put(THETA, (float) known.theta());
        keys.put(ROTATED, rope.width());
        if (List.of(LINEAR, YARN).contains(known.scaling())) {
            double gain = rope.gain() / RopeKeys.scale(known.factor(), 1);
            keys.put(SCALING, known.scaling());
            keys.put(FACTOR, (float) known.factor());
            if (known.scaling().equals(YARN)) {
                keys.put(ORIGINAL, known.original());
                keys.put(GAIN, Math.abs(gain - 1) < Difference.ROUNDING ? 1f : (float) gain);
            }
        } else if (known.scaling().equals(LONG) && architecture.equals("phi3")) {
            keys.put(ORIGINAL, known.original());
            keys.put(GAIN, rope.gain());
            tensors.put(SHORT_FACTORS, factors(known, rope.width(), rope.frequencies()));
            List<Double> longer =
                    rope.longer() instanceof Longer.Other beyond ? beyond.frequencies() : rope.frequencies();
            tensors.put(LONG_FACTORS, factors(known, rope.width(), longer));
        } else if (List.of("llama3", LONG).contains(known.scaling()) && architecture.equals("llama")) {
            tensors.put(FACTORS, factors(known, rope.width(), rope.frequencies()));
        }
    }

    /** What frequencies are divided by. */
    private static float[] factors(Rope known, int width, List<Double> frequencies) {
        float[] factors = new float[frequencies.size()];
        for (int j = 0; j < factors.length; j++) {
            factors[j] = (float) (RopeKeys.plain(known.theta(), j, width) / frequencies.get(j));
        }
        return factors;
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
        return architecture.equals(GEMMA3) ? GEMMA3_TYPE : architecture;
    }

    @Override
    public Names names() {
        return names;
    }

    @Override
    public boolean isBuffer(String name) {
        return name.startsWith("rope_f"); // read with the configuration
    }

    @Override
    public Origin origin(ModelConfig config, ParameterSpec spec, String root) {
        Origin origin = names.origin(config, spec, root);
        if (!architecture.equals("llama") || !spec.module().equals("qkv")) {
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
        metadata.support(ARCHITECTURE, ARCHITECTURES.contains(architecture), "one of " + ARCHITECTURES);
        String causal = key("attention.causal");
        metadata.support(causal, metadata.bool(causal, true), "true");
        metadata.support(key("expert_count"), metadata.integer(key("expert_count"), 0, 0, Integer.MAX_VALUE) == 0, "0");
        int layers = require(LAYERS);
        metadata.check(key(LAYERS), layers <= present.size(), "at most one block for each tensor");
        int heads = requireEqual(HEADS, layers);
        int hiddenSize = require(HIDDEN);
        metadata.check(key(HEADS), heads <= hiddenSize, "at most embedding_length = " + hiddenSize);
        int headSize = size(KEY_LENGTH, hiddenSize / heads);
        boolean fits = size(VALUE_LENGTH, headSize) == headSize;
        metadata.check(key(VALUE_LENGTH), fits, "the key_length, " + headSize);
        boolean grouped = metadata.has(key(KV_HEADS));
        // Some say that it is not bounded.
        Object length = metadata.root().get(key(CONTEXT));
        boolean bounded = !(length instanceof Long given && given > ModelConfig.MOST);
        int contextLength = bounded ? require(CONTEXT) : ModelConfig.MOST;
        List<Long> embedding = tensors.tensor(GgufVocabulary.EMBEDDING).shape();
        boolean gpt2 = architecture.equals("gpt2");
        String epsilon = key(gpt2 ? LAYER_EPSILON : RMS_EPSILON);
        metadata.check(epsilon, metadata.has(epsilon), "a number");
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("model_type", type());
        json.put("vocab_size", (int) Math.min(embedding.isEmpty() ? 1 : embedding.getFirst(), Integer.MAX_VALUE));
        json.put("tie_word_embeddings", !present.contains("output.weight"));
        json.put("hidden_size", hiddenSize);
        json.put("num_attention_heads", heads);
        json.put("num_key_value_heads", grouped ? requireEqual(KV_HEADS, layers) : heads);
        json.put("head_dim", headSize);
        json.put("num_hidden_layers", layers);
        json.put("max_position_embeddings", contextLength);
        json.put("intermediate_size", requireEqual(INNER, layers));
        json.put("rms_norm_eps", metadata.number(epsilon, 0, 0, 1));
        json.put("attention_bias", present.contains("blk.0.attn_output.bias"));
        json.put("mlp_bias", present.contains("blk.0.ffn_down.bias"));
        if (gpt2) {
            GPT2.forEach((key, own) -> json.put(own, json.remove(key)));
            return ModelConfig.of(new Json(metadata.subject(), json));
        }
        rope(json, headSize, contextLength);
        if (architecture.startsWith("gemma")) {
            boolean largest = layers == (architecture.equals("gemma2") ? 46 : 62); // the models of 27B: no key tells
            gemma(json, largest ? hiddenSize / heads : headSize);
        } else {
            json.put("sliding_window", Json.NULL); // ignored by llama.cpp
        }
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

    private void gemma(Map<String, Object> json, int scalar) throws FormatException {
        boolean second = architecture.equals("gemma2");
        json.put("query_pre_attn_scalar", scalar);
        int window = metadata.integer(key(WINDOW), second ? 4096 : 0, 0, ModelConfig.MOST);
        json.put("sliding_window", window == 0 ? Json.NULL : window);
        if (second) {
            json.put("attn_logit_softcapping", number(SCORE_CAP, 50));
        } else {
            json.put("sliding_window_pattern", size("attention.sliding_window_pattern", 6));
            json.put("rope_local_base_freq", number(LOCAL_THETA, 1e4));
        }
        if (second || metadata.has(key(LOGIT_CAP))) {
            json.put("final_logit_softcapping", number(LOGIT_CAP, 30));
        }
    }

    private void rope(Map<String, Object> json, int headSize, int contextLength) throws FormatException {
        json.put("rope_theta", number(THETA, 10000));
        String dimensions = key(ROTATED);
        int width = size(ROTATED, headSize);
        boolean partial = architecture.equals("phi3");
        boolean fits = partial ? width <= headSize : width == headSize;
        metadata.support(dimensions, fits, (partial ? "at most " : "") + "the key_length, " + headSize);
        if (width < headSize) {
            json.put("partial_rotary_factor", (double) width / headSize);
        }
        double factor = number(FACTOR, number("rope.scale_linear", 1));
        int original = size(ORIGINAL, contextLength);
        double gain = number(GAIN, 1);
        String said = metadata.string(key(SCALING), LINEAR);
        boolean same = present.contains(FACTORS);
        boolean factors = same || present.contains(LONG_FACTORS);
        metadata.support(ARCHITECTURE, !same || architecture.equals("llama"), "llama with " + FACTORS);
        boolean known = factors || List.of("none", LINEAR, YARN).contains(said);
        metadata.support(key(SCALING), known, "none, linear or yarn");
        String kind = factors ? LONG : said.equals(LINEAR) && factor == 1 ? "none" : said;
        if (kind.equals("none")) {
            return;
        }
        Map<String, Object> scaling = Json.object("rope_type", kind);
        if (factors) {
            scaling.put("short_factor", numbers(same ? FACTORS : SHORT_FACTORS));
            scaling.put("long_factor", numbers(same ? FACTORS : LONG_FACTORS));
        } else {
            scaling.put("factor", factor);
        }
        if (!kind.equals(LINEAR)) {
            double own = kind.equals(YARN) ? RopeKeys.scale(factor, 1) : 1;
            scaling.put("original_max_position_embeddings", original);
            scaling.put("attention_factor", same ? 1.0 : gain * own);
        }
        json.put("rope_scaling", scaling);
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
