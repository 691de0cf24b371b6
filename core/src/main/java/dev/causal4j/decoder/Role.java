package dev.causal4j.decoder;

/** The role of a parameter, by which adapters, freezing and weight decay select. */
public enum Role {
    /** Token embedding [V, D]; of a tied model also the head's projection. */
    EMBEDDING,
    /** Learned positions [contextLength, D]. */
    POSITIONS,
    /** The projection [V, D] of an untied head. */
    PROJECTION,
    /** Queries, keys and values, packed [(H + 2 G) n, D]. */
    QUERY_KEY_VALUE,
    /** From the heads back to the residual stream [D, H n]. */
    ATTENTION_OUT,
    /** Into the feed-forward layer: [inner, D], or gate and up packed [2 inner, D]. */
    UP,
    /** Out of the feed-forward layer [D, inner]. */
    DOWN,
    /** Which experts a token goes to [experts, D]. */
    ROUTER,
    /** A norm's gain, a vector. */
    GAIN,
    /** A bias of a linear layer or norm, a vector. */
    BIAS;

    /** Whether the parameter is a vector. */
    public boolean isVector() {
        return this == GAIN || this == BIAS;
    }

    /** Whether it is the weight of a linear layer inside a block, to which an adapter may be added. */
    public boolean isLinear() {
        return this == QUERY_KEY_VALUE || this == ATTENTION_OUT || this == UP || this == DOWN;
    }
}
