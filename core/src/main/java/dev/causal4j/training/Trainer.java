package dev.causal4j.training;

import dev.causal4j.FormatException;
import dev.causal4j.NonFiniteException;
import dev.causal4j.flight.Work;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.Checkpoint;
import dev.causal4j.tensor.DType;
import java.io.IOException;
import java.nio.channels.ClosedByInterruptException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.function.DoubleConsumer;
import java.util.function.DoubleSupplier;
import java.util.function.Predicate;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;

/**
 * Trains a causal language model. Not thread-safe, though its arithmetic runs on all threads.
 *
 * <p>A run is a function of model, examples and options: equal ones give equal bits for every number of threads, also
 * when interrupted and resumed. The given model never changes. A trainer owns the memory of the trained parameters
 * until it is closed.
 */
public final class Trainer implements AutoCloseable {
    private TrainableModel trainable; // another one after the head was untied or retied
    private LossComputation computation;
    private final Examples training;
    private final Optional<Examples> heldOut;
    private final TrainingOptions options;
    private final @Nullable TrainingCheckpoints checkpoints;
    private TrainingState state;
    private boolean cancelled;
    private DoubleConsumer evaluation = _ -> {};
    private long lastFiniteStep = -1; // the last step whose weights gave a finite loss; -1 if none was measured

    /** The last act before the first step, when nothing is left that could refuse the run. */
    private interface Beginning {
        void run() throws IOException;
    }

    /** Closes the model if the run is refused. */
    private Trainer(
            TrainableModel trainable,
            TrainingState state,
            Examples training,
            TrainingOptions options,
            @Nullable TrainingCheckpoints checkpoints,
            Beginning last)
            throws IOException {
        this.trainable = trainable;
        this.state = state;
        this.training = training;
        this.options = options;
        this.checkpoints = checkpoints;
        try {
            options.head.check(state.step(), trainable.model.config(), options);
            this.heldOut = options.heldOut.apply(training);
            this.computation = new LossComputation(trainable, options);
            last.run();
        } catch (Throwable refused) {
            trainable.close();
            throw refused;
        }
    }

    /**
     * Starts a run.
     *
     * @param model the initial model, in f32, f16 or bf16. Trained parameters are copied to f32; the rest is shared, so
     *     unless everything is trained the model must stay open until the trainer is closed
     * @throws FormatException if there is a run in the folder of the options already, which they do not replace
     */
    public static Trainer start(CausalLM model, Examples training, TrainingOptions options) throws IOException {
        TrainingCheckpoints checkpoints =
                options.folder == null ? null : new TrainingCheckpoints(options.folder).free(options, null);
        TrainableModel trainable = new TrainableModel(model, false, options.scope, options.seed);
        Beginning last = checkpoints == null ? () -> {} : () -> checkpoints.deleteRun(_ -> false);
        return new Trainer(trainable, TrainingState.START, training, options, checkpoints, last);
    }

    /**
     * Starts a run from a checkpoint of another, with its step, weights and moments. Until options differ, it has the
     * bits of that run. It has no best loss at first.
     *
     * @param checkpoint a folder {@code checkpoint-STEP} of the other run, which stays as it is
     * @throws FormatException if there is a run in the folder of the options already, which they do not replace or
     *     whose checkpoint it is, or the checkpoint is damaged, or its seed, batch size, data or scope differ from the
     *     options'
     * @throws IllegalArgumentException if the options have no folder, or train low-rank additions
     */
    public static Trainer branch(Path checkpoint, Examples training, TrainingOptions options) throws IOException {
        if (options.folder == null || options.scope instanceof TrainingScope.LowRank) {
            throw new IllegalArgumentException(
                    "branch: expected a folder and a run without low-rank additions, got another");
        }
        TrainingCheckpoints checkpoints = new TrainingCheckpoints(options.folder).free(options, checkpoint);
        TrainingState state = TrainingState.branch(TrainingCheckpoints.state(checkpoint), checkpoint, options);
        CausalLM source = CausalLM.load(checkpoint, DType.F32);
        TrainableModel trainable = new TrainableModel(source, true, options.scope, options.seed);
        return new Trainer(trainable, state, training, options, checkpoints, () -> {
            TrainingCheckpoints.restore(checkpoint, trainable);
            checkpoints.begin(checkpoint, state, options);
        });
    }

    /**
     * Resumes a run from the last checkpoint in the folder of the options. With the same examples and options it gives
     * the bits of an uninterrupted run.
     *
     * @throws FormatException if there is no checkpoint, it is damaged, or its seed, batch size, data or scope differ
     *     from the options'
     * @throws IllegalArgumentException if the options have no folder, or train low-rank additions, whose run is
     *     resumed with its model
     */
    public static Trainer resume(Examples training, TrainingOptions options) throws IOException {
        return resume(null, training, options);
    }

    /**
     * Resumes a run as {@link #resume(Examples, TrainingOptions)}, also one that trains low-rank additions ({@link
     * TrainingScope.LowRank}).
     *
     * @param model the initial model, read for low-rank additions alone: otherwise the checkpoint has all weights, and
     *     it may be null
     */
    public static Trainer resume(@Nullable CausalLM model, Examples training, TrainingOptions options)
            throws IOException {
        if (options.folder == null) {
            throw new IllegalArgumentException("folder: expected that of the run to resume, got none");
        }
        TrainingCheckpoints checkpoints = new TrainingCheckpoints(options.folder);
        Path last = checkpoints.last();
        TrainingState state = TrainingState.from(TrainingCheckpoints.state(last), options.folder, options);
        boolean adapts = options.scope instanceof TrainingScope.LowRank;
        CausalLM source = adapts ? model : CausalLM.load(last, DType.F32);
        if (source == null) {
            throw new IllegalArgumentException(
                    "model: expected the one the run began from, got none; the checkpoint has"
                            + " only its sum with what is added");
        }
        TrainableModel trainable = new TrainableModel(source, !adapts, options.scope, options.seed);
        return new Trainer(trainable, state, training, options, checkpoints, () -> {
            TrainingCheckpoints.restore(last, trainable);
            if (adapts) {
                TrainingCheckpoints.requireSum(last, trainable.model);
            }
        });
    }

    /**
     * The checkpoint that a run would resume from, without its weights; empty if there is none.
     *
     * @throws FormatException if it is damaged
     */
    public static Optional<Checkpoint> lastCheckpoint(Path output) throws IOException {
        TrainingCheckpoints checkpoints = new TrainingCheckpoints(output);
        return checkpoints.any() ? Optional.of(Checkpoint.open(checkpoints.last())) : Optional.empty();
    }

    /**
     * The current model. Its numbers change while this trainer runs; {@link CausalLM#merged} is a copy that outlives
     * the trainer.
     */
    public CausalLM model() {
        return trainable.model;
    }

    /** Completed steps. */
    public long step() {
        return state.step();
    }

    /** Number of trained parameters. */
    public long trainedParameters() {
        return trainable.trainedParameters;
    }

    /**
     * Trains until all steps are done, evaluations stop improving, or the run is cancelled, then writes a checkpoint if
     * the options have a folder. An interrupt of the thread cancels; its flag stays set.
     *
     * @param listener receives every step, on this thread, before its checkpoint is written; false ends the run with a
     *     checkpoint, like an interrupt
     * @throws NonFiniteException if a loss or gradient is not finite, naming the step. Its update is not made, or not
     *     kept, and the checkpoints stay as they are. Without a folder the last update is not checked
     * @throws IOException if a checkpoint cannot be written
     */
    public TrainingResult run(Predicate<TrainingProgress> listener) throws IOException {
        return run(listener, _ -> {});
    }

    /**
     * Trains as {@link #run(Predicate)} and reports the progress of evaluations.
     *
     * @param evaluated receives the completed share of an evaluation, up to 1, on this thread
     */
    public TrainingResult run(Predicate<TrainingProgress> listener, DoubleConsumer evaluated) throws IOException {
        evaluation = evaluated;
        boolean going = true;
        while (going && state.step() < options.steps && !hasStoppedImproving() && !interrupted()) {
            going = listener.test(advance());
            boolean best = state.bestStep() == state.step(); // only now, so that its evaluation is never lost
            if (best || due(options.checkpointInterval) || due(options.keptInterval)) {
                save();
            }
        }
        save();
        TrainingResult.Finish finish = hasStoppedImproving()
                ? TrainingResult.Finish.EARLY_STOP
                : state.step() < options.steps ? TrainingResult.Finish.CANCELLED : TrainingResult.Finish.STEPS;
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

    private boolean hasStoppedImproving() {
        return options.patience > 0 && state.worseEvaluations() >= options.patience;
    }

    private boolean due(long interval) {
        return interval > 0 && state.step() % interval == 0;
    }

    /** Clears and remembers the interrupt, since an interrupted thread cannot write files. */
    private boolean interrupted() {
        cancelled |= Thread.interrupted();
        return cancelled;
    }

    private TrainingProgress advance() throws IOException {
        Work work = Work.of(Work.Train::new);
        work.begin();
        long begin = System.nanoTime();
        long number = state.step();
        changeHead(number);
        long first = Math.multiplyExact(number, options.batchSize);
        List<Example> batch = LongStream.range(first, first + options.batchSize)
                .mapToObj(training::example)
                .toList();
        double loss = finite(
                number + 1, "loss", () -> computation.addGradients(batch, options.dropout, options.seed, number));
        double norm = finite(number + 1, "gradient norm", trainable::gradientNorm);
        double rate = options.learningRate.at(number);
        // PyTorch's clip_grad_norm_.
        double scale = options.clipNorm == 0 ? 1 : Math.min(1, options.clipNorm / (norm + 1e-6));
        trainable.update(options.adamW, number + 1, rate, scale);
        state = state.nextStep();
        double seconds = (System.nanoTime() - begin) * 1e-9;
        int tokens = batch.stream().mapToInt(example -> example.tokens().length).sum();
        work.end(trainable.model.name(), tokens, seconds);
        return new TrainingProgress(state.step(), loss, evaluate(), rate, norm, tokens / seconds, computation.report());
    }

    /** Unties a tied head, or ties it again, if it is time. */
    private void changeHead(long step) {
        boolean ties = step == options.head.retieAt();
        if ((!ties && step != options.head.untieAt()) || trainable.model.head().tied() == ties) {
            return;
        }
        TrainableModel changed = trainable.withTied(ties);
        trainable.close();
        trainable = changed;
        computation = new LossComputation(trainable, options);
    }

    /** Returns the measured number; throws, naming the step, if it is not finite. */
    private double finite(long step, String what, DoubleSupplier measure) throws IOException {
        String why;
        try {
            double number = measure.getAsDouble();
            if (Double.isFinite(number)) {
                return number;
            }
            why = "expected a finite number, got " + number;
        } catch (NonFiniteException e) {
            why = String.valueOf(e.getMessage());
        }
        boolean kept = checkpoints != null && checkpoints.any();
        throw new NonFiniteException("step " + step + ", " + what + ": " + why + "; lower the learning rate"
                + (kept ? "; the last checkpoint is as it was" : ""));
    }

    /** The mean loss of the first examples. */
    private double loss(String what, Examples examples, long count, DoubleConsumer progress) throws IOException {
        double loss = finite(state.step(), what, () -> computation.evaluate(examples, count, progress));
        lastFiniteStep = state.step();
        return loss;
    }

    /** Evaluates when due. */
    private OptionalDouble evaluate() throws IOException {
        boolean last = options.evaluationInterval > 0 && state.step() == options.steps;
        OptionalDouble loss =
                last || due(options.evaluationInterval) ? heldOutLoss(evaluation) : OptionalDouble.empty();
        loss.ifPresent(number -> state = state.evaluated(number));
        return loss;
    }

    /**
     * The held-out loss of the current model, as the evaluations of a run compute it; empty without held-out examples.
     * Changes nothing.
     *
     * @param evaluated as of {@link #run(Predicate, DoubleConsumer)}
     */
    public OptionalDouble heldOutLoss(DoubleConsumer evaluated) throws IOException {
        if (heldOut.isEmpty()) {
            return OptionalDouble.empty();
        }
        Examples examples = heldOut.get();
        return OptionalDouble.of(loss("held-out loss", examples, examples.perEpoch(), evaluated));
    }

    private void save() throws IOException {
        if (checkpoints == null) {
            return;
        }
        if (state.step() > 0 && lastFiniteStep != state.step()) { // the last update may have broken the weights
            loss("loss after the update", training, 1, _ -> {});
        }
        interrupted();
        try {
            checkpoints.write(trainable, state, options);
        } catch (ClosedByInterruptException e) {
            interrupted(); // an interrupt that came while the files were written
            checkpoints.write(trainable, state, options);
        }
    }
}
