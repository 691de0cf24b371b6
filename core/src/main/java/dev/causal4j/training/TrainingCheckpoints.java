package dev.causal4j.training;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.format.SafeTensors;
import dev.causal4j.format.TensorStore;
import dev.causal4j.format.TensorView;
import dev.causal4j.json.Json;
import dev.causal4j.json.WholeFile;
import dev.causal4j.model.CausalLM;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Matrix;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.NavigableSet;
import java.util.TreeSet;
import java.util.function.LongPredicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The checkpoints in the folder of a run. Not thread-safe; one process at a time may use it.
 *
 * <pre>
 *   OUT/config.json, model.safetensors, ...      the best model so far, or the last where nothing is evaluated
 *   OUT/adapter/adapter_config.json, ...         its low-rank additions alone, if it was trained by them
 *   OUT/checkpoint-200/                          the same files of one step, and
 *   OUT/checkpoint-200/training/optimizer.safetensors, state.json
 * </pre>
 *
 * <p>A checkpoint is a {@link WholeFile#writeFolder folder written whole}: whenever the process is killed, it is there
 * whole or not at all. Only then are older ones deleted, except the best.
 */
final class TrainingCheckpoints {
    private static final String PREFIX = "checkpoint-";
    private static final Pattern NAME = Pattern.compile(PREFIX + "(0|[1-9]\\d{0,17})");
    private static final String TRAINING = "training";
    private static final String ADAPTER = "adapter";
    private static final String STATE = "state.json";
    private static final String OPTIMIZER = "optimizer.safetensors";

    private final Path folder;

    TrainingCheckpoints(Path folder) {
        this.folder = folder;
    }

    /** The steps of the checkpoints. */
    private NavigableSet<Long> steps() throws IOException {
        try (Stream<Path> list = Files.isDirectory(folder) ? Files.list(folder) : Stream.empty()) {
            return list.map(path -> NAME.matcher(path.getFileName().toString()))
                    .filter(Matcher::matches)
                    .map(name -> Long.valueOf(name.group(1)))
                    .collect(Collectors.toCollection(TreeSet::new));
        }
    }

    private Path at(long step) {
        return folder.resolve(PREFIX + step);
    }

    /** Whether there is a checkpoint to resume from. */
    boolean any() throws IOException {
        return !steps().isEmpty();
    }

    /**
     * These, for another run.
     *
     * @param from the checkpoint that it begins with
     * @throws FormatException if there is a run that the other does not replace, or that has this checkpoint
     */
    TrainingCheckpoints free(TrainingOptions options, @Nullable Path from) throws IOException {
        boolean begun = any();
        if (begun && (!options.overwrite || (from != null && from.toRealPath().startsWith(folder.toRealPath())))) {
            String remedy = "resume it, or choose another folder";
            throw new FormatException(folder.toString(), "a folder without checkpoints", "a run in it", remedy);
        }
        return this;
    }

    /** Writes a checkpoint unless it exists, publishes the best, and deletes all others except the last. */
    void write(TrainableModel trainable, TrainingState state, TrainingOptions options) throws IOException {
        Files.createDirectories(folder);
        Path target = at(state.step());
        WholeFile.deleteUnfinished(folder);
        if (!Files.exists(target)) {
            WholeFile.writeFolder(target, unfinished -> write(trainable, state.toJson(options), unfinished));
        }
        Path best = at(state.stepToPublish());
        if (Files.isDirectory(best.resolve(ADAPTER))) {
            publish(best.resolve(ADAPTER), Files.createDirectories(folder.resolve(ADAPTER)));
        }
        publish(best, folder);
        deleteBut(step -> step == state.step()
                || step == state.stepToPublish()
                || (options.keptInterval > 0 && step % options.keptInterval == 0));
    }

    /** Replaces all by a checkpoint of another run, by links to its files. */
    void begin(Path checkpoint, TrainingState state, TrainingOptions options) throws IOException {
        Files.createDirectories(folder);
        WholeFile.writeFolder(at(state.step()), unfinished -> {
            publish(checkpoint, unfinished);
            Path training = Files.createDirectory(unfinished.resolve(TRAINING));
            WholeFile.link(checkpoint.resolve(TRAINING).resolve(OPTIMIZER), training.resolve(OPTIMIZER));
            WholeFile.write(training.resolve(STATE), state.toJson(options));
        });
        deleteRun(step -> step == state.step());
    }

    private static void write(TrainableModel trainable, byte[] state, Path checkpoint) throws IOException {
        trainable.model.save(checkpoint, DType.F32);
        if (trainable.model.canSaveAdapter()) {
            trainable.model.saveAdapter(Files.createDirectory(checkpoint.resolve(ADAPTER)));
        }
        Path training = Files.createDirectory(checkpoint.resolve(TRAINING));
        SafeTensors.write(training.resolve(OPTIMIZER), trainable.state(), Map.of());
        WholeFile.write(training.resolve(STATE), state);
    }

    /** Replaces files by those of a checkpoint, the weights last. */
    private static void publish(Path from, Path to) throws IOException {
        List<Path> files;
        try (Stream<Path> list = Files.list(from)) {
            files = list.filter(Files::isRegularFile)
                    .sorted(Comparator.comparing(file -> file.toString().endsWith(".safetensors")))
                    .toList();
        }
        for (Path file : files) {
            WholeFile.link(file, to.resolve(file.getFileName()));
        }
        WholeFile.forceFolder(to);
    }

    /**
     * The last checkpoint.
     *
     * @throws FormatException if there is none
     */
    Path last() throws IOException {
        NavigableSet<Long> steps = steps();
        if (steps.isEmpty()) {
            String got = Files.isDirectory(folder) ? "a folder without one" : "no such folder";
            throw new FormatException(folder.toString(), "a checkpoint to resume from", got, "start without resuming");
        }
        return at(steps.last());
    }

    /** The state of a checkpoint. */
    static Json state(Path checkpoint) throws IOException {
        return Json.read(checkpoint.resolve(TRAINING).resolve(STATE));
    }

    /** Restores moments and adapters from a checkpoint. */
    static void restore(Path checkpoint, TrainableModel trainable) throws IOException {
        Path file = checkpoint.resolve(TRAINING).resolve(OPTIMIZER);
        try (Arena arena = Arena.ofConfined()) {
            TensorStore stored = SafeTensors.open(file, arena);
            for (TensorView target : trainable.state()) {
                TensorView moment = stored.tensor(target.name());
                TrainingState.require(
                        moment.dtype() == DType.F32 && moment.shape().equals(target.shape()),
                        checkpoint + ", " + target.name(),
                        "f32 " + target.shape(),
                        moment.dtype().label() + " " + moment.shape());
                target.data().copyFrom(moment.data());
            }
        }
    }

    /** Throws unless a model with its adapters equals a checkpoint's; compares one row of each matrix. */
    static void requireSum(Path checkpoint, CausalLM model) throws IOException {
        try (CausalLM saved = CausalLM.load(checkpoint, DType.F32);
                CausalLM sum = model.merged()) {
            for (ParameterSpec spec : sum.config().specs()) {
                TrainingState.require(
                        Arrays.equals(firstRow(saved, spec), firstRow(sum, spec)),
                        checkpoint + ", " + spec.name(),
                        "the sum of the model the run began from and what was added",
                        "the sum with another model");
            }
        }
    }

    private static float[] firstRow(CausalLM model, ParameterSpec spec) {
        if (spec.role().isVector()) {
            return model.vector(spec);
        }
        float[] row = new float[spec.cols()];
        Matrix.Source stored = model.stored(spec);
        if (stored != null) {
            stored.row(0, row);
        } else {
            model.matrix(spec).row(0, row, 0);
        }
        return row;
    }

    /** Deletes other checkpoints, and the adapter, which the next run may not overwrite; other published files stay. */
    void deleteRun(LongPredicate kept) throws IOException {
        WholeFile.delete(folder.resolve(ADAPTER));
        deleteBut(kept);
    }

    private void deleteBut(LongPredicate kept) throws IOException {
        for (long step : steps()) {
            if (!kept.test(step)) {
                WholeFile.delete(at(step));
            }
        }
    }
}
