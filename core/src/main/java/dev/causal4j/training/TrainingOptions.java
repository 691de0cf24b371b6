package dev.causal4j.training;

import dev.causal4j.decoder.Activations;
import dev.causal4j.decoder.Dropout;

/**
 * Options of training. Immutable; made by {@link #builder()}, whose defaults are 1,000 steps of 8 sequences at a rate
 * of 1e-4, clipped to 1, without dropout or evaluation, with a checkpoint every 100 steps.
 *
 * @param steps optimizer steps in all
 * @param batchSize sequences of a step
 * @param microBatchSize sequences computed at once; bounds memory and changes no bit
 * @param learningRate over the steps
 * @param adamW the optimizer
 * @param clipNorm largest norm of all gradients together; 0 for no clipping
 * @param dropout the three rates
 * @param seed seed of dropout; {@link Examples} have their own
 * @param evaluationInterval steps between evaluations; 0 for none
 * @param checkpointInterval steps between checkpoints; 0 for one at the end only
 * @param patience evaluations without improvement before training stops; 0 for never
 * @param trained which parameters are trained
 * @param keep which activations a forward keeps for its backward
 * @param data name of the data: a run resumes only with an equal name; empty for no check
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
        Activations.Keep keep,
        String data) {
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

    public static Builder builder() {
        return new Builder();
    }

    /** A builder that starts from these options. */
    public Builder toBuilder() {
        Builder builder = new Builder();
        builder.steps = steps;
        builder.batchSize = batchSize;
        builder.microBatchSize = microBatchSize;
        builder.learningRate = learningRate;
        builder.adamW = adamW;
        builder.clipNorm = clipNorm;
        builder.dropout = dropout;
        builder.seed = seed;
        builder.evaluationInterval = evaluationInterval;
        builder.checkpointInterval = checkpointInterval;
        builder.patience = patience;
        builder.trained = trained;
        builder.keep = keep;
        builder.data = data;
        return builder;
    }

    /** Collects options; its methods are named as the components of {@link TrainingOptions}. Not thread-safe. */
    public static final class Builder {
        private long steps = 1000;
        private int batchSize = 8;
        private int microBatchSize = 8;
        private LearningRate learningRate = new LearningRate.Constant(1e-4);
        private AdamW adamW = AdamW.DEFAULT;
        private double clipNorm = 1;
        private Dropout dropout = Dropout.NONE;
        private long seed;
        private long evaluationInterval;
        private long checkpointInterval = 100;
        private int patience;
        private Trained trained = new Trained.All();
        private Activations.Keep keep = Activations.Keep.BLOCKS;
        private String data = "";

        private Builder() {}

        public Builder steps(long value) {
            steps = value;
            return this;
        }

        public Builder batchSize(int value) {
            batchSize = value;
            return this;
        }

        public Builder microBatchSize(int value) {
            microBatchSize = value;
            return this;
        }

        public Builder learningRate(LearningRate value) {
            learningRate = value;
            return this;
        }

        public Builder adamW(AdamW value) {
            adamW = value;
            return this;
        }

        public Builder clipNorm(double value) {
            clipNorm = value;
            return this;
        }

        public Builder dropout(Dropout value) {
            dropout = value;
            return this;
        }

        public Builder seed(long value) {
            seed = value;
            return this;
        }

        public Builder evaluationInterval(long value) {
            evaluationInterval = value;
            return this;
        }

        public Builder checkpointInterval(long value) {
            checkpointInterval = value;
            return this;
        }

        public Builder patience(int value) {
            patience = value;
            return this;
        }

        public Builder trained(Trained value) {
            trained = value;
            return this;
        }

        public Builder keep(Activations.Keep value) {
            keep = value;
            return this;
        }

        public Builder data(String value) {
            data = value;
            return this;
        }

        /**
         * Checks and returns the options.
         *
         * @throws IllegalArgumentException if a number is out of its range
         */
        public TrainingOptions build() {
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
                    keep,
                    data);
        }
    }
}
