package dev.causal4j.decoder;

/**
 * One block: attention and a feed-forward layer, each with norms, added to the residual stream.
 *
 * @param norms where it norms; each place has the same kind of norm
 * @param residualScale what both outputs are multiplied by before they are added
 */
public record BlockConfig(
        AttentionConfig attention,
        FeedForwardConfig feedForward,
        NormConfig norm,
        NormPlaces norms,
        Residual residual,
        float residualScale) {
    /** Where a block norms. */
    public enum NormPlaces {
        /** What enters attention and the feed-forward layer (GPT-2, Llama). */
        BEFORE,
        /** What they give (OLMo 2). */
        AFTER,
        /** Both (Gemma 2 and 3). */
        BEFORE_AND_AFTER
    }

    /** What the feed-forward layer reads. */
    public enum Residual {
        /** The stream with attention's output. */
        SEQUENTIAL,
        /** The stream that attention read, too (GPT-NeoX). */
        PARALLEL
    }
}
