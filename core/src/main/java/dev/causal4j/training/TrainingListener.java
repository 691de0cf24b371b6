package dev.causal4j.training;

/** Receives every step, on the training thread. */
@FunctionalInterface
public interface TrainingListener {
    /**
     * Called after each step.
     *
     * @return whether to continue; false ends training with a checkpoint, like an interrupt
     */
    boolean onStep(TrainingProgress progress);
}
