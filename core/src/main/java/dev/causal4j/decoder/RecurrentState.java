package dev.causal4j.decoder;

import dev.causal4j.compute.Rows;
import dev.causal4j.decoder.KVCache.Snapshot;
import dev.causal4j.kernel.Panels;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * The state of a sequence's recurrent layers after its last position. It may also keep the state after an earlier
 * position, with the recorded inputs since then. Its memory is from the pool until it {@linkplain #end ends}. Not
 * thread-safe, except that a forward writes different layers and parts from several threads.
 */
final class RecurrentState {
    private static final MemorySegment NONE = MemorySegment.NULL;

    private final PagePool pool;
    private MemorySegment memory = NONE;
    private boolean broken; // since a forward failed
    private MemorySegment kept = NONE; // inputs since an earlier position, then the state there
    private int keptAt; // that position

    RecurrentState(PagePool pool) {
        this.pool = pool;
    }

    /** Whether it has memory. */
    boolean isThere() {
        return !memory.equals(NONE);
    }

    /** Begins with memory from the pool, which is not cleared. */
    void begin(MemorySegment taken) {
        memory = taken;
    }

    /** Sets the state to zeros, as before the first position. A backward computes blocks again from there. */
    void clear() {
        memory.fill((byte) 0);
    }

    /** Begins with a copy of another state, without its kept one. */
    void copy(RecurrentState other) {
        if (other.isThere()) {
            memory = pool.take(pool.state, false).copyFrom(other.memory);
            broken = other.broken;
        }
    }

    /**
     * Returns its memory to the pool.
     *
     * @param promises whether its bytes stay promised
     * @return whether they stay promised
     */
    boolean end(boolean promises) {
        boolean promised = pool.give(pool.state, memory, promises);
        memory = NONE;
        broken = false;
        return promised;
    }

    /** A copy; null if there is no room for it or no state. */
    @Nullable
    Snapshot snapshot() {
        boolean copies = isThere() && !broken && pool.promise(pool.state.bytes);
        return copies ? new Snapshot(pool.take(pool.state, true).copyFrom(memory)) : null;
    }

    /**
     * Keeps a copy of the state, which is after this many positions. Returns false if there is no room for a copy or no
     * state.
     */
    boolean keep(int position) {
        boolean isNew = kept.equals(NONE);
        boolean keeps = !broken && isThere() && (!isNew || pool.promise(pool.kept.bytes));
        if (keeps) {
            kept = isNew ? pool.take(pool.kept, true) : kept;
            keptAt = position;
            keptState().copyFrom(memory);
        }
        return keeps;
    }

    private MemorySegment keptState() {
        return kept.asSlice(kept.byteSize() - pool.state.bytes);
    }

    /** Drops the kept state. */
    void forget() {
        if (!kept.equals(NONE)) {
            pool.give(pool.kept, kept, false);
            kept = NONE;
        }
    }

    /** The first position to which it can go back from this one. */
    int earliest(int position) {
        return kept.equals(NONE) ? position : keptAt;
    }

    /** Restores the kept state and returns its position. */
    int goBack() {
        memory.copyFrom(keptState());
        return keptAt;
    }

    /**
     * Checks that the state after {@code position} positions is valid. Drops the kept state if {@code tokens} more
     * positions are too many to record.
     */
    void prepare(int position, int tokens) {
        if (broken && position > 0) {
            throw new IllegalStateException("cache: expected the state of " + position
                    + " positions, got that of a forward that failed; begin again");
        }
        if (position + tokens - keptAt > KVCache.REPLAYED) {
            forget();
        }
    }

    /**
     * A layer's part of the state, numbers of {@link Panels#FLOAT}. A forward reads the state before its first row
     * there, and writes the state after its last row.
     */
    MemorySegment of(int layer) {
        broken = true; // until it is complete
        return pool.state(memory, layer);
    }

    /** Called when every layer has moved its part. */
    void complete() {
        broken = false;
    }

    /**
     * Records the inputs of a layer's recurrence at the next positions, if an earlier state is kept.
     *
     * @param position the position of the first row
     * @param x [T, width]
     * @param at how many recorded numbers of a position are before x's
     * @param replays whether to read the recorded numbers into x instead
     */
    void record(int layer, int position, Rows x, int at, int width, boolean replays) {
        for (int t = 0; t < x.count() && !kept.equals(NONE); t++) {
            MemorySegment moves = pool.moves(kept, layer);
            long from = 4L * at * KVCache.REPLAYED + 4L * (position - keptAt + t) * width;
            if (replays) {
                MemorySegment.copy(moves, Panels.FLOAT, from, x.data(), x.start(t), width);
            } else {
                MemorySegment.copy(x.data(), x.start(t), moves, Panels.FLOAT, from, width);
            }
        }
    }
}
