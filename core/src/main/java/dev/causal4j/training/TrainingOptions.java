package dev.causal4j.training;

import dev.causal4j.decoder.Activations;
import dev.causal4j.decoder.Dropout;

/**
 * Options of training. Immutable; made by {@link #builder()}, whose defaults are 1,000 steps of 8 sequences at a rate
 * of 1e-4, clipped to 1, without dropout or evaluation, with a checkpoint every 100 steps.
 */
public final class TrainingOptions {
    private final Builder set; // never changes

    private TrainingOptions(Builder set) {
        this.set = set;
        atLeast("training steps", 1, set.steps);
        atLeast("batch size", 1, set.batchSize);
        atLeast("micro-batch size", 1, set.microBatchSize);
        atLeast("evaluation interval", 0, set.evaluationInterval);
        atLeast("checkpoint interval", 0, set.checkpointInterval);
        atLeast("patience", 0, set.patience);
        if (!(set.clipNorm >= 0) || Double.isInfinite(set.clipNorm)) {
            throw new IllegalArgumentException(
                    "norm to clip to: expected a finite number of at least 0, got " + set.clipNorm);
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
        return set.copy();
    }

    /** Optimizer steps in all. */
    public long steps() {
        return set.steps;
    }

    /** Sequences of a step. */
    public int batchSize() {
        return set.batchSize;
    }

    /** Sequences computed at once; bounds memory and changes no bit. */
    public int microBatchSize() {
        return set.microBatchSize;
    }

    /** The learning rate over the steps. */
    public LearningRate learningRate() {
        return set.learningRate;
    }

    /** The optimizer. */
    public AdamW adamW() {
        return set.adamW;
    }

    /** Largest norm of all gradients together; 0 for no clipping. */
    public double clipNorm() {
        return set.clipNorm;
    }

    /** The three rates. */
    public Dropout dropout() {
        return set.dropout;
    }

    /** Seed of dropout; {@link Examples} have their own. */
    public long seed() {
        return set.seed;
    }

    /** Steps between evaluations; 0 for none. */
    public long evaluationInterval() {
        return set.evaluationInterval;
    }

    /** Steps between checkpoints; 0 for one at the end only. */
    public long checkpointInterval() {
        return set.checkpointInterval;
    }

    /** Evaluations without improvement before training stops; 0 for never. */
    public int patience() {
        return set.patience;
    }

    /** Which parameters are trained. */
    public TrainingScope scope() {
        return set.scope;
    }

    /** Which activations a forward keeps for its backward. */
    public Activations.Keep keep() {
        return set.keep;
    }

    /** Name of the data: a run resumes only with an equal name; empty for no check. */
    public String data() {
        return set.data;
    }

    /** Collects options; its methods are named as those of {@link TrainingOptions}. Not thread-safe. */
    public static final class Builder implements Cloneable {
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
        private TrainingScope scope = new TrainingScope.All();
        private Activations.Keep keep = Activations.Keep.BLOCKS;
        private String data = "";

        private Builder() {}

        private Builder copy() {
            try {
                return (Builder) clone();
            } catch (CloneNotSupportedException e) {
                throw new AssertionError(e);
            }
        }

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

        public Builder scope(TrainingScope value) {
            scope = value;
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
            return new TrainingOptions(copy());
        }
    }
}
