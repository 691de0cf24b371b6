package dev.causal4j.training;

import dev.causal4j.FormatException;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.Checkpoint;
import java.io.IOException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.file.Path;
import java.util.Objects;
import java.util.OptionalDouble;
import org.jspecify.annotations.Nullable;

/**
 * Trains a causal language model. Not thread-safe, though its arithmetic runs on all threads.
 *
 * <p>A run is a function of model, examples and options: equal ones give equal bits for every number of threads, also
 * when interrupted and resumed. The given model never changes. A trainer owns the memory of the trained parameters
 * until it is closed.
 */
public final class Trainer implements AutoCloseable {
    private final TrainableModel trainable;
    private final LossComputation computation;
    private final Examples training;
    private final @Nullable Examples heldOut;
    private final TrainingOptions options;
    private final @Nullable TrainingCheckpoints checkpoints;
    private TrainingState state;
    private boolean cancelled;

    /** The last step whose weights gave a finite loss; -1 if none was measured. */
    private long proven = -1;

    private Trainer(
            TrainableModel trainable,
            TrainingState state,
            Examples training,
            @Nullable Examples heldOut,
            TrainingOptions options,
            @Nullable TrainingCheckpoints checkpoints) {
        if (options.evaluationInterval() > 0 && heldOut == null) {
            throw new IllegalArgumentException(
                    "evaluation: expected examples that are held out, got none; hold some out or do not evaluate");
        }
        this.trainable = trainable;
        this.state = state;
        this.training = training;
        this.heldOut = heldOut;
        this.options = options;
        this.checkpoints = checkpoints;
        this.computation = new LossComputation(
                trainable.model(),
                trainable.gradients(),
                Math.min(options.microBatchSize(), options.batchSize()),
                options.keep());
    }

    /** Starts a run without evaluation and without files. */
    public static Trainer start(CausalLM model, Examples training, TrainingOptions options) throws IOException {
        return start(model, training, null, options, null);
    }

    /**
     * Starts a run.
     *
     * @param model the initial model, in f32 or bf16; trained parameters are copied to f32, the rest shared: unless
     *     everything is trained, the model must stay open until the trainer is closed
     * @param heldOut examples to evaluate, one epoch each time; null for no evaluation
     * @param output the folder for checkpoints and the result; null to write none
     * @throws FormatException if there is a run in that folder already
     * @throws IllegalArgumentException if the options need held-out examples and there are none
     */
    public static Trainer start(
            CausalLM model,
            Examples training,
            @Nullable Examples heldOut,
            TrainingOptions options,
            @Nullable Path output)
            throws IOException {
        TrainingCheckpoints checkpoints = output == null ? null : new TrainingCheckpoints(output);
        if (checkpoints != null && checkpoints.any()) {
            throw new FormatException(
                    String.valueOf(output),
                    "a folder without checkpoints",
                    "a run in it",
                    "resume it, or choose another folder");
        }
        return new Trainer(
                new TrainableModel(model, false, options.scope(), options.seed()),
                TrainingState.start(options),
                training,
                heldOut,
                options,
                checkpoints);
    }

    /**
     * Resumes a run from the last checkpoint in its folder. With the same examples and options it gives the bits of an
     * uninterrupted run.
     *
     * @param model the initial model, needed for low-rank additions ({@link TrainingScope.LowRank}); otherwise null,
     *     since the checkpoint has all weights
     * @throws FormatException if there is no checkpoint, it is damaged, or its seed, batch size, data or what is
     *     trained differ from the options'
     * @throws IllegalArgumentException if the model is needed and null
     */
    public static Trainer resume(
            Path output,
            @Nullable CausalLM model,
            Examples training,
            @Nullable Examples heldOut,
            TrainingOptions options)
            throws IOException {
        TrainingCheckpoints checkpoints = new TrainingCheckpoints(output);
        TrainingCheckpoints.Loaded checkpoint = checkpoints.load();
        TrainingState last = checkpoint.state();
        check(output, "a seed of ", last.seed(), options.seed());
        check(output, "a batch size of ", last.batchSize(), options.batchSize());
        check(output, "to train ", last.trained(), options.scope().identity());
        if (!last.data().equals(options.data())) {
            throw new FormatException(
                    output.toString(),
                    "the data that the run began with",
                    "other data",
                    "resume with the options the run began with");
        }
        boolean adapts = options.scope() instanceof TrainingScope.LowRank;
        if (adapts && model == null) {
            throw new IllegalArgumentException(
                    "model: expected the one the run began from, got none; the checkpoint has"
                            + " only its sum with what is added");
        }
        CausalLM source = adapts ? Objects.requireNonNull(model) : checkpoint.model();
        TrainableModel trainable = new TrainableModel(source, !adapts, options.scope(), options.seed());
        try {
            checkpoint.restore(trainable);
            if (adapts) {
                checkpoint.requireSum(trainable.model());
            }
            return new Trainer(trainable, last, training, heldOut, options, checkpoints);
        } catch (Throwable failure) {
            trainable.close();
            throw failure;
        }
    }

    /**
     * The checkpoint that a run would resume from, without loading weights.
     *
     * @throws FormatException if there is no checkpoint, or it is damaged
     */
    public static Checkpoint lastCheckpoint(Path output) throws IOException {
        return Checkpoint.open(new TrainingCheckpoints(output).load().folder());
    }

    /** Whether a run in {@code output} has a checkpoint to resume from. */
    public static boolean canResume(Path output) throws IOException {
        return new TrainingCheckpoints(output).any();
    }

    /** Deletes the checkpoints of a run, so that another can start in its folder. */
    public static void discard(Path output) throws IOException {
        new TrainingCheckpoints(output).deleteAll();
    }

    private static void check(Path output, String what, Object expected, Object got) throws FormatException {
        if (!got.equals(expected)) {
            throw new FormatException(
                    output.toString(), what + expected, got.toString(), "resume with the options the run began with");
        }
    }

    /**
     * The current model. Its numbers change while this trainer runs; {@link CausalLM#merged} is a copy that outlives
     * the trainer.
     */
    public CausalLM model() {
        return trainable.model();
    }

    /** Completed steps. */
    public long step() {
        return state.step();
    }

    /** Number of trained parameters. */
    public long trainedParameters() {
        return trainable.trainedParameters();
    }

    /**
     * Trains until all steps are done, evaluations stop improving, or it is cancelled, then writes a checkpoint if
     * there is a folder. An interrupt of the thread cancels; its flag stays set.
     *
     * @throws ArithmeticException if a loss or gradient is not finite, naming the step; its update is not made, or not
     *     kept, and the checkpoints stay as they are; without a folder the last update is not checked
     * @throws IOException if a checkpoint cannot be written
     */
    public TrainingResult run(TrainingListener listener) throws IOException {
        boolean going = true;
        while (going && state.step() < options.steps() && !exhausted() && !interrupted()) {
            going = listener.onStep(advance());
            if (options.checkpointInterval() > 0 && state.step() % options.checkpointInterval() == 0) {
                save();
            }
        }
        save();
        TrainingResult.Finish finish = exhausted()
                ? TrainingResult.Finish.EARLY_STOP
                : state.step() < options.steps() ? TrainingResult.Finish.CANCELLED : TrainingResult.Finish.STEPS;
        if (cancelled) {
            Thread.currentThread().interrupt();
        }
        return new TrainingResult(state.step(), finish, state.validationLoss(), state.stepToPublish());
    }

    /** Frees the memory of the trained parameters; {@link #model} must not be used afterwards. */
    @Override
    public void close() {
        trainable.close();
    }

    private boolean exhausted() {
        return options.patience() > 0 && state.worseEvaluations() >= options.patience();
    }

    /** Clears and remembers the interrupt, since an interrupted thread cannot write files. */
    private boolean interrupted() {
        cancelled |= Thread.interrupted();
        return cancelled;
    }

    private TrainingProgress advance() throws IOException {
        long begin = System.nanoTime();
        long number = state.step();
        TrainingBatch batch = TrainingBatch.of(training, number, options.batchSize());
        double loss;
        try {
            loss = computation.addGradients(batch, options.dropout(), options.seed(), number);
        } catch (ArithmeticException e) {
            throw diverged(number + 1, "logits", String.valueOf(e.getMessage()));
        }
        double norm = trainable.gradientNorm();
        if (!Double.isFinite(loss) || !Double.isFinite(norm)) {
            throw diverged(
                    number + 1,
                    Double.isFinite(loss) ? "gradient norm" : "loss",
                    "expected a finite number, got " + (Double.isFinite(loss) ? norm : loss));
        }
        double rate = options.learningRate().at(number);
        // PyTorch's clip_grad_norm_.
        double scale = options.clipNorm() == 0 ? 1 : Math.min(1, options.clipNorm() / (norm + 1e-6));
        trainable.update(options.adamW(), number + 1, rate, scale);
        state = state.nextStep();
        double seconds = (System.nanoTime() - begin) * 1e-9;
        return new TrainingProgress(
                state.step(), loss, evaluate(), rate, norm, (double) batch.sequences() * batch.length() / seconds);
    }

    private ArithmeticException diverged(long step, String what, String why) throws IOException {
        boolean kept = checkpoints != null && checkpoints.any();
        return new ArithmeticException("step " + step + ", " + what + ": " + why + "; lower the learning rate"
                + (kept ? "; the last checkpoint is as it was" : ""));
    }

    /** The mean loss of the first examples; throws if it is not finite. */
    private double loss(String what, Examples examples, long count) throws IOException {
        double loss;
        try {
            loss = computation.evaluate(examples, count);
        } catch (ArithmeticException e) {
            throw diverged(state.step(), what, String.valueOf(e.getMessage()));
        }
        if (!Double.isFinite(loss)) {
            throw diverged(state.step(), what, "expected a finite number, got " + loss);
        }
        proven = state.step();
        return loss;
    }

    /** Evaluates when due, and keeps the best checkpoint. */
    private OptionalDouble evaluate() throws IOException {
        boolean due = options.evaluationInterval() > 0
                && (state.step() % options.evaluationInterval() == 0 || state.step() == options.steps());
        if (heldOut == null || !due) {
            return OptionalDouble.empty();
        }
        double loss = loss("held-out loss", heldOut, heldOut.perEpoch());
        state = state.evaluated(loss);
        if (state.bestStep() == state.step()) {
            save();
        }
        return OptionalDouble.of(loss);
    }

    private void save() throws IOException {
        if (checkpoints == null) {
            return;
        }
        if (state.step() > 0 && proven != state.step()) { // the last update may have broken the weights
            loss("loss after the update", training, 1);
        }
        interrupted();
        try {
            checkpoints.write(trainable, state);
        } catch (ClosedByInterruptException e) {
            interrupted(); // it came while the files were written: once more
            checkpoints.write(trainable, state);
        }
    }
}
