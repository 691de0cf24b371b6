package dev.causal4j.training;

import java.util.OptionalDouble;

/**
 * What is known after a step.
 *
 * @param step steps done, this one among them
 * @param loss of the step's batch, with dropout, before its update
 * @param validationLoss of what is held out, after the update; empty if it was not measured after this step
 * @param learningRate of the step
 * @param gradientNorm before clipping
 * @param tokensPerSecond positions of the batch by the time of the step, without evaluation and checkpoint
 */
public record TrainingProgress(
        long step,
        double loss,
        OptionalDouble validationLoss,
        double learningRate,
        double gradientNorm,
        double tokensPerSecond) {}
