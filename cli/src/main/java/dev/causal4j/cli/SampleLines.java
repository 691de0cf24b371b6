package dev.causal4j.cli;

import dev.causal4j.cli.LineReader.Named;
import dev.causal4j.json.Json;
import dev.causal4j.json.Sha256;
import dev.causal4j.scoring.Evaluation.Answer;
import dev.causal4j.scoring.EvaluationListener;
import dev.causal4j.scoring.Sample;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.function.IntPredicate;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The samples of an evaluation in their order: lines of an earlier run of the same, and those that this run adds. Not
 * thread-safe.
 */
final class SampleLines implements EvaluationListener, AutoCloseable {
    private static final int BUFFERED = 1 << 16;

    private static final String TOKENS = "token_bits";

    /** Compared first: the question, and the token where answers begin to differ. */
    private static final List<String> FIRST = List.of("doc_id", "doc_hash", "prompt_hash", "target_hash", TOKENS);

    private static final List<String> BY_REQUEST = List.of(TOKENS, "resps", "filtered_resps");

    /** The texts that hashes stand for. */
    private static final List<String> LARGE = List.of("doc", "arguments", "target");

    /** A line of an earlier run differs from what was computed. */
    static final class Differs extends RuntimeException {
        Differs(String message) {
            super(message);
        }
    }

    private final String name;
    private final Progress progress;
    private final long total;
    private final List<Map<String, Object>> kept = new ArrayList<>();
    private final StringBuilder written = new StringBuilder();
    private IntPredicate again = _ -> false;
    private @Nullable ResultFile out;
    private int asked;
    private int accepted;

    /** @param file null for none */
    SampleLines(@Nullable Path file, Progress progress, long total) {
        this.name = file == null ? "samples" : file.toString();
        this.progress = progress;
        this.total = total;
    }

    /** Writes to a file, after the lines of an earlier run if that is resumed. */
    void write(Path file, boolean overwrite, boolean resume) throws IOException {
        out = ResultFile.open(file, overwrite, resume, this::keep);
        if (overwrite) {
            out.clear();
        }
    }

    /** Reads the lines of an earlier run. */
    void read(Path file) throws IOException {
        try (InputStream in = TextInput.open(file.toString())) {
            LineReader lines = new LineReader(in, TextInput.MOST_BYTES);
            Optional<Named> line = lines.nextFilled(name);
            for (; line.isPresent(); line = lines.nextFilled(name)) {
                keep(Document.parse(line.get().subject(), line.get().bytes()));
            }
        }
    }

    private void keep(Document line) {
        if (kept.size() == total) {
            throw new IllegalArgumentException(
                    name + ": expected at most " + total + " samples, got more; name another file");
        }
        line.fields().keySet().removeAll(LARGE);
        kept.add(line.fields());
    }

    int count() {
        return kept.size();
    }

    /** Computes some of the lines again, and compares all of them. */
    void recompute(IntPredicate which) {
        again = which;
        asked = 0;
        accepted = 0;
    }

    @Override
    public Optional<Answer> known(String task, String filter, int document) {
        int i = asked++;
        return i >= kept.size() || again.test(i) ? Optional.empty() : Optional.of(answer(i));
    }

    /** The answer in a line, whose responses are texts as the harness writes them. */
    private Answer answer(int i) {
        Map<String, Object> line = kept.get(i);
        try {
            boolean rolling = line.get("metrics") instanceof List<?> names
                    && names.stream()
                            .anyMatch(List.of("word_perplexity", "byte_perplexity", "bits_per_byte")::contains);
            List<Object> values = new ArrayList<>();
            for (Object each : (List<?>) Objects.requireNonNull(line.get("resps"))) {
                Object one = ((List<?>) each).getFirst();
                values.add(
                        one instanceof List<?> both
                                ? List.of(
                                        Double.valueOf((String) both.get(0)),
                                        both.get(1).equals("True"))
                                : rolling ? Double.valueOf((String) one) : (String) one);
            }
            List<String> tokens = new ArrayList<>();
            ((List<?>) Objects.requireNonNull(line.get(TOKENS))).forEach(each -> tokens.add((String) each));
            String bits = String.valueOf(line.get("bits"));
            if (bits.matches(Sha256.NAME + "[0-9a-f]{64}")) {
                return new Answer(values, tokens, bits);
            }
        } catch (RuntimeException e) {
            throw new UncheckedIOException(
                    new IOException(line(i) + "expected a sample with its digest, got another", e));
        }
        throw new UncheckedIOException(new IOException(line(i) + "expected bits, a digest, got " + line.get("bits")));
    }

    private String line(int i) {
        return name + " line " + (i + 1) + ": ";
    }

    @Override
    public void accept(Sample sample) {
        int i = accepted++;
        progress.at(accepted, total);
        if (i < kept.size()) {
            compare(i, sample);
        } else if (out != null) {
            written.append(new String(Json.write(sample.json()), StandardCharsets.UTF_8))
                    .append('\n');
            flush(BUFFERED);
        }
    }

    private void compare(int i, Sample sample) {
        Map<String, Object> is = sample.json();
        Stream.concat(FIRST.stream(), is.keySet().stream())
                .filter(key ->
                        !LARGE.contains(key) && !shown(kept.get(i).get(key)).equals(shown(is.get(key))))
                .findFirst()
                .ifPresent(key -> {
                    throw new Differs(line(i) + "task " + sample.task() + ", document " + sample.id()
                            + difference(key, kept.get(i).get(key), is.get(key)));
                });
    }

    /** The first part that differs of a member of a line, and how. */
    private static String difference(String key, @Nullable Object stated, @Nullable Object is) {
        Map<String, String> expected = parts(key, stated);
        Map<String, String> got = parts(key, is);
        String place = Stream.concat(got.keySet().stream(), expected.keySet().stream())
                .filter(each -> !Objects.equals(expected.get(each), got.get(each)))
                .findFirst()
                .orElseThrow();
        return place + ": expected " + key + " " + expected.get(place) + ", got " + got.get(place);
    }

    /** The parts of a member by request and token, as far as it tells them. */
    private static Map<String, String> parts(String key, @Nullable Object value) {
        if (!BY_REQUEST.contains(key) || !(value instanceof List<?> requests)) {
            return Map.of("", shown(value));
        }
        Map<String, String> parts = new LinkedHashMap<>();
        for (int i = 0; i < requests.size(); i++) {
            String place = ", request " + i;
            String all = key.equals(TOKENS) ? String.valueOf(requests.get(i)) : "";
            for (int at = 0; at < all.length(); at += Answer.DIGITS) {
                String digits = all.substring(at, Math.min(all.length(), at + Answer.DIGITS));
                parts.put(place + ", token " + at / Answer.DIGITS, digits);
            }
            if (!key.equals(TOKENS)) {
                parts.put(place, shown(requests.get(i)));
            }
        }
        return parts;
    }

    private static String shown(@Nullable Object value) {
        return new String(Json.write(value == null ? Json.NULL : value), StandardCharsets.UTF_8);
    }

    private void flush(int most) {
        try {
            if (out != null && written.length() > most) {
                out.append(written.toString());
                written.setLength(0);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public void close() throws IOException {
        if (out != null) {
            try (ResultFile closed = out) {
                closed.append(written.toString());
            }
        }
    }
}
