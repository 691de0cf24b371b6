package dev.causal4j.cli;

import dev.causal4j.decoder.Activations;
import dev.causal4j.decoder.BlockConfig;
import dev.causal4j.decoder.DecoderConfig;
import dev.causal4j.decoder.Dropout;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.Checkpoint;
import dev.causal4j.model.LoadOptions;
import dev.causal4j.model.ModelConfig;
import dev.causal4j.tensor.DType;
import dev.causal4j.tokenizer.Tokenizer;
import dev.causal4j.training.Trainer;
import dev.causal4j.training.TrainingOptions;
import dev.causal4j.training.TrainingProgress;
import dev.causal4j.training.TrainingResult;
import dev.causal4j.training.TrainingScope;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.CancellationException;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Trains a model, from scratch or further. */
@Command(
        name = "train",
        description = "Trains a model on files of text, a new one (--config) or an existing one (--model)."
                + " Weights are f32 in training; --dtype bf16 rounds the result.",
        sortOptions = false)
final class TrainCommand implements Callable<Integer> {
    /** Files that a run writes before its first checkpoint. */
    private static final Set<String> OWN = Set.of(TrainingLog.FILE, TrainingData.FOLDER);

    /** Longer than a step and a checkpoint of any model that one machine trains. */
    private static final long MOST_SECONDS_TO_END = 600;

    @Mixin
    private TrainingData data;

    @Option(
            names = "--out",
            paramLabel = "DIR",
            required = true,
            description = "Folder for the model and the run's checkpoints; created if missing.")
    @SuppressWarnings("NullAway.Init")
    private Path out;

    @Option(
            names = "--resume",
            description = "Go on with the run in DIR from its last checkpoint, or start it if it has none yet.")
    private boolean resume;

    @Option(names = "--overwrite", description = "Replace the run in DIR.")
    private boolean overwrite;

    @Mixin
    private ModelOptions model;

    @Mixin
    private ShapeOptions shape;

    @Option(
            names = "--tokenizer",
            paramLabel = "DIR",
            description = "Folder with the tokenizer of a new model; default: that of --config, or with --shape the"
                    + " embedded model's.")
    private @Nullable Path tokenizer;

    @Mixin
    private OptimizerOptions optimizer;

    @Mixin
    private TrainedOptions trained;

    @Option(
            names = "--dropout",
            paramLabel = "P",
            defaultValue = "0",
            description = "Dropout of embeddings, attention and residuals; default: ${DEFAULT-VALUE}.")
    private double dropout;

    @Option(names = "--recompute", description = "Compute activations twice to save memory.")
    private boolean recompute;

    @Option(
            names = "--seed",
            paramLabel = "S",
            defaultValue = "0",
            description = "Seed of new weights, data order and dropout; default: ${DEFAULT-VALUE}.")
    private long seed;

    @Spec
    private CommandSpec spec;

    @Override
    public Integer call() throws IOException {
        checkUsage();
        TrainingOptions options = Usage.of(spec, this::options);
        boolean resumes = resume && Trainer.canResume(out);
        OutputFolder folder = resumes ? null : new OutputFolder(out, overwrite, resume ? OWN : Set.of());
        if (folder != null) {
            folder.create();
        }
        Checkpoint last = resumes ? Trainer.lastCheckpoint(out) : null;
        model.useThreads();
        try (Interruption interruption = new Interruption(MOST_SECONDS_TO_END);
                TrainingLog log = new TrainingLog(out, resumes)) { // locks the folder
            Trainer trainer = last != null
                    ? resumed(last, options, interruption)
                    : startedIn(Objects.requireNonNull(folder), options, log, interruption);
            long start = System.nanoTime();
            TrainingResult result = run(trainer, log, interruption);
            if (model.dtype().isPresent() && model.dtype().get() != DType.F32) {
                try (CausalLM best = CausalLM.load(out, DType.F32)) {
                    best.save(out, model.dtype().get());
                }
            }
            print(trainer, result, (System.nanoTime() - start) / 1e9);
        } catch (CancellationException e) {
            return 1; // interrupted before the first step: no message
        }
        return 0;
    }

    private void checkUsage() {
        if (resume && overwrite) {
            throw Usage.wrong(spec, "out: expected --resume or --overwrite, got both");
        }
        if (!shape.isGiven(model) && tokenizer != null) {
            throw Usage.wrong(spec, "tokenizer: expected --config or --shape with it, got none; a model has its own");
        }
        DType dtype = model.dtype().orElse(DType.F32);
        if (dtype != DType.F32 && dtype != DType.BF16) {
            throw Usage.wrong(
                    spec, "dtype: expected f32 or bf16, got " + dtype.label() + "; convert the result afterwards");
        }
        data.check(spec);
    }

    private TrainingOptions options() {
        return optimizer
                .set(data.evaluates())
                .scope(trained.scope())
                .dropout(Dropout.rates(dropout, dropout, dropout))
                .keep(recompute ? Activations.Keep.INPUTS : Activations.Keep.BLOCKS)
                .seed(seed)
                .build();
    }

    /** If setup fails, removes what this run created. The log is still open, so that no other run has the folder. */
    private Trainer startedIn(OutputFolder folder, TrainingOptions options, TrainingLog log, Interruption interruption)
            throws IOException {
        try {
            return started(options, log, interruption);
        } catch (IOException | RuntimeException | Error refused) {
            try {
                folder.remove(OWN);
            } catch (IOException stays) {
                refused.addSuppressed(stays);
            }
            throw refused;
        }
    }

    private Trainer started(TrainingOptions options, TrainingLog log, Interruption interruption) throws IOException {
        CausalLM source = source();
        TrainingData.Parts parts = data.parts(out, source.requireTokenizer(), source.config(), seed, interruption);
        if (overwrite) { // not earlier, since until here the run may be refused
            Trainer.discard(out);
        }
        TrainingOptions known = options.toBuilder().data(parts.identity()).build();
        Trainer trainer =
                Trainer.start(source, parts.training(), parts.heldOut().orElse(null), known, out);
        if (options.scope() instanceof TrainingScope.All) {
            source.close(); // all of it was copied
        }
        log.clear();
        return trainer;
    }

    private Trainer resumed(Checkpoint checkpoint, TrainingOptions options, Interruption interruption)
            throws IOException {
        CausalLM source = options.scope() instanceof TrainingScope.LowRank ? source() : null;
        requireSame(checkpoint.config());
        TrainingData.Parts parts =
                data.parts(out, checkpoint.requireTokenizer(), checkpoint.config(), seed, interruption);
        TrainingOptions known = options.toBuilder().data(parts.identity()).build();
        return Trainer.resume(out, source, parts.training(), parts.heldOut().orElse(null), known);
    }

    /** A resumed run keeps its architecture. */
    private void requireSame(ModelConfig resumed) throws IOException {
        Optional<ModelConfig> named = shape.read(model);
        if (model.folder().isPresent()) {
            try (Checkpoint checkpoint = model.open()) {
                named = Optional.of(checkpoint.config());
            }
        }
        if (named.isPresent() && !named.get().sameArchitecture(resumed)) {
            throw new IOException(out + ": expected a run of the architecture that was named, " + describe(named.get())
                    + ", got " + describe(resumed) + "; resume with the options the run began with");
        }
    }

    private static String describe(ModelConfig config) {
        DecoderConfig decoder = config.decoder();
        BlockConfig block = decoder.blocks().getFirst();
        return config.family().type() + " with " + decoder.blocks().size() + " layers of " + decoder.hiddenSize()
                + " with "
                + block.attention().heads() + " heads, "
                + block.feedForward().each().innerSize()
                + " inside and epsilon " + decoder.lastNorm().epsilon() + ", " + decoder.contextLength()
                + " positions, " + config.vocabularySize() + " tokens, "
                + (config.tied() ? "tied" : "untied");
    }

    private CausalLM source() throws IOException {
        Optional<ModelConfig> config = shape.read(model);
        if (config.isEmpty()) {
            return model.open().load(LoadOptions.DEFAULT.withDtype(DType.F32));
        }
        Tokenizer own = tokenizer();
        return CausalLM.create(TrainingData.withEnd(config.get(), own), seed, DType.F32, own);
    }

    /** The tokenizer of a new model. */
    private Tokenizer tokenizer() throws IOException {
        Path folder = Optional.ofNullable(tokenizer).or(shape::folder).orElse(null);
        if (folder == null) {
            return model.open().requireTokenizer();
        }
        return Tokenizer.load(folder)
                .orElseThrow(() -> new IOException(folder + ": expected tokenizer.json, or vocab.json and merges.txt,"
                        + " got neither; name a folder with --tokenizer"));
    }

    private TrainingResult run(Trainer trainer, TrainingLog log, Interruption interruption) throws IOException {
        PrintWriter to = spec.commandLine().getOut();
        try (Progress bar = Progress.withTimeLeft("training", optimizer.steps())) {
            return trainer.run(progress -> {
                log.add(progress);
                bar.at(progress.step(), summary(progress));
                if (model.json()) {
                    Json.print(to, TrainingLog.line(progress));
                } else if (progress.validationLoss().isPresent() && !Progress.TERMINAL) {
                    to.println("step " + progress.step() + ": " + summary(progress));
                }
                return !interruption.requested();
            });
        }
    }

    private static String summary(TrainingProgress progress) {
        String heldOut = progress.validationLoss().isPresent()
                ? String.format(
                        Locale.ROOT,
                        ", held out %.4f",
                        progress.validationLoss().getAsDouble())
                : "";
        return String.format(
                Locale.ROOT, "loss %.4f%s, %,.0f tokens/s", progress.loss(), heldOut, progress.tokensPerSecond());
    }

    private void print(Trainer trainer, TrainingResult result, double seconds) {
        PrintWriter to = spec.commandLine().getOut();
        String finish = result.finish().name().toLowerCase(Locale.ROOT);
        if (model.json()) {
            var document = Json.object()
                    .put("finish", finish)
                    .put("step", result.step())
                    .put("best_step", result.bestStep())
                    .put("parameters", trainer.model().parameters())
                    .put("trained_parameters", trainer.trainedParameters());
            Json.put(document, "validation_loss", result.validationLoss());
            Json.print(to, document.put("seconds", seconds).put("out", out.toString()));
            return;
        }
        to.printf(
                Locale.ROOT,
                "%s after step %,d and %.0f s: %,d parameters, %,d of them trained, written to %s%n",
                switch (result.finish()) {
                    case STEPS -> "done";
                    case EARLY_STOP -> "stopped early";
                    case CANCELLED -> "interrupted, to go on with --resume,";
                },
                result.step(),
                seconds,
                trainer.model().parameters(),
                trainer.trainedParameters(),
                out);
        result.validationLoss()
                .ifPresent(loss -> to.printf(
                        Locale.ROOT,
                        "held out: loss %.4f, perplexity %.2f, after step %,d%n",
                        loss,
                        StrictMath.exp(loss),
                        result.bestStep()));
        to.flush();
    }
}
