package dev.causal4j.decoder;

/**
 * One parameter of a model: the line of the one table that loading, checking, initialising, counting, saving, adapting and
 * training are made from.
 *
 * @param name a path such as {@code layers.0.qkv.weight}; families map it to the names in files
 * @param layer the block it belongs to; {@link #NO_LAYER} outside of them
 * @param rows outputs, or the length of a vector
 * @param cols inputs; 1 for a vector
 */
public record ParameterSpec(String name, Role role, int layer, int rows, int cols, Initialization init) {
    /** The layer of what lies outside the blocks. */
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

    /** How many numbers it has. */
    public long size() {
        return (long) rows * cols;
    }
}
