package dev.causal4j.training;

import dev.causal4j.decoder.Activations;
import dev.causal4j.decoder.Dropout;

/**
 * Options of training. Immutable; made by {@link #builder()}, whose defaults are 1,000 steps of 8 sequences at a rate
 * of 1e-4, clipped to 1, without dropout or evaluation, with a checkpoint every 100 steps.
 */
public final class TrainingOptions {
    final Builder settings; // never modified

    private TrainingOptions(Builder settings) {
        this.settings = settings;
    }

    /** A builder with the defaults. */
    public static Builder builder() {
        return new Builder();
    }

    /** A builder that starts from these options. */
    public Builder toBuilder() {
        return settings.copy();
    }

    /** Which parameters are trained. */
    public TrainingScope scope() {
        return settings.scope;
    }

    static void atLeast(long least, String name, long value) {
        if (value < least) {
            throw new IllegalArgumentException(name + ": expected at least " + least + ", got " + value);
        }
    }

    static void notNegative(String name, double value) {
        if (!(value >= 0) || Double.isInfinite(value)) {
            throw new IllegalArgumentException(name + ": expected a finite number of at least 0, got " + value);
        }
    }

    /** Collects the settings of a {@link TrainingOptions}; not thread-safe. Each setter replaces the earlier value. */
    public static final class Builder implements Cloneable {
        long steps = 1000;
        int batchSize = 8;
        int microBatchSize = 8;
        LearningRate learningRate = new LearningRate.Constant(1e-4);
        AdamW adamW = AdamW.DEFAULT;
        double clipNorm = 1;
        Dropout dropout = Dropout.NONE;
        long seed;
        long evaluationInterval;
        long checkpointInterval = 100;
        int patience;
        TrainingScope scope = new TrainingScope.All();
        Activations.Keep keep = Activations.Keep.BLOCKS;
        String data = "";

        private Builder() {}

        private Builder copy() {
            try {
                return (Builder) clone();
            } catch (CloneNotSupportedException e) {
                throw new AssertionError(e);
            }
        }

        /** Optimizer steps in all. */
        public Builder steps(long value) {
            steps = value;
            return this;
        }

        /** Sequences of a step. */
        public Builder batchSize(int value) {
            batchSize = value;
            return this;
        }

        /** Sequences computed at once; bounds memory and changes no bit. */
        public Builder microBatchSize(int value) {
            microBatchSize = value;
            return this;
        }

        /** The learning rate over the steps. */
        public Builder learningRate(LearningRate value) {
            learningRate = value;
            return this;
        }

        /** The optimizer. */
        public Builder adamW(AdamW value) {
            adamW = value;
            return this;
        }

        /** Largest norm of all gradients together; 0 for no clipping. */
        public Builder clipNorm(double value) {
            clipNorm = value;
            return this;
        }

        /** The three rates. */
        public Builder dropout(Dropout value) {
            dropout = value;
            return this;
        }

        /** Seed of dropout; {@link Examples} have their own. */
        public Builder seed(long value) {
            seed = value;
            return this;
        }

        /** Steps between evaluations; 0 for none. */
        public Builder evaluationInterval(long value) {
            evaluationInterval = value;
            return this;
        }

        /** Steps between checkpoints; 0 for one at the end only. */
        public Builder checkpointInterval(long value) {
            checkpointInterval = value;
            return this;
        }

        /** Evaluations without improvement before training stops; 0 for never. */
        public Builder patience(int value) {
            patience = value;
            return this;
        }

        /** Which parameters are trained. */
        public Builder scope(TrainingScope value) {
            scope = value;
            return this;
        }

        /** Which activations a forward keeps for its backward. */
        public Builder keep(Activations.Keep value) {
            keep = value;
            return this;
        }

        /** Name of the data: a run resumes only with an equal name; empty for no name. */
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
            atLeast(1, "training steps", steps);
            atLeast(1, "batch size", batchSize);
            atLeast(1, "micro-batch size", microBatchSize);
            atLeast(0, "evaluation interval", evaluationInterval);
            atLeast(0, "checkpoint interval", checkpointInterval);
            atLeast(0, "patience", patience);
            notNegative("norm to clip to", clipNorm);
            return new TrainingOptions(copy());
        }
    }
}
