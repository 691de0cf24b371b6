package dev.causal4j.decoder;

import org.jspecify.annotations.Nullable;

/**
 * Causal self-attention.
 *
 * @param heads H
 * @param kvHeads G; consecutive groups of H / G queries share a key head
 * @param headSize n
 * @param scale factor of q · k
 * @param softCap c of c · tanh(score / c), before the mask; 0 for none
 * @param window positions a token sees, itself included; 0 for all
 * @param rope rotation of queries and keys; null for none
 * @param sinks whether each head has a learned logit that joins the softmax with value zero
 */
public record AttentionConfig(
        int heads,
        int kvHeads,
        int headSize,
        float scale,
        float softCap,
        int window,
        @Nullable RopeConfig rope,
        QueryKeyNorm queryKeyNorm,
        boolean qkvBias,
        boolean outBias,
        boolean sinks) {
    /** Whether queries and keys are normed before they are rotated. */
    public enum QueryKeyNorm {
        /** Not at all. */
        NONE,
        /** Each head by itself (Qwen 3, Gemma 3). */
        HEAD,
        /** All heads together (OLMo 2). */
        ALL
    }
}
