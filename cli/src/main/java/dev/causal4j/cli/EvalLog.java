package dev.causal4j.cli;

import dev.causal4j.InputException;
import dev.causal4j.cli.LineReader.Named;
import dev.causal4j.json.Json;
import dev.causal4j.scoring.Evaluation.Answer;
import dev.causal4j.scoring.Request;
import dev.causal4j.scoring.Responder;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Computes the log of a run of lm-evaluation-harness again, of any task. Not thread-safe. */
final class EvalLog {
    /** Documents that are computed together, and characters of their lines. */
    private static final int MOST_DOCUMENTS = 512;

    private static final int MOST_CHARACTERS = 1 << 23;

    private record Line(Object id, List<Request> requests, List<?> responses) {}

    private final Path file;
    private final Responder responder;
    private final List<Object> greedy = new ArrayList<>();
    private final List<Object> choices = new ArrayList<>();
    private final List<Object> texts = new ArrayList<>();
    private long documents;
    private long requests;
    private double largest;

    EvalLog(Path file, Responder responder) {
        this.file = file;
        this.responder = responder;
    }

    /** Reads the log in windows of documents; of several filters the first is enough. */
    void read() throws IOException {
        try (InputStream in = TextInput.open(file.toString())) {
            LineReader lines = new LineReader(in, TextInput.MOST_BYTES);
            Object filter = null;
            List<Line> window = new ArrayList<>();
            long read = 0;
            Optional<Named> next = lines.nextFilled(file.toString());
            for (; next.isPresent(); next = lines.nextFilled(file.toString())) {
                String subject = next.get().subject();
                Map<String, Object> line = Json.tree(subject, next.get().bytes());
                filter = filter == null ? line.getOrDefault("filter", "") : filter;
                if (filter.equals(line.getOrDefault("filter", ""))) {
                    window.add(line(subject, line));
                }
                if (window.size() == MOST_DOCUMENTS || lines.consumed() - read > MOST_CHARACTERS) {
                    compute(window);
                    read = lines.consumed();
                }
            }
            compute(window);
        }
    }

    private static Line line(String subject, Map<String, Object> line) throws IOException {
        try {
            List<Request> requests = new ArrayList<>();
            for (Object each : values(line.get("arguments"))) {
                requests.add(Request.of(values(each)));
            }
            List<?> responses = values(line.get("resps"));
            if (responses.size() == requests.size() && !requests.isEmpty()) {
                return new Line(line.getOrDefault("doc_id", Json.NULL), requests, responses);
            }
            throw new IOException(subject + ": expected a response to each request, got others");
        } catch (IllegalArgumentException e) {
            throw new IOException(subject + ": " + e.getMessage(), e);
        }
    }

    /** The values of a list, or of an object. */
    private static List<?> values(@Nullable Object value) {
        return switch (value) {
            case List<?> list -> list;
            case Map<?, ?> map -> List.copyOf(map.values());
            case null, default -> List.of();
        };
    }

    private void compute(List<Line> window) throws IOException {
        try {
            List<String> names =
                    window.stream().map(each -> "document " + each.id).toList();
            List<List<Request>> asked = window.stream().map(Line::requests).toList();
            List<Answer> answers = window.isEmpty() ? List.of() : responder.respond(asked, names);
            for (int i = 0; i < window.size(); i++) {
                compare(window.get(i), answers.get(i).values());
            }
            window.clear();
        } catch (InputException e) {
            throw new IOException(file + ", " + e.getMessage(), e);
        }
    }

    private void compare(Line line, List<Object> values) throws IOException {
        boolean sameFlags = true;
        boolean sameTexts = true;
        double[] logged = new double[values.size()];
        double[] sums = new double[values.size()];
        for (int i = 0; i < sums.length; i++) {
            List<?> response = values(line.responses.get(i));
            Object before = response.isEmpty() ? "" : response.getFirst();
            if (values.get(i) instanceof String text) {
                sameTexts &= text.equals(before);
                continue;
            }
            sums[i] = number(line, values.get(i));
            logged[i] = number(line, before);
            largest = Math.max(largest, Math.abs(sums[i] - logged[i]));
            sameFlags &= !(values.get(i) instanceof List<?> both)
                    || !(before instanceof List<?> one)
                    || both.getLast().toString().equalsIgnoreCase(one.getLast().toString());
        }
        documents++;
        requests += sums.length;
        (sameFlags ? new ArrayList<>() : greedy).add(line.id);
        (sameTexts ? new ArrayList<>() : texts).add(line.id);
        (best(sums) == best(logged) ? new ArrayList<>() : choices).add(line.id);
    }

    private double number(Line line, Object value) throws IOException {
        try {
            return Double.parseDouble((value instanceof List<?> list ? list.getFirst() : value).toString());
        } catch (NumberFormatException e) {
            throw new IOException(file + ", document " + line.id + ": expected sums in resps, got something else", e);
        }
    }

    private static int best(double[] sums) {
        int best = 0;
        for (int i = 1; i < sums.length; i++) {
            best = sums[i] > sums[best] ? i : best;
        }
        return best;
    }

    Document document() {
        return new Document()
                .put("documents", documents)
                .put("requests", requests)
                .put("largest_difference", largest)
                .put("other_greedy", greedy)
                .put("other_choice", choices)
                .put("other_text", texts);
    }

    String text() {
        return String.format(
                "%,d documents, %,d requests: largest difference of a sum %.2g; documents with another greedy flag %s,"
                        + " another largest choice %s, another text %s",
                documents, requests, largest, greedy, choices, texts);
    }
}
