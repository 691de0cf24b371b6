package dev.causal4j.cli;

import dev.causal4j.json.WholeFile;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** The steps of a run as files in its folder: lines of JSON, and of them a table and a picture. Not thread-safe. */
final class TrainingLog implements AutoCloseable {
    /** A step that was done again after an interruption has several lines; the last one counts. */
    static final String LINES = "loss.jsonl";

    static final String TABLE = "loss.csv";
    static final String PICTURE = "loss.svg";
    static final String HELD_OUT = "validation_loss";

    /** A step; its losses are not a number where they were not computed, tokens and seconds are of all steps so far. */
    record Point(long step, long tokens, double seconds, double loss, double heldOut) {}

    private final Path folder;
    private final ResultFile lines;
    private final List<Point> points = new ArrayList<>();

    /** @param resumes whether to append to the existing steps; otherwise, call {@link #clear} */
    TrainingLog(Path folder, boolean resumes) throws IOException {
        this.folder = folder;
        lines = ResultFile.open(folder.resolve(LINES), !resumes, resumes, this::add);
    }

    void clear() throws IOException {
        lines.clear();
    }

    /** Seconds of training so far, steps that are done again included. */
    double seconds() {
        return points.isEmpty() ? 0 : points.getLast().seconds;
    }

    /** @param draws whether to write the table and the picture, too */
    void append(Document line, boolean draws) {
        try {
            lines.append(line + "\n");
            add(line);
            if (draws) {
                writeCurves();
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void add(Document line) {
        long step = (long) line.number("step", 0);
        while (!points.isEmpty() && points.getLast().step >= step) {
            points.removeLast();
        }
        points.add(new Point(
                step,
                (long) line.number("tokens", 0),
                line.number("seconds", 0),
                line.number("loss", Double.NaN),
                line.number(HELD_OUT, Double.NaN)));
    }

    /** Writes the table and the picture. */
    void writeCurves() throws IOException {
        StringBuilder table = new StringBuilder("step,tokens,seconds,loss," + HELD_OUT + "\n");
        for (Point at : points) {
            String losses = (at.loss + "," + at.heldOut).replace("NaN", "");
            table.append(at.step + "," + at.tokens + "," + at.seconds + "," + losses + "\n");
        }
        WholeFile.write(folder.resolve(TABLE), table.toString().getBytes(StandardCharsets.UTF_8));
        if (!points.isEmpty()) {
            WholeFile.write(folder.resolve(PICTURE), LossCurves.svg(points).getBytes(StandardCharsets.UTF_8));
        }
    }

    @Override
    public void close() throws IOException {
        lines.close();
    }
}
