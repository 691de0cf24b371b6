package dev.causal4j.cli;

import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.decoder.BlockConfig;
import dev.causal4j.decoder.BlockConfig.AttentionConfig;
import dev.causal4j.decoder.DecoderConfig;
import dev.causal4j.generation.Engine;
import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.generation.Generator;
import dev.causal4j.head.HeadReport;
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
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.function.DoubleConsumer;
import java.util.function.Predicate;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Trains a model, from scratch or further. */
@Command(
        name = "train",
        description = "Trains a model on files of text, a new one (--config) or an existing one (--model)."
                + " Weights are f32 in training; --dtype bf16 rounds the result.")
final class TrainCommand extends Subcommand {
    /** Files that a run writes before its first checkpoint. */
    private static final Set<String> OWN =
            Set.of(TrainingLog.LINES, TrainingLog.TABLE, TrainingLog.PICTURE, TrainingData.FOLDER);

    /** Control tokens of other models, looked for in the first examples. */
    private static final Pattern MARK = Pattern.compile("<\\|[a-z_]{2,40}\\|>");

    private static final int FIRST_EXAMPLES = 4;
    private static final int SAMPLE_TOKENS = 24;
    private static final double SAMPLE_TEMPERATURE = 0.8; // likely words, yet no loops

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

    @Option(names = "--resume", description = "Continue from the last checkpoint in DIR, or start if it has none yet.")
    private boolean resume;

    @Option(
            names = "--from",
            paramLabel = "CHECKPOINT",
            description = "Begin with a checkpoint of another run, a folder checkpoint-STEP: its step, weights and"
                    + " moments. Data, seed and batch size are those of its run.")
    private @Nullable Path from;

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
    private TemplateOption template;

    @Mixin
    private TrainOptions settings;

    @SuppressWarnings("NullAway.Init")
    private TrainingData.Parts parts;

    private @Nullable ChatTemplate chat;

    @Override
    public Integer call() throws IOException {
        checkUsage();
        TrainingOptions options =
                Usage.of(spec, settings::options).withFolder(out).withOverwrite(overwrite);
        Checkpoint last = resume ? Trainer.lastCheckpoint(out).orElse(null) : null;
        if (!resume && !overwrite && Files.exists(out.resolve(TrainingLog.LINES))) {
            throw new IOException(out + ": expected a new or an empty folder, got one with a run; go on with --resume,"
                    + " begin again with --overwrite, or name another");
        }
        OutputFolder folder = last != null ? null : new OutputFolder(out, overwrite, resume ? OWN : Set.of());
        model.useThreads();
        if (folder != null) {
            folder.create();
        }
        try (Interruption interruption = new Interruption(MOST_SECONDS_TO_END);
                TrainingLog log = new TrainingLog(out, last != null)) { // locks the folder
            Trainer trainer = last != null
                    ? resumed(last, options, interruption)
                    : started(Objects.requireNonNull(folder), options, log, interruption);
            long start = System.nanoTime();
            TrainingResult result = run(trainer, log, interruption);
            if (model.dtype().isPresent() && model.dtype().get() != DType.F32) {
                try (CausalLM best = CausalLM.load(out, DType.F32)) {
                    best.save(out, model.dtype().get());
                }
            }
            if (chat != null) {
                chat.save(out); // so that the model can chat
            }
            print(trainer, result, (System.nanoTime() - start) / 1e9);
        } catch (CancellationException e) {
            return 1; // interrupted before the first step: no message
        }
        return 0;
    }

    private void checkUsage() {
        refuse(resume && overwrite, "out: expected --resume or --overwrite, got both");
        refuse(
                !shape.isGiven(model) && tokenizer != null,
                "tokenizer: expected --config or --shape with it, got none; a model has its own");
        DType dtype = model.dtype().orElse(DType.F32);
        refuse(
                dtype != DType.F32 && dtype != DType.BF16,
                "dtype: expected f32 or bf16, got " + dtype.label() + "; convert the result afterwards");
        data.check();
        refuse(
                settings.patience > 0 && (settings.evaluationInterval == 0 || data.share() == 0),
                "patience: expected evaluations on held-out text, got none; give both or leave it out");
    }

    /** If setup fails, removes what this run created. The log is still open, so that no other run has the folder. */
    private Trainer started(OutputFolder folder, TrainingOptions options, TrainingLog log, Interruption interruption)
            throws IOException {
        try {
            if (from != null) {
                return branched(from, options, log, interruption);
            }
            CausalLM source = source();
            prepare(source.requireTokenizer(), source.config(), interruption);
            Trainer trainer = Trainer.start(source, parts.training(), parts.complete(options));
            if (settings.scope() instanceof TrainingScope.All) {
                source.close(); // all of it was copied
            }
            log.clear();
            return trainer;
        } catch (IOException | RuntimeException | Error refused) {
            try {
                folder.remove(OWN);
            } catch (IOException stays) {
                refused.addSuppressed(stays);
            }
            throw refused;
        }
    }

    private Trainer branched(Path begun, TrainingOptions options, TrainingLog log, Interruption interruption)
            throws IOException {
        try (Checkpoint checkpoint = Checkpoint.open(begun)) {
            requireSame(checkpoint.config());
            prepare(checkpoint.requireTokenizer(), checkpoint.config(), interruption);
        }
        Trainer trainer = Trainer.branch(begun, parts.training(), parts.complete(options));
        log.clear();
        return trainer;
    }

    private Trainer resumed(Checkpoint checkpoint, TrainingOptions options, Interruption interruption)
            throws IOException {
        CausalLM source = settings.scope() instanceof TrainingScope.LowRank ? source() : null;
        requireSame(checkpoint.config());
        prepare(checkpoint.requireTokenizer(), checkpoint.config(), interruption);
        TrainingOptions known = parts.complete(options);
        return Trainer.resume(source, parts.training(), known);
    }

    /** A resumed run keeps its architecture. */
    private void requireSame(ModelConfig resumed) throws IOException {
        if (!shape.isGiven(model) && !model.isGiven()) {
            return;
        }
        ModelConfig named = shape.open(model).config();
        if (settings.changesHead()) {
            named = named.withTied(resumed.tied());
        }
        if (!named.sameArchitecture(resumed)) {
            throw new IOException(out + ": expected a run of the architecture that was named, " + describe(named)
                    + ", got " + describe(resumed) + "; resume with the options the run began with");
        }
    }

    private static String describe(ModelConfig config) {
        DecoderConfig decoder = config.decoder();
        BlockConfig block = decoder.blocks().getFirst();
        return config.type() + " with " + decoder.blocks().size() + " layers of " + decoder.hiddenSize()
                + " with "
                + decoder.attentions().stream()
                        .findFirst()
                        .map(AttentionConfig::heads)
                        .orElse(0) + " heads, "
                + block.feedForward().each().innerSize() + " inside and epsilon "
                + decoder.lastNorm().epsilon() + ", " + decoder.contextLength() + " positions, "
                + config.vocabularySize() + " tokens, " + (config.tied() ? "tied" : "untied");
    }

    private CausalLM source() throws IOException {
        Optional<ModelConfig> config = shape.read(model);
        if (config.isEmpty()) {
            return model.open().load(LoadOptions.DEFAULT.withDtype(DType.F32));
        }
        Tokenizer own = tokenizer();
        return CausalLM.create(TrainingData.withEnd(config.get(), own), settings.seed, DType.F32, own);
    }

    /** The tokenizer of a new model. */
    private Tokenizer tokenizer() throws IOException {
        Path folder = Optional.ofNullable(tokenizer).or(shape::folder).orElse(null);
        return folder == null
                ? model.open().requireTokenizer()
                : TokenizerOptions.load(folder, "name a folder with --tokenizer");
    }

    /** Reads template and data. */
    private void prepare(Tokenizer known, ModelConfig config, Interruption interruption) throws IOException {
        Path folder = Optional.ofNullable(tokenizer)
                .filter(Files::isDirectory)
                .or(model::folder)
                .or(shape::folder)
                .orElse(null);
        ChatTemplate.Source ofModel = folder == null ? ChatTemplate.Source.NONE : Checkpoint.readTemplates(folder);
        chat = template.read(ofModel).orElse(null);
        parts = data.parts(out, known, chat, config, settings.seed, interruption);
        String text = LongStream.range(0, FIRST_EXAMPLES)
                .mapToObj(i ->
                        known.decodeWithoutSpecial(parts.training().example(i).tokens()))
                .collect(Collectors.joining());
        String marks = MARK.matcher(text)
                .results()
                .map(MatchResult::group)
                .filter(mark -> known.id(mark).isEmpty())
                .distinct()
                .sorted()
                .collect(Collectors.joining(" and "));
        if (!marks.isEmpty()) {
            stderr().println("data: expected control tokens of the model, got " + marks
                    + ", which it would learn letter by letter; give another template, or a model that has them");
        }
    }

    private TrainingResult run(Trainer trainer, TrainingLog log, Interruption interruption) throws IOException {
        int stepTokens = parts.training().example(0).tokens().length * settings.batchSize;
        long interval = settings.checkpointInterval;
        double before = log.seconds();
        long start = System.nanoTime();
        try (Progress bar = new Progress("training", "steps", settings.steps)) {
            bar.at(trainer.step());
            Predicate<TrainingProgress> listener = progress -> {
                bar.at(progress.step(), summary(progress));
                Document line = document(progress)
                        .put("tokens", progress.step() * stepTokens)
                        .put("seconds", before + (System.nanoTime() - start) / 1e9);
                progress.head().ifPresent(report -> line.put("head", head(report)));
                boolean evaluated = progress.validationLoss().isPresent();
                String sample = evaluated ? sample(trainer.model()) : "";
                if (evaluated) {
                    line.put("sample", sample);
                }
                log.append(line, interval > 0 && progress.step() % interval == 0);
                if (evaluated || json) {
                    bar.above(() -> print(progress, line, sample));
                }
                return !interruption.requested();
            };
            DoubleConsumer evaluating =
                    share -> bar.at(trainer.step(), String.format("evaluating %.0f%%", 100 * share));
            if (trainer.step() == 0 && settings.evaluationInterval > 0) { // the loss that training begins from
                OptionalDouble loss = trainer.heldOutLoss(evaluating);
                if (loss.isPresent()) {
                    var _ = listener.test(new TrainingProgress(
                            0, Double.NaN, loss, Double.NaN, Double.NaN, Double.NaN, Optional.empty()));
                }
            }
            TrainingResult result = trainer.run(listener, evaluating);
            log.writeCurves();
            return result;
        }
    }

    /** A continuation of the beginning of the held-out text. */
    private String sample(CausalLM trained) {
        GenerationOptions options = GenerationOptions.DEFAULT
                .withMaxNewTokens(SAMPLE_TOKENS)
                .withTemperature(SAMPLE_TEMPERATURE)
                .withSeed(settings.seed);
        try (Engine engine = new Engine(trained)) { // not the shared one, which would keep memory beside the training
            return new Generator(engine).generate(parts.prompt(), options).text();
        }
    }

    private void print(TrainingProgress progress, Document line, String sample) {
        String told = "step %d: %s%n  sample: %s";
        print(line, told.formatted(progress.step(), summary(progress), Visible.quoted(sample)));
    }

    private static Document document(TrainingProgress progress) {
        return new Document()
                .put("step", progress.step())
                .put("loss", progress.loss())
                .put(TrainingLog.HELD_OUT, progress.validationLoss())
                .put("learning_rate", progress.learningRate())
                .put("gradient_norm", progress.gradientNorm())
                .put("tokens_per_second", progress.tokensPerSecond());
    }

    private static Document head(HeadReport report) {
        return new Document()
                .put("kept_share", report.keptShare())
                .put("kept_norm", report.keptNorm())
                .put("log_normalizer", report.logNormalizer())
                .put("input_share", report.inputShare());
    }

    private static String summary(TrainingProgress progress) {
        OptionalDouble loss = progress.validationLoss();
        String heldOut = loss.isPresent() ? String.format("held out %.4f", loss.getAsDouble()) : "";
        String mean = String.format("loss %.4f, ", progress.loss());
        String speed = String.format("%,.0f tokens/s", progress.tokensPerSecond());
        return progress.step() == 0 ? heldOut : mean + heldOut + (heldOut.isEmpty() ? "" : ", ") + speed;
    }

    private void print(Trainer trainer, TrainingResult result, double seconds) {
        double loss = result.validationLoss().orElse(Double.NaN);
        long parameters = trainer.model().parameters();
        Document document = new Document()
                .put("finish", result.finish().name().toLowerCase(Locale.ROOT))
                .put("step", result.step())
                .put("best_step", result.bestStep())
                .put("parameters", parameters)
                .put("trained_parameters", trainer.trainedParameters())
                .put(TrainingLog.HELD_OUT, loss)
                .put("seconds", seconds)
                .put("out", out);
        String end = switch (result.finish()) {
            case STEPS -> "done";
            case EARLY_STOP -> "stopped early";
            case CANCELLED -> "interrupted";
        };
        String go = result.finish() == TrainingResult.Finish.CANCELLED ? "; go on with --resume" : "";
        String told = "%s after step %,d and %.0f s: %,d parameters, %,d of them trained, written to %s%s"
                .formatted(end, result.step(), seconds, parameters, trainer.trainedParameters(), out, go);
        String heldOut = String.format(
                "%nheld out: loss %.4f, perplexity %.2f, after step %,d",
                loss, StrictMath.exp(loss), result.bestStep());
        print(document, Double.isNaN(loss) ? told : told + heldOut);
    }
}
