package dev.causal4j.decoder;

import dev.causal4j.compute.Rows;
import dev.causal4j.decoder.KVCache.Snapshot;
import dev.causal4j.kernel.Panels;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/**
 * The state of a sequence's recurrent layers after its last position, and perhaps that after an earlier one with the
 * inputs that moved it since. Not thread-safe, except that a forward writes different layers and parts from several
 * threads. Its memory is the pool's until it {@linkplain #end ends}.
 */
final class RecurrentState {
    private static final MemorySegment NONE = MemorySegment.NULL;

    private final PagePool pool;
    private MemorySegment memory = NONE;
    private boolean broken; // by a forward that failed
    private MemorySegment kept = NONE; // inputs since an earlier position, then the state there
    private int keptAt; // that position

    RecurrentState(PagePool pool) {
        this.pool = pool;
    }

    /** Whether it has memory. */
    boolean isThere() {
        return !memory.equals(NONE);
    }

    /** Begins with memory of the pool, as it is. */
    void begin(MemorySegment taken) {
        memory = taken;
    }

    /** Sets the state to that before the first position. A backward computes blocks again from there. */
    void clear() {
        memory.fill((byte) 0);
    }

    /** Begins with a copy of another, without what that keeps. */
    void copy(RecurrentState other) {
        if (other.isThere()) {
            memory = pool.take(pool.state, false).copyFrom(other.memory);
            broken = other.broken;
        }
    }

    /**
     * Gives its memory back.
     *
     * @param promises whether its bytes stay promised
     * @return whether they do
     */
    boolean end(boolean promises) {
        boolean promised = pool.give(pool.state, memory, promises);
        memory = NONE;
        broken = false;
        return promised;
    }

    /** A copy; null if there is no room for it, or no state. */
    @Nullable
    Snapshot snapshot() {
        boolean copies = isThere() && !broken && pool.promise(pool.state.bytes);
        return copies ? new Snapshot(pool.take(pool.state, true).copyFrom(memory)) : null;
    }

    /** Keeps the state, which is that after this many positions; false if there is no room for a copy, or no state. */
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

    /** Keeps nothing any more. */
    void forget() {
        if (!kept.equals(NONE)) {
            pool.give(pool.kept, kept, false);
            kept = NONE;
        }
    }

    /** The first position that it can go back to, from this one. */
    int earliest(int position) {
        return kept.equals(NONE) ? position : keptAt;
    }

    /** Goes back to what is kept, and returns its position. */
    int goBack() {
        memory.copyFrom(keptState());
        return keptAt;
    }

    /** Checks that so many tokens can follow this many positions, and keeps nothing that they outgrow. */
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
     * A layer's part, numbers of {@link Panels#FLOAT}: that after the last position before a forward, which leaves the one
     * after its own last row there.
     */
    MemorySegment of(int layer) {
        broken = true; // until it is complete
        return pool.state(memory, layer);
    }

    /** Every layer has moved its part. */
    void complete() {
        broken = false;
    }

    /**
     * Records the inputs of a layer's recurrence at the next positions, if an earlier state is kept.
     *
     * @param position of the first row
     * @param x [T, width]
     * @param at how many numbers of a position come before them
     * @param replays whether x gets what was recorded
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
