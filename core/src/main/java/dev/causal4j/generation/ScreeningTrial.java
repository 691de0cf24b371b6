package dev.causal4j.generation;

import dev.causal4j.head.CausalLMHead;
import dev.causal4j.head.Screen;
import dev.causal4j.tensor.DType;
import java.util.Arrays;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Decides for a generator whether the next step is screened. {@link Screening#AUTO} measures both ways in turn on the steps
 * themselves, which it may because both give the same tokens: a measurement at load would time kernels that are not compiled
 * yet, and would delay the first token. Thread-safe.
 */
final class ScreeningTrial {
    /** Steps before anything is built: building costs about as much as screening saves in so many. */
    private static final int WAIT = 256;

    /** Steps of each way, in turn: of the first half nothing counts, since the kernels are compiled then. */
    private static final int TURNS = 64;

    /** A smaller projection is read from a cache, where int8 saves nothing (docs/results/screening.md). */
    private static final long LEAST_BYTES = 32L << 20;

    private final CausalLMHead head;
    private final Turns whole = new Turns();
    private final Turns screened = new Turns();
    private int waited;
    private boolean decided;
    private @Nullable Screen screen;

    /** The times of one way. Each counts its own, since several callers may have a step under way. */
    private static final class Turns {
        private final long[] nanos = new long[TURNS / 2];
        private int taken;

        void add(long time) {
            if (taken >= TURNS / 2 && taken < TURNS) {
                nanos[taken - TURNS / 2] = time;
            }
            taken++;
        }

        long median() {
            long[] sorted = nanos.clone();
            Arrays.sort(sorted);
            return sorted[sorted.length / 2];
        }
    }

    ScreeningTrial(CausalLMHead head, Screening screening) {
        this.head = head;
        long bytes = head.projection().parameters() * head.projection().dtype().bytes();
        decided = screening != Screening.AUTO || head.projection().dtype() == DType.INT8 || bytes < LEAST_BYTES;
        if (screening == Screening.ON) {
            screen = Screen.of(head).orElse(null);
        }
    }

    /** The screen to use for the next step; empty for the whole product. */
    synchronized Optional<Screen> next() {
        if (decided) {
            return Optional.ofNullable(screen);
        }
        if (waited < WAIT) {
            return Optional.empty();
        }
        if (screen == null) {
            screen = build();
            decided = screen == null;
        }
        return screened.taken <= whole.taken ? Optional.ofNullable(screen) : Optional.empty();
    }

    private @Nullable Screen build() {
        try {
            return Screen.of(head).orElse(null);
        } catch (OutOfMemoryError noRoomForACopy) {
            return null; // nobody asked for it, so a text that is being made goes on without
        }
    }

    /** Says how long the step after {@link #next} took. */
    synchronized void took(boolean withScreen, long nanos) {
        if (decided) {
            return;
        }
        if (waited < WAIT) {
            waited++;
            return;
        }
        (withScreen ? screened : whole).add(nanos);
        if (Math.min(screened.taken, whole.taken) >= TURNS) {
            decided = true;
            if (screened.median() >= whole.median()) {
                screen = null;
            }
        }
    }
}
