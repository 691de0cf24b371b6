package dev.causal4j.scoring;

import dev.causal4j.InputException;
import dev.causal4j.generation.Engine;
import dev.causal4j.head.Prediction;
import dev.causal4j.json.Sha256;
import dev.causal4j.model.CausalLM;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;
import java.util.stream.Stream;

/**
 * An evaluation by the rules of lm-evaluation-harness. Immutable; thread-safe if the tasks' sources are.
 *
 * <p>Its figures and digests depend on tasks, options and model alone. Documents pass in windows: beside the examples and
 * what the model responded, only those of a window are in memory.
 */
public final class Evaluation {
    /** Characters of the prompts of a window; the last one may have more. */
    private static final long MOST_CHARACTERS = 1 << 22;

    /** Tasks and groups in a group; the harness's largest has hundreds. */
    private static final long MOST_MEMBERS = 100_000;

    private final List<EvaluationTask> tasks;
    private final List<EvaluationGroup> groups;

    private Evaluation(List<EvaluationTask> tasks, List<EvaluationGroup> groups) {
        this.tasks = List.copyOf(tasks);
        this.groups = List.copyOf(groups);
    }

    /** An evaluation of one task. */
    public static Evaluation of(EvaluationTask task) {
        return of(List.of(task), List.of());
    }

    /** An evaluation of several tasks, and of groups of them, each before the groups that it has. */
    public static Evaluation of(List<EvaluationTask> tasks, List<EvaluationGroup> groups) {
        Map<String, Long> sizes = new HashMap<>();
        tasks.forEach(each -> sizes.put(each.name(), 1L));
        Map<String, EvaluationGroup> named = new HashMap<>();
        for (EvaluationGroup each : groups.reversed()) { // one within itself has no size yet
            long size = 1;
            for (String member : each.members()) {
                size += sizes.getOrDefault(member, MOST_MEMBERS + 1);
            }
            EvaluationGroup same = named.put(each.name(), each);
            boolean taken = same == null ? sizes.containsKey(each.name()) : !same.equals(each);
            if (taken || size > MOST_MEMBERS) {
                throw new InputException(each.name() + ": expected a group by a name of its own, of at most "
                        + MOST_MEMBERS + " tasks and groups that come after it, got another; correct the group");
            }
            sizes.put(each.name(), size);
        }
        return new Evaluation(tasks, groups);
    }

    /**
     * The responses of a model to the requests of a document.
     *
     * @param values as the harness logs them: the sum of a continuation's log-probabilities and whether it is greedy, the
     *     sum of a text's, or a text
     * @param tokenBits for each request four hexadecimal digits a token, the first of a digest of this and all earlier
     *     tokens and their log-probabilities: they tell where a difference begins
     * @param bits the digest of all log-probabilities
     */
    public record Answer(List<Object> values, List<String> tokenBits, String bits) {
        /** The digits of {@code tokenBits} for a token. */
        public static final int DIGITS = 4;

        static Answer of(Object value, List<Prediction> predictions, String bits) {
            MessageDigest digest = Sha256.begin();
            byte[] before = {};
            StringBuilder digits = new StringBuilder();
            for (Prediction each : predictions) {
                digest.update(before);
                digest.update(ByteBuffer.allocate(Integer.BYTES + Double.BYTES)
                        .putInt(each.token())
                        .putDouble(each.logProbability())
                        .flip());
                before = digest.digest();
                HexFormat.of().formatHex(digits, before, 0, DIGITS / 2);
            }
            return new Answer(List.of(value), List.of(digits.toString()), bits);
        }
    }

    /** A document in a window. */
    private record Asked(int id, Map<String, Object> document, List<Request> requests, Optional<Answer> known) {}

    /** The digest of digests. */
    static String combined(List<String> bits) {
        MessageDigest all = Sha256.begin();
        bits.forEach(each -> all.update(HexFormat.of().parseHex(each, Sha256.NAME.length(), each.length())));
        return Sha256.NAME + HexFormat.of().formatHex(all.digest());
    }

    /**
     * Evaluates a model.
     *
     * @throws InputException if a document has no request, naming task, document and choice, from 0
     * @throws IllegalStateException if the model has no tokenizer
     */
    public EvaluationResult run(CausalLM model, EvaluationOptions options, EvaluationListener listener) {
        return run(Responder.of(Engine.shared(model), options.maxLength()), options, listener);
    }

    /** Evaluates what responds. */
    public EvaluationResult run(Responder responder, EvaluationOptions options, EvaluationListener listener) {
        tasks.forEach(task -> {
            Prompts _ = new Prompts(task, options); // refuses before another task is computed
        });
        return EvaluationResult.of(
                tasks.stream()
                        .map(task ->
                                new Run(task, responder, options, listener, new ArrayList<>(), new LinkedHashMap<>()))
                        .map(Run::run)
                        .toList(),
                groups);
    }

    /**
     * The run of a task. Prompts are written again for each list of filters, so that no more than a window is kept.
     *
     * @param answers by document
     * @param values by metric and filter
     */
    private record Run(
            EvaluationTask task,
            Responder responder,
            EvaluationOptions options,
            EvaluationListener listener,
            List<Answer> answers,
            Map<String, List<Object>> values) {
        EvaluationResult.OfTask run() {
            task.filters.forEach(this::run);
            String bits = combined(answers.stream().map(Answer::bits).toList());
            return new EvaluationResult.OfTask(task, Prompts.shots(task, options), values, bits);
        }

        private void run(Filters filters) {
            Prompts prompts = new Prompts(task, options);
            try (Stream<Map<String, Object>> all = task.documents()) {
                var documents = all.limit(options.documents(task.size)).iterator();
                for (int id = 0; documents.hasNext(); ) {
                    List<Asked> window = new ArrayList<>();
                    long size = 0;
                    while (documents.hasNext() && window.size() < responder.mostDocuments() && size < MOST_CHARACTERS) {
                        window.add(asked(id++, documents.next(), prompts, filters));
                        size += window.getLast().requests.getFirst().text().length();
                    }
                    answer(window);
                    window.forEach(each -> take(each, filters));
                }
            }
        }

        private Asked asked(int id, Map<String, Object> document, Prompts prompts, Filters filters) {
            List<Request> requests = named(id, () -> prompts.next(document));
            Optional<Answer> known = listener.known(task.name(), filters.name(), id);
            known.ifPresent(each -> check(name(id), requests, each.values()));
            return new Asked(id, document, requests, known);
        }

        /** Asks what is not known, unless the answers are there. */
        private void answer(List<Asked> window) {
            List<Asked> open =
                    window.stream().filter(each -> each.id >= answers.size()).toList();
            List<Asked> asked =
                    open.stream().filter(each -> each.known.isEmpty()).toList();
            List<String> names = asked.stream().map(each -> name(each.id)).toList();
            List<List<Request>> requests = asked.stream().map(Asked::requests).toList();
            List<Answer> computed = asked.isEmpty() ? List.of() : responder.respond(requests, names);
            Iterator<Answer> next = computed.iterator();
            open.forEach(each -> answers.add(each.known.orElseGet(next::next)));
        }

        private void take(Asked asked, Filters filters) {
            Answer answer = answers.get(asked.id);
            Sample sample =
                    named(asked.id, () -> Sample.of(task, filters, asked.id, asked.document, asked.requests, answer));
            sample.metrics()
                    .forEach((metric, value) -> values.computeIfAbsent(
                                    metric + "," + filters.name(), _ -> new ArrayList<>())
                            .add(value));
            listener.accept(sample);
        }

        private String name(int id) {
            return task.name() + ", document " + id;
        }

        private <T> T named(int id, Supplier<T> part) {
            try {
                return part.get();
            } catch (IllegalArgumentException e) {
                InputException named = new InputException(name(id) + ": " + e.getMessage());
                named.initCause(e);
                throw named;
            }
        }
    }

    private static void check(String name, List<Request> requests, List<Object> values) {
        boolean fits = requests.size() == values.size();
        for (int i = 0; fits && i < values.size(); i++) {
            fits = switch (requests.get(i)) {
                case Request.Continuation _ -> values.get(i) instanceof List;
                case Request.Rolling _ -> values.get(i) instanceof Double;
                case Request.Until _ -> values.get(i) instanceof String;
            };
        }
        if (!fits) {
            throw new InputException(name + ": expected a known answer to each request, got others");
        }
    }
}
