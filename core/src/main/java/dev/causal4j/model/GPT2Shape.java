package dev.causal4j.model;

import dev.causal4j.decoder.AttentionConfig;
import dev.causal4j.decoder.BlockConfig;
import dev.causal4j.decoder.DecoderConfig;
import dev.causal4j.decoder.FeedForwardConfig;
import dev.causal4j.decoder.NormConfig;
import java.util.stream.IntStream;

/**
 * The sizes of a GPT-2 backbone and the choices that change its arithmetic (Radford et al. 2019).
 *
 * @param contextLength positions there is an embedding for
 * @param hiddenSize D, a multiple of {@code heads}
 * @param innerSize width of the feed-forward layer, usually 4 D
 * @param layerNormEpsilon added to the variance
 * @param scaleAttention whether scores are divided by sqrt(headSize)
 * @param scaleAttentionByLayer whether scores of layer l, counted from 0, are divided by l + 1 as well
 */
public record GPT2Shape(
        int contextLength,
        int hiddenSize,
        int layers,
        int heads,
        int innerSize,
        float layerNormEpsilon,
        boolean scaleAttention,
        boolean scaleAttentionByLayer) {

    /**
     * Checks the sizes.
     *
     * @throws IllegalArgumentException if one is less than 1, or the heads do not divide the hidden size
     */
    public GPT2Shape {
        atLeastOne("context length", contextLength);
        atLeastOne("hidden size", hiddenSize);
        atLeastOne("layers", layers);
        atLeastOne("heads", heads);
        atLeastOne("inner size", innerSize);
        if (hiddenSize % heads != 0) {
            throw new IllegalArgumentException(
                    "hidden size: expected a multiple of " + heads + " heads, got " + hiddenSize);
        }
        if (!(layerNormEpsilon >= 0) || Float.isInfinite(layerNormEpsilon)) {
            throw new IllegalArgumentException(
                    "layer norm epsilon: expected a finite number of at least 0, got " + layerNormEpsilon);
        }
    }

    /** GPT-2's usual choices: inner size 4 D, epsilon 1e-5, scores divided by sqrt(headSize). */
    public static GPT2Shape of(int contextLength, int hiddenSize, int layers, int heads) {
        return new GPT2Shape(
                contextLength, hiddenSize, layers, heads, Math.multiplyExact(4, hiddenSize), 1e-5f, true, false);
    }

    /** D / heads. */
    public int headSize() {
        return hiddenSize / heads;
    }

    /** The decoder these sizes and choices make. */
    public DecoderConfig decoder() {
        NormConfig norm = new NormConfig(NormConfig.Kind.LAYER, layerNormEpsilon, true);
        FeedForwardConfig feedForward =
                new FeedForwardConfig.Dense(innerSize, FeedForwardConfig.Activation.GELU_TANH, false, true);
        return new DecoderConfig(
                hiddenSize,
                contextLength,
                1,
                true,
                norm,
                IntStream.range(0, layers)
                        .mapToObj(layer -> new BlockConfig(
                                attention(layer),
                                feedForward,
                                norm,
                                BlockConfig.NormPlaces.BEFORE,
                                BlockConfig.Residual.SEQUENTIAL,
                                1))
                        .toList());
    }

    private AttentionConfig attention(int layer) {
        return new AttentionConfig(
                heads,
                heads,
                headSize(),
                queryScale(layer),
                0,
                0,
                null,
                AttentionConfig.QueryKeyNorm.NONE,
                true,
                true,
                false);
    }

    /** What made a decoder. */
    static GPT2Shape of(DecoderConfig config) {
        BlockConfig first = config.blocks().getFirst();
        AttentionConfig attention = first.attention();
        FeedForwardConfig.Dense feedForward = (FeedForwardConfig.Dense) first.feedForward();
        return new GPT2Shape(
                config.contextLength(),
                config.hiddenSize(),
                config.blocks().size(),
                attention.heads(),
                feedForward.innerSize(),
                first.norm().epsilon(),
                attention.scale() != 1,
                config.blocks().getLast().attention().scale() != attention.scale());
    }

    private float queryScale(int layer) {
        double scale = scaleAttention ? 1 / Math.sqrt(headSize()) : 1;
        return (float) (scaleAttentionByLayer ? scale / (layer + 1) : scale);
    }

    private static void atLeastOne(String name, int value) {
        if (value < 1) {
            throw new IllegalArgumentException(name + ": expected at least 1, got " + value);
        }
    }
}
