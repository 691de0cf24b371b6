package dev.causal4j.training;

import dev.causal4j.head.HeadReport;
import java.util.Optional;
import java.util.OptionalDouble;

/**
 * The state after a step.
 *
 * @param step completed steps, including this one
 * @param loss the mean loss of the step's batch, with dropout, before its update
 * @param validationLoss held-out loss after the update; empty if not measured
 * @param learningRate the rate of the step
 * @param gradientNorm norm of all gradients before clipping
 * @param tokensPerSecond positions of the batch a second, without evaluation and checkpoint
 * @param head the report on the head, if one was due
 */
public record TrainingProgress(
        long step,
        double loss,
        OptionalDouble validationLoss,
        double learningRate,
        double gradientNorm,
        double tokensPerSecond,
        Optional<HeadReport> head) {}
