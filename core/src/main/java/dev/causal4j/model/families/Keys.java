package dev.causal4j.model.families;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.BlockConfig;
import dev.causal4j.decoder.BlockConfig.AttentionConfig;
import dev.causal4j.decoder.BlockConfig.AttentionConfig.QueryKeyNorm;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Activation;
import dev.causal4j.decoder.BlockConfig.FeedForwardConfig.Dense;
import dev.causal4j.decoder.BlockConfig.NormConfig;
import dev.causal4j.decoder.BlockConfig.NormPlaces;
import dev.causal4j.decoder.BlockConfig.Residual;
import dev.causal4j.decoder.BlockConfig.RopeConfig;
import dev.causal4j.decoder.DecoderConfig;
import dev.causal4j.format.Json;
import dev.causal4j.model.ModelConfig;
import dev.causal4j.model.ModelConfig.Rope;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The keys that Llama-like configurations share, with each family's values for absent ones, and Llama's layers made from
 * them.
 */
final class Keys {
    private static final Map<String, Activation> ACTIVATIONS = Map.of(
            "silu", Activation.SILU,
            "swish", Activation.SILU,
            "gelu", Activation.GELU,
            "gelu_new", Activation.GELU_TANH,
            "gelu_pytorch_tanh", Activation.GELU_TANH,
            "gelu_fast", Activation.GELU_TANH,
            "relu", Activation.RELU,
            "relu2", Activation.RELU_SQUARED);

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
    final int heads;
    final int kvHeads;
    final int headSize;
    final int layers;
    final int pretrained; // positions
    final int contextLength;
    final Map<RopeConfig, Rope> ropes = new HashMap<>(); // those that were read
    private final double epsilon;

    Keys(Json json, Absent absent) throws FormatException {
        this(json, absent, "rms_norm_eps");
    }

    Keys(Json json, Absent absent, String epsilonKey) throws FormatException {
        this.json = json;
        this.absent = absent;
        json.support("quantization_config", !json.has("quantization_config"), "no quantization");
        json.support("is_causal", json.bool("is_causal", true), "true");
        String both = "use_bidirectional_attention";
        json.support(both, !json.bool(both, false), "false");
        hiddenSize = json.requireInt("hidden_size", 1, ModelConfig.MOST / 4);
        heads = absent.heads == 0
                ? json.requireInt("num_attention_heads", 1, ModelConfig.MOST)
                : json.integer("num_attention_heads", absent.heads, 1, ModelConfig.MOST);
        int fallback = absent.kvHeads == 0 || json.isNull("num_key_value_heads") ? heads : absent.kvHeads;
        kvHeads = json.integer("num_key_value_heads", fallback, 1, ModelConfig.MOST);
        json.check("num_attention_heads", heads % kvHeads == 0, "a multiple of num_key_value_heads = " + kvHeads);
        boolean own = absent.headSize > 0 && !json.isNull("head_dim");
        headSize = json.integer("head_dim", own ? absent.headSize : hiddenSize / heads, 1, ModelConfig.MOST);
        json.check("head_dim", (long) heads * headSize <= ModelConfig.MOST, "heads of at most 2^24 numbers in all");
        layers = json.requireInt("num_hidden_layers", 1, ModelConfig.MOST_LAYERS);
        pretrained = json.integer("max_position_embeddings", 4096, 1, ModelConfig.MOST);
        contextLength = (int) Math.min(ModelConfig.MOST, pretrained * RopeKeys.growth(json));
        epsilon = json.number(epsilonKey, absent.epsilon, 0, 1);
    }

    /** The usual factor of scores. */
    float scale() {
        return (float) (1 / Math.sqrt(headSize));
    }

    NormConfig norm() {
        return new NormConfig(NormConfig.Kind.RMS, (float) epsilon, false);
    }

    NormConfig layerNorm() {
        return new NormConfig(NormConfig.Kind.LAYER, (float) epsilon, true);
    }

    /** Rotation of all coordinates. */
    RopeConfig rope() throws FormatException {
        return rope(false);
    }

    /** @param local whether of Gemma 3's layers with windows */
    RopeConfig rope(boolean local) throws FormatException {
        RopeConfig rope = new RopeKeys(this, local).read();
        json.support("partial_rotary_factor", rope.width() == headSize, "1, of this family");
        return rope;
    }

    /** Refuses a list of layers of other kinds than full attention. */
    void onlyFullAttention() throws FormatException {
        boolean full = json.strings("layer_types").stream().allMatch("full_attention"::equals);
        json.support("layer_types", full, "full_attention in all layers");
    }

    /** Whether a layer has a window: as {@code layer_types} says, or else the family's rule. */
    boolean isLocal(int layer, boolean rule) throws FormatException {
        List<String> types = json.strings("layer_types");
        if (types.isEmpty()) {
            return rule;
        }
        json.check("layer_types", types.size() == layers, layers + " values");
        String type = types.get(layer);
        boolean known = type.equals("sliding_attention") || type.equals("full_attention");
        json.support("layer_types", known, "full_attention and sliding_attention");
        return type.equals("sliding_attention");
    }

    /** The window of local layers; 0 for none. */
    int window(int whenAbsent) throws FormatException {
        int fallback = json.isNull("sliding_window") ? 0 : whenAbsent;
        return json.integer("sliding_window", fallback, 1, ModelConfig.MOST);
    }

    /** The same for families that must ask for it. */
    int windowIfUsed(int whenAbsent) throws FormatException {
        boolean used = json.bool("use_sliding_window", false);
        boolean local = json.strings("layer_types").contains("sliding_attention");
        json.support("layer_types", used || !local, "no sliding_attention while use_sliding_window is false");
        return used ? window(whenAbsent) : 0;
    }

    Activation activation(String key, String whenAbsent) throws FormatException {
        Activation activation = ACTIVATIONS.get(json.string(key, whenAbsent));
        json.support(key, activation != null, "silu, gelu, gelu_pytorch_tanh, relu or relu2");
        return activation == null ? Activation.SILU : activation;
    }

    Dense dense(String sizeKey, Activation activation, boolean bias) throws FormatException {
        return new Dense(json.requireInt(sizeKey, 1, ModelConfig.MOST), activation, true, bias);
    }

    /** Llama's gated layer. */
    Dense dense() throws FormatException {
        return dense("intermediate_size", activation("hidden_act", "silu"), json.bool("mlp_bias", false));
    }

    /** Llama's attention with a choice of the window, 0 for none, rotation and norm of queries and keys. */
    AttentionConfig attention(int window, @Nullable RopeConfig rope, QueryKeyNorm norm) throws FormatException {
        boolean bias = json.bool("attention_bias", false);
        return new AttentionConfig(heads, kvHeads, headSize, scale(), 0, window, rope, norm, bias, bias, false);
    }

    BlockConfig block(AttentionConfig attention, FeedForwardConfig feedForward) {
        return new BlockConfig(attention, feedForward, norm(), NormPlaces.BEFORE, Residual.SEQUENTIAL, 1);
    }

    /** Llama's model around the blocks. */
    ModelConfig model(Family family, boolean tied, List<BlockConfig> blocks) throws FormatException {
        DecoderConfig decoder = new DecoderConfig(hiddenSize, contextLength, 1, false, norm(), 1, blocks);
        return ModelConfig.of(family, decoder, ropes, json, tied, 0);
    }

    /** Makes the block of a layer. */
    @FunctionalInterface
    interface Layer {
        BlockConfig block(int layer) throws FormatException;
    }

    List<BlockConfig> blocks(Layer layer) throws FormatException {
        BlockConfig[] blocks = new BlockConfig[layers];
        for (int i = 0; i < layers; i++) {
            blocks[i] = layer.block(i);
        }
        return List.of(blocks);
    }
}
