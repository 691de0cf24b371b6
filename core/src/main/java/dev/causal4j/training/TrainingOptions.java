package dev.causal4j.training;

import dev.causal4j.decoder.Activations;
import dev.causal4j.decoder.Dropout;
import java.nio.file.Path;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Options of training. Immutable: each method returns a copy with one other value, or throws an {@link
 * IllegalArgumentException} if it is out of its range.
 */
public final class TrainingOptions implements Cloneable {
    /**
     * 1,000 steps of 8 sequences at a rate of 1e-4, clipped to 1, of all parameters, without dropout. Nothing is held
     * out or written; with held-out examples or a folder, an evaluation or a checkpoint every 100 steps.
     */
    public static final TrainingOptions DEFAULT = new TrainingOptions();

    // Set in new copies only.
    long steps = 1000;
    int batchSize = 8;
    int microBatchSize = 8;
    LearningRate learningRate = LearningRate.constant(1e-4);
    AdamW adamW = AdamW.DEFAULT;
    double clipNorm = 1;
    Dropout dropout = Dropout.NONE;
    long seed;
    long evaluationInterval = 100;
    long checkpointInterval = 100;
    int patience;
    TrainingScope scope = new TrainingScope.All();
    Activations.Keep keep = Activations.Keep.BLOCKS;
    String data = "";
    HeadOptions head = HeadOptions.DEFAULT;
    long headReportInterval;
    long keptInterval;
    boolean overwrite;

    Function<Examples, Optional<Examples>> heldOut = _ -> Optional.empty(); // for these training examples

    @Nullable
    Path folder;

    private TrainingOptions() {}

    private TrainingOptions with(Consumer<TrainingOptions> change) {
        try {
            TrainingOptions copy = (TrainingOptions) clone();
            change.accept(copy);
            return copy;
        } catch (CloneNotSupportedException e) {
            throw new AssertionError(e);
        }
    }

    /** Optimizer steps in all. */
    public TrainingOptions withSteps(long value) {
        LearningRate.atLeast(1, "training steps", value);
        return with(copy -> copy.steps = value);
    }

    /** Sequences of a step. */
    public TrainingOptions withBatchSize(int value) {
        LearningRate.atLeast(1, "batch size", value);
        return with(copy -> copy.batchSize = value);
    }

    /** Sequences computed at once; bounds memory and changes no bit. */
    public TrainingOptions withMicroBatchSize(int value) {
        LearningRate.atLeast(1, "micro-batch size", value);
        return with(copy -> copy.microBatchSize = value);
    }

    /** The learning rate over the steps. */
    public TrainingOptions withLearningRate(LearningRate value) {
        return with(copy -> copy.learningRate = value);
    }

    /** The settings of the optimizer. */
    public TrainingOptions withAdamW(AdamW value) {
        return with(copy -> copy.adamW = value);
    }

    /** Largest norm of all gradients together; 0 for no clipping. */
    public TrainingOptions withClipNorm(double value) {
        LearningRate.notNegative("norm to clip to", value);
        return with(copy -> copy.clipNorm = value);
    }

    /**
     * The rates of dropout, 0 to below 1: of embeddings, of attention weights, and of what layers add to the residual
     * stream.
     */
    public TrainingOptions withDropout(double embedding, double attention, double residual) {
        Dropout rates = Dropout.rates(embedding, attention, residual);
        return with(copy -> copy.dropout = rates);
    }

    /** Seed of dropout; {@link Examples} have their own. */
    public TrainingOptions withSeed(long value) {
        return with(copy -> copy.seed = value);
    }

    /** Held-out examples; an evaluation reads one epoch of them ({@link Examples#evenly} makes it shorter). */
    public TrainingOptions withHeldOut(Examples value) {
        return with(copy -> copy.heldOut = _ -> Optional.of(value));
    }

    /** Held-out tokens, evaluated in order, in windows as long as the training examples. */
    public TrainingOptions withHeldOut(Tokens value) {
        return with(copy -> copy.heldOut = training ->
                Optional.of(Examples.inOrder(value, training.example(0).tokens().length)));
    }

    /** Steps between evaluations on held-out examples; 0 for none. */
    public TrainingOptions withEvaluationInterval(long value) {
        LearningRate.atLeast(0, "evaluation interval", value);
        return with(copy -> copy.evaluationInterval = value);
    }

    /** The folder for checkpoints and the result; without one nothing is written. */
    public TrainingOptions withFolder(Path value) {
        return with(copy -> copy.folder = value);
    }

    /** Whether a new run replaces the one in the folder, once nothing refuses it. */
    public TrainingOptions withOverwrite(boolean value) {
        return with(copy -> copy.overwrite = value);
    }

    /** Steps between checkpoints; 0 for one at the end only. */
    public TrainingOptions withCheckpointInterval(long value) {
        LearningRate.atLeast(0, "checkpoint interval", value);
        return with(copy -> copy.checkpointInterval = value);
    }

    /**
     * Steps between checkpoints that are written and stay, to branch from; 0 for the best and the last alone. A resumed
     * run keeps by its own interval.
     */
    public TrainingOptions withKeptInterval(long value) {
        LearningRate.atLeast(0, "interval of kept checkpoints", value);
        return with(copy -> copy.keptInterval = value);
    }

    /** Options of the head. A run resumes only with the same. */
    public TrainingOptions withHead(HeadOptions value) {
        return with(copy -> copy.head = value);
    }

    /** Steps between reports on the head ({@link TrainingProgress#head}), the first step among them; 0 for none. */
    public TrainingOptions withHeadReportInterval(long value) {
        LearningRate.atLeast(0, "interval of head reports", value);
        return with(copy -> copy.headReportInterval = value);
    }

    /** Evaluations without improvement before training stops; 0 for never. */
    public TrainingOptions withPatience(int value) {
        LearningRate.atLeast(0, "patience", value);
        return with(copy -> copy.patience = value);
    }

    /** The parameters that are trained. */
    public TrainingOptions withScope(TrainingScope value) {
        return with(copy -> copy.scope = value);
    }

    /**
     * Whether a forward keeps the inputs of blocks alone, and its backward computes the rest again: less memory, more
     * time, equal bits.
     */
    public TrainingOptions withRecomputation(boolean value) {
        return with(copy -> copy.keep = value ? Activations.Keep.INPUTS : Activations.Keep.BLOCKS);
    }

    /** Name of the data: a run resumes only with an equal name; empty for no name. */
    public TrainingOptions withData(String value) {
        return with(copy -> copy.data = value);
    }
}
