package dev.causal4j.cli;

import dev.causal4j.training.TrainingProgress;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import tools.jackson.databind.node.ObjectNode;

/**
 * The steps of a run as lines of JSON in its folder. A step that was repeated after an interruption has several lines;
 * the last one counts. Not thread-safe.
 */
final class TrainingLog implements AutoCloseable {
    /** Its file name in the run's folder. */
    static final String FILE = "loss.jsonl";

    private final ResultFile file;

    /** @param resume whether to keep the lines of the interrupted run */
    TrainingLog(Path folder, boolean resume) throws IOException {
        file = ResultFile.open(folder.resolve(FILE), !resume, resume, _ -> {});
    }

    /** Removes the lines of an earlier run. */
    void clear() throws IOException {
        file.clear();
    }

    /** Appends a step. */
    void add(TrainingProgress progress) {
        try {
            file.append(Json.write(line(progress)) + "\n");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** A step as a JSON object, for the log and standard output. */
    static ObjectNode line(TrainingProgress progress) {
        ObjectNode line = Json.object().put("step", progress.step()).put("loss", progress.loss());
        Json.put(line, "validation_loss", progress.validationLoss());
        return line.put("learning_rate", progress.learningRate())
                .put("gradient_norm", progress.gradientNorm())
                .put("tokens_per_second", progress.tokensPerSecond());
    }

    @Override
    public void close() throws IOException {
        file.close();
    }
}
