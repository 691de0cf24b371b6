package dev.causal4j.decoder;

/**
 * One block: attention and a feed-forward layer, each with norms, added to the residual stream.
 *
 * @param norms places of the norms, all of the same kind
 * @param residualScale factor of both outputs before they are added
 */
public record BlockConfig(
        AttentionConfig attention,
        FeedForwardConfig feedForward,
        NormConfig norm,
        NormPlaces norms,
        Residual residual,
        float residualScale) {
    /** Places of a block's norms. */
    public enum NormPlaces {
        /** Inputs of attention and feed-forward layer (GPT-2, Llama). */
        BEFORE,
        /** Outputs (OLMo 2). */
        AFTER,
        /** Both (Gemma 2 and 3). */
        BEFORE_AND_AFTER
    }

    /** Input of the feed-forward layer. */
    public enum Residual {
        /** The stream with attention's output. */
        SEQUENTIAL,
        /** The stream that attention read, too (GPT-NeoX). */
        PARALLEL
    }
}
