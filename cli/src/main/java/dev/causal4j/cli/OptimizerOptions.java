package dev.causal4j.cli;

import dev.causal4j.training.AdamW;
import dev.causal4j.training.LearningRate;
import dev.causal4j.training.TrainingOptions;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Options of a training run's steps, learning rate and evaluations. */
final class OptimizerOptions {
    @Option(names = "--steps", paramLabel = "N", required = true, description = "Optimizer steps in all.")
    private long steps;

    @Option(
            names = "--batch-size",
            paramLabel = "B",
            defaultValue = "8",
            description = "Sequences of a step; default: ${DEFAULT-VALUE}.")
    private int batchSize;

    @Option(
            names = "--micro-batch-size",
            paramLabel = "N",
            description = "Sequences computed at once; bounds memory and changes no bit of the result;"
                    + " default: all of a step.")
    private @Nullable Integer microBatchSize;

    @Option(
            names = "--learning-rate",
            paramLabel = "R",
            defaultValue = "1e-4",
            description = "Highest learning rate; default: ${DEFAULT-VALUE}.")
    private double learningRate;

    @Option(
            names = "--minimum-learning-rate",
            paramLabel = "R",
            description = "End of the half cosine after the warm-up; default: a tenth of the highest."
                    + " Equal to --learning-rate: constant.")
    private @Nullable Double minimumLearningRate;

    @Option(
            names = "--warmup-steps",
            paramLabel = "N",
            defaultValue = "0",
            description = "Steps over which the learning rate rises from 0; default: ${DEFAULT-VALUE}.")
    private long warmupSteps;

    @Option(
            names = "--weight-decay",
            paramLabel = "W",
            defaultValue = "0.1",
            description = "Decay of matrices, not of gains and biases; default: ${DEFAULT-VALUE}.")
    private double weightDecay;

    @Option(
            names = "--beta1",
            paramLabel = "B",
            defaultValue = "0.9",
            description = "AdamW's decay of the mean gradient; default: ${DEFAULT-VALUE}.")
    private double beta1;

    @Option(
            names = "--beta2",
            paramLabel = "B",
            defaultValue = "0.95",
            description = "AdamW's decay of the mean square; default: ${DEFAULT-VALUE}.")
    private double beta2;

    @Option(
            names = "--clip-norm",
            paramLabel = "C",
            defaultValue = "1",
            description = "Largest norm of all gradients, 0 for no clipping; default: ${DEFAULT-VALUE}.")
    private double clipNorm;

    @Option(
            names = "--evaluation-interval",
            paramLabel = "N",
            defaultValue = "100",
            description = "Steps between evaluations on held-out text; default: ${DEFAULT-VALUE}.")
    private long evaluationInterval;

    @Option(
            names = "--checkpoint-interval",
            paramLabel = "N",
            defaultValue = "100",
            description = "Steps between checkpoints, 0 for one at the end only; default: ${DEFAULT-VALUE}.")
    private long checkpointInterval;

    @Option(
            names = "--patience",
            paramLabel = "N",
            defaultValue = "0",
            description = "Evaluations without improvement before training stops; default: never.")
    private int patience;

    long steps() {
        return steps;
    }

    /**
     * The training options with these settings.
     *
     * @param evaluates whether there is held-out text
     * @throws IllegalArgumentException if one is out of its range
     */
    TrainingOptions.Builder set(boolean evaluates) {
        if (!(learningRate > 0)) {
            throw new IllegalArgumentException("learning-rate: expected a finite number above 0, got " + learningRate);
        }
        double minimum = minimumLearningRate == null ? learningRate / 10 : minimumLearningRate;
        return TrainingOptions.builder()
                .steps(steps)
                .batchSize(batchSize)
                .microBatchSize(microBatchSize == null ? batchSize : microBatchSize)
                .learningRate(new LearningRate.WarmupCosine(learningRate, minimum, warmupSteps, Math.max(1, steps)))
                .adamW(new AdamW(beta1, beta2, AdamW.DEFAULT.epsilon(), weightDecay))
                .clipNorm(clipNorm)
                .evaluationInterval(evaluates ? evaluationInterval : 0)
                .checkpointInterval(checkpointInterval)
                .patience(evaluates ? patience : 0);
    }
}
