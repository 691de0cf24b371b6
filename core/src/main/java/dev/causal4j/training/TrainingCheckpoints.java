package dev.causal4j.training;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.format.Json;
import dev.causal4j.format.SafeTensors;
import dev.causal4j.format.TensorStore;
import dev.causal4j.format.WholeFile;
import dev.causal4j.model.CausalLM;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.TensorView;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * The checkpoints of a run in its folder. Not thread-safe; for one process at a time.
 *
 * <pre>
 *   OUT/config.json, model.safetensors, ...      the best model so far, or the last where nothing is evaluated
 *   OUT/adapter/adapter_config.json, ...         its low-rank additions alone, if it was trained by them
 *   OUT/checkpoint-200/                          the same files of one step, and
 *   OUT/checkpoint-200/training/optimizer.safetensors, state.json
 * </pre>
 *
 * <p>A checkpoint is a {@link WholeFile#writeFolder folder written whole}: whenever the process is killed, it is there whole or not at all. Only then are
 * older ones deleted, except the best.
 */
final class TrainingCheckpoints {
    private static final String PREFIX = "checkpoint-";
    private static final Pattern NAME = Pattern.compile(PREFIX + "(\\d{1,18})");
    private static final String TRAINING = "training";
    private static final String ADAPTER = "adapter";
    private static final String STATE = "state.json";
    private static final String OPTIMIZER = "optimizer.safetensors";

    private final Path folder;

    TrainingCheckpoints(Path folder) {
        this.folder = folder;
    }

    /** Throws if a checkpoint is that of another run. */
    static void require(boolean right, String subject, String expected, Object got) throws FormatException {
        if (!right) {
            String remedy = "resume with the options the run began with";
            throw new FormatException(subject, expected, got.toString(), remedy);
        }
    }

    /** Whether there is a checkpoint to resume from. */
    boolean any() throws IOException {
        return !checkpoints().isEmpty();
    }

    /** Writes a checkpoint unless it is there, publishes the best, and deletes what is neither the best nor the last. */
    void write(TrainableModel trainable, TrainingState state) throws IOException {
        Files.createDirectories(folder);
        Path target = folder.resolve(PREFIX + state.step());
        WholeFile.deleteUnfinished(folder);
        if (!Files.exists(target)) {
            WholeFile.writeFolder(target, unfinished -> write(trainable, state, unfinished));
        }
        Path best = folder.resolve(PREFIX + state.stepToPublish());
        if (Files.isDirectory(best.resolve(ADAPTER))) {
            publish(best.resolve(ADAPTER), Files.createDirectories(folder.resolve(ADAPTER)));
        }
        publish(best, folder);
        Map<Long, Path> others = checkpoints();
        others.keySet().removeAll(List.of(state.step(), state.stepToPublish()));
        delete(others.values());
    }

    private static void write(TrainableModel trainable, TrainingState state, Path checkpoint) throws IOException {
        trainable.model.save(checkpoint, DType.F32);
        if (trainable.model.canSaveAdapter()) {
            trainable.model.saveAdapter(Files.createDirectory(checkpoint.resolve(ADAPTER)));
        }
        Path training = Files.createDirectory(checkpoint.resolve(TRAINING));
        List<TensorView> tensors = new ArrayList<>();
        trainable.parameters().forEach(parameter -> tensors.addAll(parameter.state()));
        SafeTensors.write(training.resolve(OPTIMIZER), tensors, Map.of());
        WholeFile.write(training.resolve(STATE), state.toJson());
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

    /** A checkpoint that was read. */
    record Loaded(TrainingState state, Path folder) {
        /** The model, with adapters as part of their layers. */
        CausalLM model() throws IOException {
            return CausalLM.load(folder, DType.F32);
        }

        /** Throws unless a model, adapters included, is the saved one, by a row of each matrix. */
        void requireSum(CausalLM model) throws IOException {
            try (CausalLM saved = model();
                    CausalLM sum = model.merged()) {
                for (ParameterSpec spec : sum.config().specs()) {
                    require(
                            Arrays.equals(firstRow(saved, spec), firstRow(sum, spec)),
                            folder + ", " + spec.name(),
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
            model.matrix(spec).row(0, row, 0);
            return row;
        }

        /** Restores moments and adapters. */
        void restore(TrainableModel trainable) throws IOException {
            Path file = folder.resolve(TRAINING).resolve(OPTIMIZER);
            try (Arena arena = Arena.ofConfined()) {
                TensorStore stored = SafeTensors.open(file, arena);
                for (TrainedParameter parameter : trainable.parameters()) {
                    for (TensorView target : parameter.state()) {
                        TensorView moment = stored.tensor(target.name());
                        require(
                                moment.dtype() == DType.F32 && moment.shape().equals(target.shape()),
                                folder + ", " + target.name(),
                                "f32 " + target.shape(),
                                moment.dtype().label() + " " + moment.shape());
                        target.data().copyFrom(moment.data());
                    }
                }
            }
        }
    }

    /**
     * Reads the last checkpoint.
     *
     * @throws FormatException if there is none or it is damaged
     */
    Loaded load() throws IOException {
        Map.Entry<Long, Path> last = checkpoints().lastEntry();
        if (last == null) {
            String got = Files.isDirectory(folder) ? "a folder without one" : "no such folder";
            throw new FormatException(folder.toString(), "a checkpoint to resume from", got, "start without resuming");
        }
        Path checkpoint = last.getValue();
        Json state = Json.read(checkpoint.resolve(TRAINING).resolve(STATE));
        return new Loaded(TrainingState.from(state), checkpoint);
    }

    /** The checkpoints by their steps. */
    private NavigableMap<Long, Path> checkpoints() throws IOException {
        NavigableMap<Long, Path> checkpoints = new TreeMap<>();
        if (Files.isDirectory(folder)) {
            try (Stream<Path> list = Files.list(folder)) {
                list.forEach(path -> {
                    Matcher name = NAME.matcher(path.getFileName().toString());
                    if (name.matches()) {
                        checkpoints.put(Long.valueOf(name.group(1)), path);
                    }
                });
            }
        }
        return checkpoints;
    }

    /** Deletes every checkpoint and the adapter, which the next run may not replace; other published files stay. */
    void deleteAll() throws IOException {
        WholeFile.delete(folder.resolve(ADAPTER));
        delete(checkpoints().values());
    }

    private static void delete(Collection<Path> checkpoints) throws IOException {
        for (Path checkpoint : checkpoints) {
            WholeFile.delete(checkpoint);
        }
    }
}
