package dev.causal4j.cli;

import dev.causal4j.json.Sha256;
import dev.causal4j.scoring.Score;
import dev.causal4j.scoring.Score.Totals;
import dev.causal4j.scoring.ScoringRequest;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;

/**
 * Scores the texts of a JSON Lines file, several lines in one forward: an object in, an object out, in the same order.
 * A line that cannot be scored gives an object with an error. Not thread-safe.
 */
final class ScoreLines {
    /** Tokens scored together, a few forwards; an interruption can lose this much. */
    private static final int GROUP_TOKENS = 2048;

    /** Most errors reported on standard error; all are in the output. */
    private static final int MOST_COMPLAINTS = 20;

    private static final String NLL = "nll";
    private static final String LINE = "line";
    private static final String ERROR = "error";
    private static final String BITS = "sha256:";

    private final Function<String, ScoringRequest> requests;
    private final Function<List<ScoringRequest>, List<Score>> scoring;
    private final ScoreDocument documents;
    private final LinesOptions files;
    private final String in;
    private final String subject; // its name in messages
    private final PrintWriter out;
    private final PrintWriter err;

    private final MessageDigest bits = Sha256.begin(); // of the texts' digests
    private boolean hasBits = true;
    private Totals totals = Totals.ZERO;
    private long texts;
    private long failed;
    private @Nullable Document lastKept;

    /**
     * @param requests encodes a text
     * @param scoring scores some texts
     */
    ScoreLines(
            Function<String, ScoringRequest> requests,
            Function<List<ScoringRequest>, List<Score>> scoring,
            ScoreDocument documents,
            LinesOptions files,
            CommandLine command) {
        this.requests = requests;
        this.scoring = scoring;
        this.documents = documents;
        this.files = files;
        this.in = Objects.requireNonNull(files.in);
        this.subject = TextInput.name(in);
        this.out = command.getOut();
        this.err = command.getErr();
    }

    /**
     * A line of the input.
     *
     * @param result the fields copied to the output; its score or error is added
     * @param request null if it cannot be scored
     */
    private record Line(
            long number, Document result, @Nullable ScoringRequest request) {}

    /**
     * Scores all lines and reports their sums, resumed results included.
     *
     * @return whether every line has a score
     */
    boolean run(boolean json) throws IOException {
        Path path = Path.of(in);
        boolean folder = Files.isDirectory(path);
        if (ResultFile.same(path, files.out)) {
            throw new IOException(in + ": expected another place than OUT, got the same; name another OUT");
        }
        long size = folder || in.equals("-") ? -1 : Files.size(TextInput.requireRegular(path));
        try (InputStream bytes = folder ? TextInput.folder(path) : TextInput.open(in);
                ResultFile results = files.out == null
                        ? null
                        : ResultFile.open(files.out, files.overwrite, files.resume, this::keep);
                Progress progress = new Progress("scoring", Progress.BYTES, size)) {
            if (results != null && files.overwrite) {
                results.clear();
            }
            LineReader lines = new LineReader(bytes, TextInput.MOST_BYTES);
            skip(lines);
            score(lines, results, progress);
        }
        if (json) {
            Document sums = new Document().put("texts", texts).put("failed", failed);
            String digest = hasBits ? BITS + HexFormat.of().formatHex(bits.digest()) : null;
            out.println(ScoreDocument.add(totals, sums).put("bits", digest));
        } else {
            String sums = ScoreTable.totals(totals);
            err.printf("%,d text%s, %,d failed; %s%n", texts, texts == 1 ? "" : "s", failed, sums);
        }
        return failed == 0;
    }

    /** Counts a result of the run that is resumed. */
    private void keep(Document result) {
        texts++;
        lastKept = result;
        if (!result.fields().containsKey(NLL)) {
            failed++;
            return;
        }
        long tokens = (long) result.number("scored_tokens", 0);
        addBits(String.valueOf(result.fields().get("bits")));
        totals = totals.plus(new Totals(result.number(NLL, 0), tokens, (long) result.number("scored_bytes", 0)));
    }

    /** Adds a text's digest to that of all; a version that knew none may have written the result of a resumed run. */
    private void addBits(String digest) {
        hasBits &= digest.matches(BITS + "[0-9a-f]{64}");
        if (hasBits) {
            bits.update(HexFormat.of().parseHex(digest, BITS.length(), digest.length()));
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
    private void requireSame(Line line) throws IOException {
        Map<String, Object> kept = Objects.requireNonNull(lastKept).fields();
        for (var field : line.result.fields().entrySet()) {
            if (!isResult(field.getKey()) && !field.getValue().equals(kept.get(field.getKey()))) {
                throw new IOException(
                        files.out + ": expected results of " + subject + ", got another \"" + field.getKey()
                                + "\" in result " + texts + " than line " + line.number + " has; name another file");
            }
        }
    }

    private void score(LineReader lines, @Nullable ResultFile results, Progress progress) throws IOException {
        List<Line> group = new ArrayList<>();
        long tokens = 0;
        Optional<byte[]> next;
        do {
            next = lines.nextFilled();
            if (next.isPresent()) {
                Line line = line(lines.number(), next.get());
                if (line.request == null && files.failFast) {
                    finish(group, results);
                    throw new IOException(error(line));
                }
                group.add(line);
                tokens += line.request == null ? 0 : line.request.prefix().length + line.request.tokens().length;
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
    private static boolean isResult(String field) {
        return ScoreDocument.FIELDS.contains(field) || field.equals(LINE) || field.equals(ERROR);
    }

    private Line line(long number, byte[] bytes) {
        Document result = new Document();
        try {
            result = Document.parse("text", TextInput.bounded("text", bytes));
            Object text = result.fields().remove("text");
            if (!(text instanceof String given)) {
                String got = text == null ? "no such field" : "another value";
                throw new IOException("expected a string in the field \"text\", got " + got);
            }
            return new Line(number, result, requests.apply(given));
        } catch (IOException | IllegalArgumentException e) {
            return failed(number, result, e);
        }
    }

    private Line failed(long number, Document result, Exception problem) {
        String oneLine = String.valueOf(problem.getMessage()).replaceAll("\\p{Cc}+", " ");
        result.fields().remove(NLL); // a result without it is a failure
        result.put(LINE, number).put(ERROR, subject + " line " + number + ": " + oneLine);
        return new Line(number, result, null);
    }

    private static String error(Line line) {
        return String.valueOf(line.result.fields().get(ERROR));
    }

    /** Scores lines and writes their results. */
    private void finish(List<Line> lines, @Nullable ResultFile results) throws IOException {
        List<Score> scores;
        try {
            scores = scoring.apply(
                    lines.stream().map(Line::request).filter(Objects::nonNull).toList());
        } catch (ArithmeticException e) {
            if (lines.size() > 1) { // one of them fails; the others have a score
                for (Line line : lines) {
                    finish(List.of(line), results);
                }
                return;
            }
            Line line = lines.getFirst();
            Line none = failed(line.number, line.result, e);
            if (files.failFast) {
                throw new IOException(error(none), e);
            }
            finish(List.of(none), results);
            return;
        }
        StringBuilder written = new StringBuilder();
        int next = 0;
        for (Line line : lines) {
            if (line.request != null) {
                Score score = scores.get(next++);
                documents.add(score, line.result);
                addBits(score.bits());
                totals = totals.plus(score.totals());
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
