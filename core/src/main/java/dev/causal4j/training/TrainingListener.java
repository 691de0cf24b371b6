package dev.causal4j.training;

/** Hears of every step, on the thread that trains. */
@FunctionalInterface
public interface TrainingListener {
    /**
     * Called after each step.
     *
     * @return whether training is to go on; false ends it with a checkpoint, as an interrupt of the thread does
     */
    boolean onStep(TrainingProgress progress);
}
