package dev.causal4j.decoder;

/** The layer after attention, applied to each token. */
public sealed interface FeedForwardConfig {
    /** The function between the two linear layers. */
    enum Activation {
        /** 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x³))). */
        GELU_TANH,
        /** x Φ(x), exactly. */
        GELU,
        /** x / (1 + exp(-x)). */
        SILU,
        /** max(x, 0). */
        RELU,
        /** max(x, 0)². */
        RELU_SQUARED,
        /** g · sigmoid(1.702 g) · (u + 1) with both clamped to 7 (gpt-oss). */
        CLAMPED_SWIGLU
    }

    /**
     * One layer for all tokens: down(act(up x)), or gated: down(act(gate x) · up x).
     *
     * @param bias whether its linear layers have biases
     */
    record Dense(int innerSize, Activation activation, boolean gated, boolean bias) implements FeedForwardConfig {}

    /**
     * Several layers; a router chooses some for each token.
     *
     * @param count experts
     * @param chosen experts a token goes to
     */
    record Experts(int count, int chosen, Dense each, Routing routing, boolean routerBias)
            implements FeedForwardConfig {}

    /** The weights of the chosen experts. */
    enum Routing {
        /** The softmax over the chosen logits. */
        SOFTMAX_OF_CHOSEN,
        /** The softmax over all logits, not made to sum to 1 again. */
        SOFTMAX_OF_ALL
    }
}
