package dev.causal4j.model.families;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.ActivationFunction;
import dev.causal4j.decoder.BlockConfig;
import dev.causal4j.decoder.BlockConfig.AttentionConfig;
import dev.causal4j.decoder.BlockConfig.AttentionConfig.QueryKeyNorm;
import dev.causal4j.decoder.BlockConfig.AttentionConfig.Values;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Dense;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Experts;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Routing;
import dev.causal4j.decoder.BlockConfig.MixerConfig;
import dev.causal4j.decoder.BlockConfig.NormConfig;
import dev.causal4j.decoder.BlockConfig.NormPlaces;
import dev.causal4j.decoder.BlockConfig.Residual;
import dev.causal4j.decoder.BlockConfig.RopeConfig;
import dev.causal4j.decoder.BlockConfig.RopeConfig.Formula;
import dev.causal4j.decoder.DecoderConfig;
import dev.causal4j.decoder.DecoderConfig.PerLayerConfig;
import dev.causal4j.json.Json;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.IntFunction;
import java.util.function.IntPredicate;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Reads the keys that Llama-like configurations share, with each family's values for absent ones, and makes Llama's
 * model from them. A family changes some of its choices.
 */
final class Keys {
    private static final Map<String, ActivationFunction> ACTIVATIONS = Map.of(
            "silu", ActivationFunction.SILU,
            "swish", ActivationFunction.SILU,
            "gelu", ActivationFunction.GELU,
            "gelu_new", ActivationFunction.GELU_TANH,
            "gelu_pytorch_tanh", ActivationFunction.GELU_TANH,
            "gelu_fast", ActivationFunction.GELU_TANH,
            "relu", ActivationFunction.RELU,
            "relu2", ActivationFunction.RELU_SQUARED);

    /** Bound of the numbers of a layer's state, above any model's. */
    private static final long MOST_STATE = 1L << 26;

    /** Families whose files may say that tokens see those after them (EmbeddingGemma). */
    private static final Set<String> BOTH_WAYS = Set.of("gemma3_text", "qwen3");

    /**
     * Values for absent keys.
     *
     * @param heads 0 if the key must be there
     * @param kvHeads 0 for as many as heads
     * @param headSize 0 for hidden size / heads
     */
    record Absent(int heads, int kvHeads, int headSize, double theta, double epsilon) {}

    final Json json;
    final Absent absent;
    final int hiddenSize;
    final int layers;
    final int pretrained; // positions
    final Map<RopeConfig, Formula> ropes = new HashMap<>(); // the formulas of the positions read so far
    final int heads;
    final boolean bidirectional;

    // Llama's choices. A family changes them before it makes blocks.
    int kvHeads;
    int headSize;
    NormConfig norm;
    NormPlaces places = NormPlaces.BEFORE;
    QueryKeyNorm queryKeyNorm = QueryKeyNorm.NONE;
    Residual residual = Residual.SEQUENTIAL;
    float scale; // of scores
    float softCap; // of scores; 0 for none
    boolean qkvBias;
    boolean outBias;
    boolean sinks;
    boolean gated;
    boolean growingQueries; // if the file has such a key
    Values values = Values.PROJECTED;
    int keysOf = AttentionConfig.OWN;
    float residualScale = 1;
    float embeddingScale = 1;
    float hiddenScale = 1;
    float logitCap;

    @Nullable
    PerLayerConfig perLayer;

    boolean scaledLayers;
    boolean tied; // if the file has no such key

    Keys(Json json, Absent absent) throws FormatException {
        this.json = json;
        this.absent = absent;
        json.support("quantization_config", !json.has("quantization_config"), "no quantization");
        json.support("is_causal", json.bool("is_causal", true), "true");
        String both = "use_bidirectional_attention";
        bidirectional = json.bool(both, false);
        json.support(both, !bidirectional || BOTH_WAYS.contains(json.string("model_type", "")), "false");
        hiddenSize = json.requireInt("hidden_size", 1, Architecture.MOST / 4);
        heads = absent.heads == 0
                ? json.requireInt("num_attention_heads", 1, Architecture.MOST)
                : json.integer("num_attention_heads", absent.heads, 1, Architecture.MOST);
        int fallback = absent.kvHeads == 0 || json.isNull("num_key_value_heads") ? heads : absent.kvHeads;
        kvHeads = json.integer("num_key_value_heads", fallback, 1, Architecture.MOST);
        json.check("num_attention_heads", heads % kvHeads == 0, "a multiple of num_key_value_heads = " + kvHeads);
        boolean own = absent.headSize > 0 && !json.isNull("head_dim");
        headSize = json.integer("head_dim", own ? absent.headSize : hiddenSize / heads, 1, Architecture.MOST);
        json.check("head_dim", (long) heads * headSize <= Architecture.MOST, "heads of at most 2^24 numbers in all");
        layers = json.requireInt("num_hidden_layers", 1, Architecture.MOST_LAYERS);
        pretrained = json.integer("max_position_embeddings", 4096, 1, Architecture.MOST);
        norm = norm(NormConfig.Kind.RMS, "rms_norm_eps");
        scale = (float) (1 / Math.sqrt(headSize));
        qkvBias = json.bool("attention_bias", false);
        outBias = qkvBias;
    }

    NormConfig norm(NormConfig.Kind kind, String epsilon) throws FormatException {
        boolean bias = kind == NormConfig.Kind.LAYER;
        return new NormConfig(kind, (float) json.number(epsilon, absent.epsilon, 0, 1), bias);
    }

    /** Rotation of all coordinates. */
    RopeConfig rope() throws FormatException {
        return rope(false);
    }

    /** @param local whether to read the positions of layers with windows, if these have their own */
    RopeConfig rope(boolean local) throws FormatException {
        RopeConfig rope = new RopeKeys(this, local).read(false);
        json.support("partial_rotary_factor", rope.width() == headSize, "1, of this family");
        return rope;
    }

    /** Refuses a list of layers with other kinds than full attention. */
    void onlyFullAttention() throws FormatException {
        boolean full = json.strings("layer_types").stream().allMatch("full_attention"::equals);
        json.support("layer_types", full, "full_attention in all layers");
    }

    /** Whether each layer has a window: by {@code layer_types}, or else by the family's rule. */
    List<Boolean> local(IntPredicate rule) throws FormatException {
        return are("sliding_attention", rule);
    }

    /**
     * Whether each layer is of a kind, or else of full attention: by {@code layer_types}, or else by the family's rule.
     */
    List<Boolean> are(String kind, IntPredicate rule) throws FormatException {
        List<String> types = json.strings("layer_types");
        if (types.isEmpty()) {
            return IntStream.range(0, layers).mapToObj(rule::test).toList();
        }
        json.check("layer_types", types.size() == layers, layers + " values");
        boolean known = Set.of("full_attention", kind).containsAll(types);
        json.support("layer_types", known, "full_attention and " + kind);
        return types.stream().map(kind::equals).toList();
    }

    /** The window of local layers; 0 for none. */
    int window(int whenAbsent) throws FormatException {
        int fallback = json.isNull("sliding_window") ? 0 : whenAbsent;
        return json.integer("sliding_window", fallback, 1, Architecture.MOST);
    }

    /** The window of local layers in a family whose files turn windows on by a key; 0 for none. */
    int windowIfUsed() throws FormatException {
        boolean used = json.bool("use_sliding_window", false);
        boolean local = json.strings("layer_types").contains("sliding_attention");
        json.support("layer_types", used || !local, "no sliding_attention while use_sliding_window is false");
        return used ? window(4096) : 0;
    }

    ActivationFunction activation(String key, String whenAbsent) throws FormatException {
        ActivationFunction activation = ACTIVATIONS.get(json.string(key, whenAbsent));
        json.support(key, activation != null, "silu, gelu, gelu_pytorch_tanh, relu or relu2");
        return activation == null ? ActivationFunction.SILU : activation;
    }

    Dense dense(String sizeKey, ActivationFunction activation, boolean gated, boolean bias) throws FormatException {
        return new Dense(json.requireInt(sizeKey, 1, Architecture.MOST), activation, gated, bias);
    }

    /** Llama's gated layer. */
    Dense dense() throws FormatException {
        return dense("intermediate_size", activation("hidden_act", "silu"), true, json.bool("mlp_bias", false));
    }

    /** @param whenAbsent how many experts; 0 if the key must be there */
    Experts experts(String countKey, int whenAbsent, int chosenWhenAbsent, Dense each, Routing routing, boolean bias)
            throws FormatException {
        int count = json.integer(countKey, whenAbsent, 1, Architecture.MOST_EXPERTS);
        json.check(countKey, count > 0, "an integer from 1 to " + Architecture.MOST_EXPERTS);
        boolean listed = (long) layers * count <= Architecture.MOST_EXPERTS_OF_ALL;
        json.check(countKey, listed, "at most " + Architecture.MOST_EXPERTS_OF_ALL + " experts in all layers");
        int chosen = json.integer("num_experts_per_tok", chosenWhenAbsent, 1, count);
        json.check("num_experts_per_tok", chosen <= count, "an integer from 1 to " + count);
        return new Experts(count, chosen, each, routing, bias);
    }

    /** Refuses a recurrent layer whose state has too many numbers. */
    void checkState(String key, double numbers) throws FormatException {
        json.check(key, numbers <= MOST_STATE, "states of at most 2^26 numbers in all");
    }

    /** Llama's block with a window, 0 for none. */
    BlockConfig block(int window) throws FormatException {
        return block(window, rope(), dense());
    }

    BlockConfig block(int window, @Nullable RopeConfig rope, FeedForwardConfig feedForward) {
        AttentionConfig attention = new AttentionConfig(
                heads,
                kvHeads,
                headSize,
                scale,
                softCap,
                window,
                bidirectional,
                rope,
                queryKeyNorm,
                qkvBias,
                outBias,
                sinks,
                gated,
                values,
                keysOf);
        return block(attention, feedForward);
    }

    BlockConfig block(MixerConfig mixer, FeedForwardConfig feedForward) {
        return new BlockConfig(mixer, feedForward, norm, places, residual, residualScale);
    }

    /** A model of equal blocks. */
    Architecture model(Family family, BlockConfig each) throws FormatException {
        return model(family, json, _ -> each);
    }

    /** A model with windows in the layers of {@link #local}. */
    Architecture model(Family family, IntPredicate rule, BlockConfig local, BlockConfig full) throws FormatException {
        List<Boolean> isLocal = local(rule);
        return model(family, json, layer -> isLocal.get(layer) ? local : full);
    }

    /** @param source the configuration that the model keeps */
    Architecture model(Family family, Json source, IntFunction<BlockConfig> block) throws FormatException {
        double growth = ropes.values().stream()
                .filter(rope -> rope.scaling().equals("dynamic"))
                .mapToDouble(Formula::factor)
                .findFirst()
                .orElse(1);
        int contextLength = (int) Math.min(Architecture.MOST, pretrained * growth);
        List<BlockConfig> blocks = IntStream.range(0, layers).mapToObj(block).toList();
        DecoderConfig decoder = new DecoderConfig(
                hiddenSize, contextLength, embeddingScale, false, norm, hiddenScale, perLayer, scaledLayers, blocks);
        return Architecture.of(family, decoder, ropes, source, tied, logitCap);
    }
}
