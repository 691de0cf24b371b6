package dev.causal4j.training;

import java.util.OptionalDouble;

/**
 * How a run ended.
 *
 * @param step steps done, those before a resumption among them
 * @param finish why it ended
 * @param validationLoss the lowest that was measured; empty if none was
 * @param bestStep after which step it was measured; {@code step} if none was
 */
public record TrainingResult(long step, Finish finish, OptionalDouble validationLoss, long bestStep) {
    /** Why a run ended. */
    public enum Finish {
        /** All steps are done. */
        STEPS,
        /** Too many evaluations in a row were no better. */
        EARLY_STOP,
        /** The listener or an interrupt said so. */
        CANCELLED
    }
}
