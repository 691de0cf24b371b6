package dev.causal4j.training;

import dev.causal4j.backbone.Activations;
import dev.causal4j.backbone.Dropout;

/**
 * How a model is trained. Immutable; {@link #DEFAULT} and the methods {@code with...} make what is wanted.
 *
 * @param steps of the optimizer, in all
 * @param batchSize sequences of a step
 * @param microBatchSize sequences that are worked on at once, which bounds the memory and changes no bit of the weights
 * @param learningRate over the steps
 * @param adamW the optimizer
 * @param clipNorm what the norm of all gradients together is cut to; 0 for no clipping
 * @param dropout the three rates
 * @param seed of dropout; the order of the data has the seed of its {@link Examples}
 * @param evaluationInterval steps from one evaluation to the next; 0 for none
 * @param checkpointInterval steps from one checkpoint to the next; 0 for one at the end alone
 * @param patience evaluations without improvement after which training ends; 0 for never
 * @param trained what is trained
 * @param keep what a forward keeps for its backward
 */
public record TrainingOptions(
        long steps,
        int batchSize,
        int microBatchSize,
        LearningRate learningRate,
        AdamW adamW,
        double clipNorm,
        Dropout dropout,
        long seed,
        long evaluationInterval,
        long checkpointInterval,
        int patience,
        Trained trained,
        Activations.Keep keep) {
    /** 1,000 steps of 8 sequences at a rate of 1e-4, clipped to 1, without dropout or evaluation, a checkpoint every 100. */
    public static final TrainingOptions DEFAULT = new TrainingOptions(
            1000,
            8,
            8,
            new LearningRate.Constant(1e-4),
            AdamW.DEFAULT,
            1,
            Dropout.NONE,
            0,
            0,
            100,
            0,
            new Trained.All(),
            Activations.Keep.BLOCKS);

    /** @throws IllegalArgumentException if a number is out of its range */
    public TrainingOptions {
        atLeast("training steps", 1, steps);
        atLeast("batch size", 1, batchSize);
        atLeast("micro-batch size", 1, microBatchSize);
        atLeast("evaluation interval", 0, evaluationInterval);
        atLeast("checkpoint interval", 0, checkpointInterval);
        atLeast("patience", 0, patience);
        if (!(clipNorm >= 0) || Double.isInfinite(clipNorm)) {
            throw new IllegalArgumentException(
                    "norm to clip to: expected a finite number of at least 0, got " + clipNorm);
        }
    }

    private static void atLeast(String name, long least, long value) {
        if (value < least) {
            throw new IllegalArgumentException(name + ": expected at least " + least + ", got " + value);
        }
    }

    /** The same with so many steps. */
    public TrainingOptions withSteps(long value) {
        return new TrainingOptions(
                value,
                batchSize,
                microBatchSize,
                learningRate,
                adamW,
                clipNorm,
                dropout,
                seed,
                evaluationInterval,
                checkpointInterval,
                patience,
                trained,
                keep);
    }

    /** The same with so many sequences a step. */
    public TrainingOptions withBatchSize(int value) {
        return new TrainingOptions(
                steps,
                value,
                microBatchSize,
                learningRate,
                adamW,
                clipNorm,
                dropout,
                seed,
                evaluationInterval,
                checkpointInterval,
                patience,
                trained,
                keep);
    }

    /** The same with so many sequences at once. */
    public TrainingOptions withMicroBatchSize(int value) {
        return new TrainingOptions(
                steps,
                batchSize,
                value,
                learningRate,
                adamW,
                clipNorm,
                dropout,
                seed,
                evaluationInterval,
                checkpointInterval,
                patience,
                trained,
                keep);
    }

    /** The same with another learning rate. */
    public TrainingOptions withLearningRate(LearningRate value) {
        return new TrainingOptions(
                steps,
                batchSize,
                microBatchSize,
                value,
                adamW,
                clipNorm,
                dropout,
                seed,
                evaluationInterval,
                checkpointInterval,
                patience,
                trained,
                keep);
    }

    /** The same with another optimizer. */
    public TrainingOptions withAdamW(AdamW value) {
        return new TrainingOptions(
                steps,
                batchSize,
                microBatchSize,
                learningRate,
                value,
                clipNorm,
                dropout,
                seed,
                evaluationInterval,
                checkpointInterval,
                patience,
                trained,
                keep);
    }

    /** The same with another norm to clip to. */
    public TrainingOptions withClipNorm(double value) {
        return new TrainingOptions(
                steps,
                batchSize,
                microBatchSize,
                learningRate,
                adamW,
                value,
                dropout,
                seed,
                evaluationInterval,
                checkpointInterval,
                patience,
                trained,
                keep);
    }

    /** The same with other rates of dropout. */
    public TrainingOptions withDropout(Dropout value) {
        return new TrainingOptions(
                steps,
                batchSize,
                microBatchSize,
                learningRate,
                adamW,
                clipNorm,
                value,
                seed,
                evaluationInterval,
                checkpointInterval,
                patience,
                trained,
                keep);
    }

    /** The same with another seed of dropout. */
    public TrainingOptions withSeed(long value) {
        return new TrainingOptions(
                steps,
                batchSize,
                microBatchSize,
                learningRate,
                adamW,
                clipNorm,
                dropout,
                value,
                evaluationInterval,
                checkpointInterval,
                patience,
                trained,
                keep);
    }

    /** The same with another distance between evaluations. */
    public TrainingOptions withEvaluationInterval(long value) {
        return new TrainingOptions(
                steps,
                batchSize,
                microBatchSize,
                learningRate,
                adamW,
                clipNorm,
                dropout,
                seed,
                value,
                checkpointInterval,
                patience,
                trained,
                keep);
    }

    /** The same with another distance between checkpoints. */
    public TrainingOptions withCheckpointInterval(long value) {
        return new TrainingOptions(
                steps,
                batchSize,
                microBatchSize,
                learningRate,
                adamW,
                clipNorm,
                dropout,
                seed,
                evaluationInterval,
                value,
                patience,
                trained,
                keep);
    }

    /** The same with another patience. */
    public TrainingOptions withPatience(int value) {
        return new TrainingOptions(
                steps,
                batchSize,
                microBatchSize,
                learningRate,
                adamW,
                clipNorm,
                dropout,
                seed,
                evaluationInterval,
                checkpointInterval,
                value,
                trained,
                keep);
    }

    /** The same with another part that is trained. */
    public TrainingOptions withTrained(Trained value) {
        return new TrainingOptions(
                steps,
                batchSize,
                microBatchSize,
                learningRate,
                adamW,
                clipNorm,
                dropout,
                seed,
                evaluationInterval,
                checkpointInterval,
                patience,
                value,
                keep);
    }

    /** The same with another choice of what is kept. */
    public TrainingOptions withKeep(Activations.Keep value) {
        return new TrainingOptions(
                steps,
                batchSize,
                microBatchSize,
                learningRate,
                adamW,
                clipNorm,
                dropout,
                seed,
                evaluationInterval,
                checkpointInterval,
                patience,
                trained,
                value);
    }
}
