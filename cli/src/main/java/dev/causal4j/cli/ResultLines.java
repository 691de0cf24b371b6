package dev.causal4j.cli;

import java.io.IOException;
import java.io.InputStream;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;

/**
 * Computes a result for each text of a JSON Lines file, several lines in one forward: an object in, an object out, in
 * the same order. A line without a result gives an object with an error. Not thread-safe.
 *
 * @param <Q> what is computed for a text
 * @param <R> its result
 */
abstract class ResultLines<Q, R> {
    /** Tokens computed together, a few forwards; an interruption can lose this much. */
    private static final int GROUP_TOKENS = 2048;

    /** Most errors reported on standard error; all are in the output. */
    private static final int MOST_COMPLAINTS = 20;

    private static final String LINE = "line";
    private static final String ERROR = "error";

    final PrintWriter out;
    final PrintWriter err;
    private final LinesOptions files;
    private final String in;
    private final String subject; // its name in messages
    private final Set<String> fields;
    private final String key;

    private long texts;
    private long failed;
    private @Nullable Document lastKept;

    /**
     * @param fields of a result
     * @param key the one of them without which it is a failure
     */
    ResultLines(LinesOptions files, Set<String> fields, String key, CommandLine command) {
        this.files = files;
        this.in = Objects.requireNonNull(files.in);
        this.subject = TextInput.name(in);
        this.fields = fields;
        this.key = key;
        this.out = command.getOut();
        this.err = command.getErr();
    }

    /** The work for a text. */
    abstract Q request(String text);

    abstract int tokens(Q request);

    /** The results of some texts. An ArithmeticException fails them all; then each is computed alone. */
    abstract List<R> compute(List<Q> requests);

    /** Counts a result, and adds its fields to its line. */
    abstract void add(R result, Document line);

    /** Counts a result of the run that is resumed. */
    void keep(Document result) {}

    /** The sums of all results for a document that has their number. */
    Document sums(Document document) {
        return document;
    }

    /** The sums of all results in words. */
    String sums() {
        return "";
    }

    /**
     * A line of the input.
     *
     * @param result the fields copied to the output; its result or error is added
     * @param request null if nothing can be computed
     */
    private record Line<Q>(
            long number, Document result, @Nullable Q request) {}

    /**
     * Computes all lines and reports their sums, resumed results included.
     *
     * @param task its name in the bar of progress
     * @return whether every line has a result
     */
    boolean run(String task, boolean json) throws IOException {
        Path path = Path.of(in);
        boolean folder = Files.isDirectory(path);
        if (ResultFile.same(path, files.out)) {
            throw new IOException(in + ": expected another place than OUT, got the same; name another OUT");
        }
        long size = folder || in.equals("-") ? -1 : Files.size(TextInput.requireRegular(path));
        try (InputStream bytes = folder ? TextInput.folder(path) : TextInput.open(in);
                ResultFile results = files.out == null
                        ? null
                        : ResultFile.open(files.out, files.overwrite, files.resume, this::kept);
                Progress progress = new Progress(task, Progress.BYTES, size)) {
            if (results != null && files.overwrite) {
                results.clear();
            }
            LineReader lines = new LineReader(bytes, TextInput.MOST_BYTES);
            skip(lines);
            compute(lines, results, progress);
        }
        if (json) {
            out.println(sums(new Document().put("texts", texts).put("failed", failed)));
        } else {
            err.printf("%,d text%s, %,d failed%s%n", texts, texts == 1 ? "" : "s", failed, sums());
        }
        return failed == 0;
    }

    private void kept(Document result) {
        texts++;
        lastKept = result;
        if (result.fields().containsKey(key)) {
            keep(result);
        } else {
            failed++;
        }
    }

    /** Skips the lines that have a result. */
    private void skip(LineReader lines) throws IOException {
        for (long left = texts; left > 0; left--) {
            byte[] bytes = lines.nextFilled()
                    .orElseThrow(() -> new IOException(files.out + ": expected results of " + subject + ", got " + texts
                            + " of them, more than it has lines; name another file"));
            if (left == 1) {
                requireSame(line(lines.number(), bytes));
            }
        }
    }

    /** Checks by the copied fields that the last result belongs to this line. */
    private void requireSame(Line<Q> line) throws IOException {
        Map<String, Object> kept = Objects.requireNonNull(lastKept).fields();
        for (var field : line.result.fields().entrySet()) {
            if (!isResult(field.getKey()) && !field.getValue().equals(kept.get(field.getKey()))) {
                throw new IOException(
                        files.out + ": expected results of " + subject + ", got another \"" + field.getKey()
                                + "\" in result " + texts + " than line " + line.number + " has; name another file");
            }
        }
    }

    private void compute(LineReader lines, @Nullable ResultFile results, Progress progress) throws IOException {
        List<Line<Q>> group = new ArrayList<>();
        long tokens = 0;
        Optional<byte[]> next;
        do {
            next = lines.nextFilled();
            if (next.isPresent()) {
                Line<Q> line = line(lines.number(), next.get());
                if (line.request == null && files.failFast) {
                    finish(group, results);
                    throw new IOException(error(line));
                }
                group.add(line);
                tokens += line.request == null ? 0 : tokens(line.request);
            }
            if (tokens >= GROUP_TOKENS || group.size() >= GROUP_TOKENS || next.isEmpty()) {
                finish(group, results);
                group.clear();
                tokens = 0;
                progress.at(lines.consumed(), String.format("%,d texts", texts));
            }
        } while (next.isPresent() && !out.checkError());
    }

    /** Fields of a result that replace those of the input. */
    private boolean isResult(String field) {
        return fields.contains(field) || field.equals(LINE) || field.equals(ERROR);
    }

    private Line<Q> line(long number, byte[] bytes) {
        Document result = new Document();
        try {
            result = Document.parse("text", TextInput.bounded("text", bytes));
            Object text = result.fields().remove("text");
            if (!(text instanceof String given)) {
                String got = text == null ? "no such field" : "another value";
                throw new IOException("expected a string in the field \"text\", got " + got);
            }
            return new Line<>(number, result, request(given));
        } catch (IOException | IllegalArgumentException e) {
            return failed(number, result, e);
        }
    }

    private Line<Q> failed(long number, Document result, Exception problem) {
        String oneLine = String.valueOf(problem.getMessage()).replaceAll("\\p{Cc}+", " ");
        result.fields().remove(key); // a result without it is a failure
        result.put(LINE, number).put(ERROR, subject + " line " + number + ": " + oneLine);
        return new Line<>(number, result, null);
    }

    private static String error(Line<?> line) {
        return String.valueOf(line.result.fields().get(ERROR));
    }

    /** Computes lines and writes their results. */
    private void finish(List<Line<Q>> lines, @Nullable ResultFile results) throws IOException {
        List<R> made;
        try {
            made = compute(lines.stream()
                    .flatMap(line -> Stream.ofNullable(line.request))
                    .toList());
        } catch (ArithmeticException e) {
            if (lines.size() > 1) { // one of them fails; the others have a result
                for (Line<Q> line : lines) {
                    finish(List.of(line), results);
                }
                return;
            }
            Line<Q> line = lines.getFirst();
            Line<Q> none = failed(line.number, line.result, e);
            if (files.failFast) {
                throw new IOException(error(none), e);
            }
            finish(List.of(none), results);
            return;
        }
        StringBuilder written = new StringBuilder();
        int next = 0;
        for (Line<Q> line : lines) {
            if (line.request != null) {
                add(made.get(next++), line.result);
            } else if (failed++ < MOST_COMPLAINTS) {
                err.println(error(line));
            }
            written.append(line.result).append('\n');
            texts++;
        }
        if (results == null) {
            out.print(written);
            out.flush();
        } else {
            results.append(written.toString());
        }
    }
}
