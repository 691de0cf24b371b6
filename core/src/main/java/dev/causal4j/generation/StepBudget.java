package dev.causal4j.generation;

import java.util.List;

/** Decides how many prompt tokens a step feeds, by the durations of earlier steps. Not thread-safe. */
final class StepBudget {
    /** The fewest prompt tokens of a step, and of a sequence in it, if there is room. */
    static final int LEAST_ROWS = 32;

    /** How long the prompt tokens of a step may take: another sequence may arrive at any time. */
    private static final double STEP_SECONDS = 0.1;

    /** Beside decoding sequences, prompt tokens may take this many times as long as a step without prompt tokens. */
    private static final double HOLD_UP = 1.5;

    private double secondsPerRow; // of prompts and drafts
    private double decodeSeconds = STEP_SECONDS / HOLD_UP; // of a step with one row for each sequence

    /** Learns from a step. */
    void took(List<Sequence<?>> fed, double seconds) {
        int more = fed.stream().mapToInt(sequence -> sequence.extra).sum();
        if (more == 0) {
            decodeSeconds = Math.min(seconds, 1.1 * decodeSeconds); // a single slow step proves little
        } else if (more >= LEAST_ROWS) {
            double decoding = fed.stream().anyMatch(Sequence::decodes) ? Math.min(decodeSeconds, seconds / 2) : 0;
            secondsPerRow = (seconds - decoding) / more;
        }
    }

    /** Prompt tokens for the next step of these sequences, at most {@code most}. */
    int rows(List<Sequence<?>> ready, int most) {
        boolean scores = ready.stream().allMatch(ScoredSequence.class::isInstance);
        boolean decodes = ready.stream().anyMatch(Sequence::decodes);
        double seconds = decodes ? Math.min(STEP_SECONDS, HOLD_UP * decodeSeconds) : STEP_SECONDS;
        return scores || secondsPerRow == 0
                ? most
                : Math.min(most, Math.max(LEAST_ROWS, (int) (seconds / secondsPerRow)));
    }
}
