package dev.causal4j.decoder;

import dev.causal4j.decoder.BlockConfig.AttentionConfig;
import dev.causal4j.decoder.BlockConfig.NormConfig;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The shape of a decoder, resolved for each block at load. Families differ only in these values. Immutable.
 *
 * @param hiddenSize D
 * @param contextLength positions at most
 * @param embeddingScale factor of embedded tokens
 * @param learnedPositions whether a table of positions is added to them
 * @param lastNorm the norm after the last block
 * @param hiddenScale factor of hidden vectors before the head: 1 / the divisor of logits
 * @param perLayer inputs of each layer's own; null for none
 * @param scaledLayers whether the stream after each block is multiplied by a stored number
 */
public record DecoderConfig(
        int hiddenSize,
        int contextLength,
        float embeddingScale,
        boolean learnedPositions,
        NormConfig lastNorm,
        float hiddenScale,
        @Nullable PerLayerConfig perLayer,
        boolean scaledLayers,
        List<BlockConfig> blocks) {
    public DecoderConfig {
        blocks = List.copyOf(blocks);
    }

    /** This decoder with other blocks. */
    public DecoderConfig withBlocks(List<BlockConfig> others) {
        return new DecoderConfig(
                hiddenSize,
                contextLength,
                embeddingScale,
                learnedPositions,
                lastNorm,
                hiddenScale,
                perLayer,
                scaledLayers,
                others);
    }

    /**
     * Inputs of each layer's own (Gemma 4): an embedding of the token with a projection of its embedded vector.
     *
     * @param rows rows of the table, one for each token
     * @param width p, numbers of a layer
     */
    public record PerLayerConfig(int rows, int width) {}

    /**
     * The parameters, in the order of the forward. Initial weights are from N(0, 0.02²), or from N(0, 0.02² / (2
     * layers)) in projections back into the residual stream; biases are 0, gains 1 (Radford et al. 2019).
     */
    public List<ParameterSpec> specs() {
        return new Layout(this).specs;
    }

    /** The layers of attention, in order. */
    public List<AttentionConfig> attentions() {
        return blocks.stream()
                .map(BlockConfig::mixer)
                .filter(AttentionConfig.class::isInstance)
                .map(AttentionConfig.class::cast)
                .toList();
    }

    /** Whether tokens see those after them, so that a text is whole in one forward and nothing is predicted. */
    public boolean bidirectional() {
        return attentions().stream().anyMatch(AttentionConfig::bidirectional);
    }

    /** The frequencies of all rotary positions in a sequence of this length: equal frequencies give equal keys. */
    public List<List<Double>> rotations(int length) {
        return attentions().stream()
                .map(AttentionConfig::rope)
                .filter(Objects::nonNull)
                .distinct()
                .map(rope -> rope.frequencies(length))
                .toList();
    }
}
