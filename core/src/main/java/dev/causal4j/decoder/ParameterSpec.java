package dev.causal4j.decoder;

/**
 * One parameter of a model: a line of the table by which parameters are loaded, checked, initialised, counted, saved,
 * adapted and trained.
 *
 * @param name a path such as {@code layers.0.qkv.weight}; families map it to the names in files
 * @param layer the block it belongs to; {@link #NO_LAYER} outside of them
 * @param expert the expert it belongs to; {@link #NO_EXPERT} for none
 * @param rows outputs, or the length of a vector
 * @param cols inputs; 1 for a vector
 * @param deviation the deviation of a matrix's initial normal distribution; biases begin with 0, gains with 1
 */
public record ParameterSpec(String name, Role role, int layer, int expert, int rows, int cols, double deviation) {
    /** The layer of parameters outside the blocks. */
    public static final int NO_LAYER = -1;

    /** The expert of parameters that belong to none. */
    public static final int NO_EXPERT = -1;

    /** The module of the parameter, such as {@code qkv}. */
    public String module() {
        String path = name.substring(0, name.lastIndexOf('.'));
        return path.substring(path.lastIndexOf('.') + 1);
    }

    /** {@code weight} or {@code bias}. */
    public String kind() {
        return name.substring(name.lastIndexOf('.') + 1);
    }

    /**
     * Checks the shape of a parameter.
     *
     * @throws IllegalArgumentException unless these are its rows and columns
     */
    public void check(int givenRows, int givenCols) {
        if (givenRows != rows || givenCols != cols) {
            throw new IllegalArgumentException(
                    name + ": expected [" + rows + ", " + cols + "], got [" + givenRows + ", " + givenCols + "]");
        }
    }

    /** Number of elements. */
    public long size() {
        return (long) rows * cols;
    }

    /** The role of a parameter, by which adapters, freezing and weight decay select. */
    public enum Role {
        /** Token embedding [V, D]; of a tied model also the head's projection. */
        EMBEDDING,
        /** Learned positions [contextLength, D]. */
        POSITIONS,
        /** The projection [V, D] of an untied head. */
        PROJECTION,
        /** Queries, keys, values, and gates if there are any, packed [(H + 2 G) n, D] or [(2 H + 2 G) n, D]. */
        QUERY_KEY_VALUE,
        /** Projection from the heads back to the residual stream [D, H n]. */
        ATTENTION_OUT,
        /** Projection into a mixer without attention, packed [.., D]. */
        MIXER_IN,
        /** Projection from such a mixer back to the residual stream [D, ..]. */
        MIXER_OUT,
        /** Projection into the feed-forward layer: [inner, D], or gate and up packed [2 inner, D]. */
        UP,
        /** Projection out of the feed-forward layer [D, inner]. */
        DOWN,
        /** The router, whose logits choose a token's experts [experts, D]. */
        ROUTER,
        /** Rows that are looked up and never multiplied, one for each token [V, L p]. */
        TABLE,
        /** Projections that make inputs of each layer's own, or add them to the stream. */
        PER_LAYER,
        /** The gain of a norm or of experts, a vector. */
        GAIN,
        /** A bias of a linear layer or norm, a vector. */
        BIAS,
        /** The logits of attention's sinks, a vector. */
        SINK,
        /** A convolution over positions, a vector of [kernel][channels], the oldest input first. */
        CONVOLUTION,
        /** The rates at which the heads of a recurrent layer forget, all below zero, a vector. */
        DECAY,
        /** Numbers that have no gradient, a vector. */
        BUFFER;

        /** Whether the parameter is a vector. */
        public boolean isVector() {
            return switch (this) {
                case GAIN, BIAS, SINK, CONVOLUTION, DECAY, BUFFER -> true;
                default -> false;
            };
        }

        /** Whether the parameter is a matrix of products or of positions, which is loaded as a whole. */
        public boolean isMatrix() {
            return !isVector() && this != TABLE;
        }

        /** Whether the parameter is the weight of a linear layer inside a block, to which an adapter may be added. */
        public boolean isLinear() {
            return switch (this) {
                case QUERY_KEY_VALUE, ATTENTION_OUT, MIXER_IN, MIXER_OUT, UP, DOWN -> true;
                default -> false;
            };
        }
    }
}
