package dev.causal4j.training;

import java.util.OptionalDouble;

/**
 * The end of a run.
 *
 * @param step completed steps, including those before a resumption
 * @param finish why the run ended
 * @param validationLoss the lowest held-out loss; empty if not measured
 * @param bestStep the step of the lowest loss; {@code step} if not measured
 */
public record TrainingResult(long step, Finish finish, OptionalDouble validationLoss, long bestStep) {
    /** Why a run ended. */
    public enum Finish {
        /** All steps are done. */
        STEPS,
        /** Evaluations stopped improving. */
        EARLY_STOP,
        /** The listener or an interrupt ended it. */
        CANCELLED
    }
}
