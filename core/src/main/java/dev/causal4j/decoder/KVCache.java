package dev.causal4j.decoder;

import dev.causal4j.kernel.Panels;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * Keys and values of one sequence, so that a position is computed once. Belongs to one caller; not thread-safe, except
 * that a forward writes different positions or heads from several threads.
 *
 * <p>Positions come in blocks of 64. Keys of a head lie as panels [headSize][64], so that attention scores are the same
 * product as a linear layer with lanes over positions; values lie as [64][headSize]. It starts empty and doubles by need,
 * up to the context length. The memory is freed when the cache is garbage.
 */
public final class KVCache {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final int BLOCK = Panels.WIDTH;

    private final Object owner;
    private final GPT2Shape shape;
    private final int headSize;
    private final MemorySegment[] keys; // each [blocks][heads][headSize][64]
    private final MemorySegment[] values; // each [blocks][heads][64][headSize]
    private int blocks;
    private int length;

    /** @param owner the backbone whose keys and values it holds: those of another mean nothing to it */
    KVCache(GPT2Shape shape, Object owner) {
        this.owner = owner;
        this.shape = shape;
        this.headSize = shape.headSize();
        this.keys = new MemorySegment[shape.layers()];
        this.values = new MemorySegment[shape.layers()];
    }

    /** Positions cached so far. */
    public int length() {
        return length;
    }

    /** Positions there can be. */
    public int contextLength() {
        return shape.contextLength();
    }

    /** Bytes allocated now. */
    public long bytes() {
        return 2L * keys.length * blocks * blockBytes();
    }

    /** Bytes that so many positions take. */
    public long bytes(int positions) {
        return 2L * keys.length * Math.ceilDiv(positions, BLOCK) * blockBytes();
    }

    /** A cache of its own with what this one holds: several continuations of one prompt go on from copies. */
    public KVCache copy() {
        KVCache copy = new KVCache(shape, owner);
        copy.reserve(length);
        for (int layer = 0; layer < keys.length && copy.blocks > 0; layer++) {
            copy.keys[layer].copyFrom(keys[layer].asSlice(0, copy.blocks * blockBytes()));
            copy.values[layer].copyFrom(values[layer].asSlice(0, copy.blocks * blockBytes()));
        }
        copy.length = length;
        return copy;
    }

    /**
     * Forgets the positions from {@code length} on and keeps the memory, so that the next tokens continue from there.
     *
     * @throws IllegalArgumentException if so many are not cached
     */
    public void truncate(int length) {
        if (length < 0 || length > this.length) {
            throw new IllegalArgumentException(
                    "cache: expected to keep 0 to " + this.length + " positions, got " + length);
        }
        this.length = length;
    }

    @SuppressWarnings("ReferenceEquality") // identity is the question
    boolean belongsTo(Object backbone) {
        return owner == backbone;
    }

    /** Throws unless {@code tokens} more positions fit the context. */
    void checkRoom(int tokens) {
        if (length + (long) tokens > contextLength()) {
            throw new IllegalArgumentException("context: expected at most " + contextLength() + " tokens, got "
                    + (length + (long) tokens) + (length == 0 ? "" : " (" + length + " of them cached)")
                    + "; shorten the prompt or ask for fewer new tokens");
        }
    }

    /** Makes room for positions up to {@code positions}, keeping what is cached. */
    void reserve(int positions) {
        int needed = Math.ceilDiv(positions, BLOCK);
        if (needed <= blocks) {
            return;
        }
        int larger = Math.min(Math.max(needed, 2 * blocks), Math.ceilDiv(contextLength(), BLOCK));
        for (int layer = 0; layer < keys.length; layer++) {
            keys[layer] = grow(keys[layer], larger);
            values[layer] = grow(values[layer], larger);
        }
        blocks = larger;
    }

    private MemorySegment grow(MemorySegment old, int larger) {
        MemorySegment grown = Arena.ofAuto().allocate(larger * blockBytes(), 64);
        if (blocks > 0) {
            MemorySegment.copy(old, 0, grown, 0, blocks * blockBytes());
        }
        return grown;
    }

    /** Stores key and value of one head at a position that {@link #reserve} has made room for. */
    void store(int layer, int head, int position, float[] key, int keyOffset, float[] value, int valueOffset) {
        long block = position / BLOCK * blockBytes() + head * headBytes();
        int slot = position % BLOCK;
        for (int i = 0; i < headSize; i++) {
            keys[layer].set(FLOAT, block + ((long) i * BLOCK + slot) * 4, key[keyOffset + i]);
        }
        MemorySegment.copy(value, valueOffset, values[layer], FLOAT, block + (long) slot * headSize * 4, headSize);
    }

    /** Keys of one head for positions 0 to {@code positions - 1}. */
    Panels keys(int layer, int head, int positions) {
        return panels(keys[layer], head, positions);
    }

    /** Values of one head, in the same blocks. */
    Panels values(int layer, int head, int positions) {
        return panels(values[layer], head, positions);
    }

    private Panels panels(MemorySegment data, int head, int positions) {
        return new Panels(data, head * headBytes(), blockBytes(), Math.ceilDiv(positions, BLOCK), headSize);
    }

    /** Counts positions as cached once every layer has stored them. */
    void advance(int positions) {
        length += positions;
    }

    private long headBytes() {
        return (long) headSize * BLOCK * 4;
    }

    private long blockBytes() {
        return shape.heads() * headBytes();
    }
}
