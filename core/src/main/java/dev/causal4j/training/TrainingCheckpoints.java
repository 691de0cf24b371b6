package dev.causal4j.training;

import dev.causal4j.format.FormatException;
import dev.causal4j.format.JsonConfig;
import dev.causal4j.format.SafeTensors;
import dev.causal4j.format.WholeFile;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.Parameter;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.TensorView;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * The checkpoints of a run in a folder of its own. Belongs to one caller; not thread-safe, and one process at a time.
 *
 * <pre>
 *   OUT/config.json, model.safetensors, ...      the best model so far, or the last where nothing is evaluated
 *   OUT/checkpoint-200/                          the same files of one step, and
 *   OUT/checkpoint-200/training/optimizer.safetensors, state.json
 * </pre>
 *
 * <p>A checkpoint is written to a folder of another name, forced to the disk, and renamed: whenever the process is killed,
 * each checkpoint is there whole or not at all. Only then are older ones deleted, except the best.
 */
final class TrainingCheckpoints {
    private static final String PREFIX = "checkpoint-";
    private static final String UNFINISHED = ".unfinished-";
    private static final String TRAINING = "training";
    private static final String STATE = "state.json";
    private static final String OPTIMIZER = "optimizer.safetensors";

    private final Path folder;

    TrainingCheckpoints(Path folder) {
        this.folder = folder;
    }

    /** Whether there is a checkpoint to resume from. */
    boolean any() throws IOException {
        return latest().isPresent();
    }

    /** Writes a checkpoint unless it is there, publishes the best, and deletes what is neither the best nor the last. */
    void write(TrainableModel trainable, TrainingState state) throws IOException {
        Files.createDirectories(folder);
        Path target = folder.resolve(PREFIX + state.step());
        if (!Files.exists(target)) {
            deleteUnfinished();
            try {
                writeNew(trainable, state, target);
            } catch (IOException e) {
                try {
                    deleteUnfinished(); // it may be what fills the disk
                } catch (IOException stays) {
                    e.addSuppressed(stays);
                }
                throw e;
            }
        }
        publish(folder.resolve(PREFIX + state.stepToPublish()));
        for (Path checkpoint : checkpoints()) {
            long step = step(checkpoint);
            if (step != state.step() && step != state.stepToPublish()) {
                delete(checkpoint);
            }
        }
    }

    private void writeNew(TrainableModel trainable, TrainingState state, Path target) throws IOException {
        Path unfinished = Files.createDirectory(folder.resolve(UNFINISHED + state.step()));
        trainable.model().save(unfinished, DType.F32);
        Path training = Files.createDirectory(unfinished.resolve(TRAINING));
        List<TensorView> tensors = new ArrayList<>();
        trainable.parameters().forEach(parameter -> tensors.addAll(parameter.state()));
        SafeTensors.write(training.resolve(OPTIMIZER), tensors, Map.of());
        WholeFile.write(training.resolve(STATE), state.toJson());
        force(training);
        force(unfinished);
        Files.move(unfinished, target, StandardCopyOption.ATOMIC_MOVE);
        force(folder);
    }

    /** Makes the files of a checkpoint those of the folder: each as a whole, the weights last. */
    private void publish(Path checkpoint) throws IOException {
        List<Path> files;
        try (Stream<Path> list = Files.list(checkpoint)) {
            files = list.filter(Files::isRegularFile)
                    .sorted(Comparator.comparing(file -> file.toString().endsWith(".safetensors")))
                    .toList();
        }
        for (Path file : files) {
            Path beside = folder.resolve(UNFINISHED + file.getFileName());
            Files.deleteIfExists(beside);
            try {
                Files.createLink(beside, file); // no second copy: nobody writes into a file that has its name
            } catch (UnsupportedOperationException | FileSystemException e) {
                Files.copy(file, beside);
            }
            Files.move(
                    beside,
                    folder.resolve(file.getFileName()),
                    StandardCopyOption.ATOMIC_MOVE,
                    StandardCopyOption.REPLACE_EXISTING);
            Files.deleteIfExists(beside); // a rename between two names of one file does nothing
        }
        force(folder);
    }

    /** A checkpoint as it was read. */
    record Loaded(TrainingState state, Path folder) {
        /** The model, with adapters as part of their layers. */
        CausalLM model() throws IOException {
            return CausalLM.load(folder, DType.F32);
        }

        /** Throws unless a model is, adapters included, the one that was saved; a row of each matrix tells. */
        void requireSum(CausalLM model) throws IOException {
            List<Parameter> saved = model().namedParameters();
            List<Parameter> sums =
                    model.withLinearLayers((name, layer) -> layer.merged()).namedParameters();
            for (int i = 0; i < saved.size(); i++) {
                if (!Arrays.equals(firstRow(saved.get(i)), firstRow(sums.get(i)))) {
                    throw new FormatException(
                            folder + ", " + saved.get(i).name(),
                            "the sum of the model the run began from and what was added",
                            "the sum with another model",
                            "resume with that model");
                }
            }
        }

        private static float[] firstRow(Parameter parameter) {
            return switch (parameter) {
                case Parameter.OfVector v -> v.numbers();
                case Parameter.OfMatrix m -> {
                    float[] row = new float[m.matrix().cols()];
                    m.matrix().row(0, row, 0);
                    yield row;
                }
            };
        }

        /** Gives what is trained its moments, and adapters their numbers. */
        void restore(TrainableModel trainable) throws IOException {
            SafeTensors stored = SafeTensors.open(folder.resolve(TRAINING).resolve(OPTIMIZER));
            for (TrainedParameter parameter : trainable.parameters()) {
                for (TensorView target : parameter.state()) {
                    TensorView view = stored.tensor(target.name());
                    if (view.dtype() != DType.F32 || !view.shape().equals(target.shape())) {
                        throw new FormatException(
                                folder + ", tensor " + target.name(),
                                "f32 " + target.shape(),
                                view.dtype().label() + " " + view.shape(),
                                "resume with the options the run began with");
                    }
                    target.data().copyFrom(view.data());
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
        Path checkpoint = latest().orElseThrow(() -> new FormatException(
                folder.toString(),
                "a checkpoint to resume from",
                Files.isDirectory(folder) ? "a folder without one" : "no such folder",
                "start without resuming"));
        Path state = checkpoint.resolve(TRAINING).resolve(STATE);
        return new Loaded(TrainingState.from(JsonConfig.read(state), state.toString()), checkpoint);
    }

    private Optional<Path> latest() throws IOException {
        return checkpoints().stream().max(Comparator.comparingLong(TrainingCheckpoints::step));
    }

    private List<Path> checkpoints() throws IOException {
        if (!Files.isDirectory(folder)) {
            return List.of();
        }
        try (Stream<Path> list = Files.list(folder)) {
            return list.filter(path -> step(path) >= 0).toList();
        }
    }

    /** The step in a checkpoint's name; -1 if it is none. */
    private static long step(Path path) {
        String name = path.getFileName().toString();
        if (!name.matches(PREFIX + "\\d{1,18}")) {
            return -1;
        }
        return Long.parseLong(name.substring(PREFIX.length()));
    }

    /** Deletes every checkpoint; the published files stay. */
    void deleteAll() throws IOException {
        for (Path checkpoint : checkpoints()) {
            delete(checkpoint);
        }
    }

    private void deleteUnfinished() throws IOException {
        List<Path> unfinished;
        try (Stream<Path> list = Files.list(folder)) {
            unfinished = list.filter(path -> path.getFileName().toString().startsWith(UNFINISHED))
                    .toList();
        }
        for (Path path : unfinished) {
            delete(path);
        }
    }

    /** A checkpoint loses its name first, so that half of one is never taken for one. */
    private void delete(Path path) throws IOException {
        Path doomed = path;
        if (step(path) >= 0) {
            doomed = folder.resolve(UNFINISHED + path.getFileName());
            Files.move(path, doomed, StandardCopyOption.ATOMIC_MOVE);
        }
        try (Stream<Path> tree = Files.walk(doomed)) {
            tree.sorted(Comparator.reverseOrder()).forEach(file -> {
                try {
                    Files.delete(file);
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            });
        } catch (UncheckedIOException e) {
            throw e.getCause();
        }
    }

    /** Forces the names in a folder to the disk, where the system can do that. */
    private static void force(Path directory) throws IOException {
        try (FileChannel channel = FileChannel.open(directory, StandardOpenOption.READ)) {
            channel.force(true);
        } catch (FileSystemException e) {
            // Windows opens no folders; there a rename is as lasting as it gets.
        }
    }
}
