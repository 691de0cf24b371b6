package dev.causal4j.constraint;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A set of alternative stacks of frames. Stacks with the same place on top share that frame, so that
 * a set is a graph without two ways for one stack. {@link Automaton} makes equal sets once. Immutable and thread-safe.
 */
final class Stacks {
    /**
     * A stack frame: a place on top of other frames.
     *
     * @param below null for the end of the text
     */
    record Frame(Place place, @Nullable Stacks below) {}

    final List<Frame> frames; // by the numbers of their places
    final int id;
    final int depth; // of the lowest stack
    final int brackets; // open in the stack with the fewest

    Stacks(List<Frame> frames, int id) {
        this.frames = frames;
        this.id = id;
        int lowest = Integer.MAX_VALUE;
        int fewest = Integer.MAX_VALUE;
        for (Frame frame : frames) {
            Stacks below = frame.below;
            lowest = Math.min(lowest, below == null ? 0 : below.depth + 1);
            fewest = Math.min(fewest, below == null ? 0 : below.brackets + (frame.place.closes ? 1 : 0));
        }
        this.depth = lowest;
        this.brackets = fewest;
    }
}
