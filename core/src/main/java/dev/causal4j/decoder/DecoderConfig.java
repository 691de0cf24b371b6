package dev.causal4j.decoder;

import java.util.List;

/**
 * The shape of a decoder, resolved for each block at load: families differ in these values alone, and the forward knows
 * none. Immutable.
 *
 * @param hiddenSize D
 * @param contextLength positions at most
 * @param embeddingScale what embedded tokens are multiplied by
 * @param learnedPositions whether a table of positions is added to them
 * @param lastNorm the norm after the last block
 */
public record DecoderConfig(
        int hiddenSize,
        int contextLength,
        float embeddingScale,
        boolean learnedPositions,
        NormConfig lastNorm,
        List<BlockConfig> blocks) {
    public DecoderConfig {
        blocks = List.copyOf(blocks);
    }
}
