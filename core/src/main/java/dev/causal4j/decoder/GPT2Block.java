package dev.causal4j.decoder;

import dev.causal4j.tensor.Gradients;

/**
 * Weights of one transformer block: x + attention(norm1(x)), then x + feedForward(norm2(x)).
 *
 * @param queryKeyValue [3 D, D]: queries, then keys, then values
 * @param attentionOut [D, D]
 * @param up [inner, D]
 * @param down [D, inner]
 */
public record GPT2Block(
        LayerNorm norm1, Linear queryKeyValue, Linear attentionOut, LayerNorm norm2, Linear up, Linear down) {

    boolean trained(Gradients gradients) {
        return norm1.trained(gradients)
                || queryKeyValue.trained(gradients)
                || attentionOut.trained(gradients)
                || norm2.trained(gradients)
                || up.trained(gradients)
                || down.trained(gradients);
    }
}
