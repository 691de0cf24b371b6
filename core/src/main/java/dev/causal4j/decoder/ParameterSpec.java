package dev.causal4j.decoder;

/**
 * One parameter of a model: a line of the table from which loading, checking, initialising, counting, saving, adapting
 * and training work.
 *
 * @param name a path such as {@code layers.0.qkv.weight}; families map it to the names in files
 * @param layer the block it belongs to; {@link #NO_LAYER} outside of them
 * @param rows outputs, or the length of a vector
 * @param cols inputs; 1 for a vector
 */
public record ParameterSpec(String name, Role role, int layer, int rows, int cols, Initialization init) {
    /** The layer of parameters outside the blocks. */
    public static final int NO_LAYER = -1;

    /** The part of the model it belongs to, such as {@code qkv}. */
    public String module() {
        String path = name.substring(0, name.lastIndexOf('.'));
        return path.substring(path.lastIndexOf('.') + 1);
    }

    /** {@code weight} or {@code bias}. */
    public String kind() {
        return name.substring(name.lastIndexOf('.') + 1);
    }

    /** Number of elements. */
    public long size() {
        return (long) rows * cols;
    }
}
