package dev.causal4j.scoring;

import dev.causal4j.chat.TextTemplate;
import dev.causal4j.json.Json;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;

/**
 * A metric of a task: the value of a document, that of all, and its error. A value is a number, or a sum and its weight.
 *
 * @param ignored what an exact match does not compare
 */
record Metric(String name, boolean higherIsBetter, List<PythonRegex> ignored, Set<String> flags) {
    private static final List<String> FLAGS = List.of("ignore_case", "ignore_punctuation", "ignore_numbers");
    private static final Set<String> SETTINGS = EvaluationTask.names(
            "metric aggregation higher_is_better hf_evaluate" + " regexes_to_ignore " + String.join(" ", FLAGS));
    private static final int MISSING = -100; // a gold, as the harness has it
    private static final int RESAMPLES = 1000;
    private static final int SEEDS = 100;

    static List<Metric> read(EvaluationTask task) {
        Map<String, Metric> metrics = new LinkedHashMap<>();
        for (Map<String, Object> each : task.maps("metric_list")) {
            String name = String.valueOf(each.get("metric"));
            task.check("metric", task.type.metrics.contains(name), "one of " + task.type.metrics, name);
            Object aggregation = each.getOrDefault("aggregation", aggregation(name));
            task.check("aggregation", aggregation.equals(aggregation(name)), aggregation(name), aggregation);
            task.check(
                    name,
                    SETTINGS.containsAll(each.keySet()) && !Boolean.TRUE.equals(each.get("hf_evaluate")),
                    "known settings",
                    each.keySet());
            List<PythonRegex> ignored = new ArrayList<>();
            Object regexes = each.getOrDefault("regexes_to_ignore", List.of());
            task.check("regexes_to_ignore", regexes instanceof List || regexes.equals(Json.NULL), "a list", regexes);
            if (regexes instanceof List<?> list) {
                list.forEach(regex -> ignored.add(PythonRegex.of(String.valueOf(regex))));
            }
            Set<String> flags = new HashSet<>(FLAGS);
            flags.removeIf(flag -> !Boolean.TRUE.equals(each.get(flag)));
            metrics.put(
                    name,
                    new Metric(
                            name,
                            each.getOrDefault("higher_is_better", better(name)).equals(true),
                            ignored,
                            flags));
        }
        task.type.usual.stream()
                .filter(_ -> !task.config().containsKey("metric_list"))
                .forEach(name -> metrics.put(name, new Metric(name, better(name), List.of(), Set.of())));
        task.check("metric_list", !metrics.isEmpty(), "at least one", metrics.keySet());
        return List.copyOf(metrics.values());
    }

    private static String aggregation(String name) {
        return switch (name) {
            case "word_perplexity", "byte_perplexity" -> "weighted_perplexity";
            case "perplexity", "bits_per_byte" -> name;
            default -> "mean";
        };
    }

    private static boolean better(String name) {
        return aggregation(name).equals("mean");
    }

    /** The values of a document, by the names of all metrics of its task. */
    static Map<String, Object> of(EvaluationTask task, Map<String, Object> document, List<Object> values) {
        Object first = values.getFirst();
        Map<String, ?> all = switch (task.type) {
            case LOGLIKELIHOOD -> Map.of("perplexity", sum(first), "acc", isGreedy(first) ? 1 : 0);
            case LOGLIKELIHOOD_ROLLING -> {
                String text = Prompts.string(task, task.target(document, task.config()));
                List<Object> bytes = List.of(first, text.getBytes(StandardCharsets.UTF_8).length);
                yield Map.of(
                        "word_perplexity",
                        List.of(first, words(text)),
                        "byte_perplexity",
                        bytes,
                        "bits_per_byte",
                        bytes);
            }
            case MULTIPLE_CHOICE -> choice(task, document, values);
            case GENERATE_UNTIL -> Map.of("exact_match", task.metrics.getFirst().matches(task, document, first));
        };
        Map<String, Object> own = new LinkedHashMap<>();
        task.metrics.forEach(each -> own.put(each.name, all.get(each.name)));
        return own;
    }

    static double sum(Object response) {
        return response instanceof List<?> both ? (Double) both.getFirst() : ((Number) response).doubleValue();
    }

    private static boolean isGreedy(Object response) {
        return ((List<?>) response).getLast().equals(true);
    }

    /** How many words are between Python's blanks. */
    private static int words(String text) {
        boolean blank = false;
        int words = 1;
        for (int c : text.codePoints().toArray()) {
            words += LmEval.isBlank(c) && !blank ? 1 : 0;
            blank = LmEval.isBlank(c);
        }
        return words;
    }

    private static Map<String, Object> choice(EvaluationTask task, Map<String, Object> document, List<Object> values) {
        List<String> choices = task.choices(document, task.config());
        Object gold = task.multipleInput ? task.text(document, task.config()) : task.target(document, task.config());
        Set<Integer> right = new HashSet<>();
        for (Object each : gold instanceof List<?> several ? several : List.of(gold)) {
            task.check("doc_to_target", each instanceof String || EvaluationTask.isWhole(each), "a choice", each);
            int named = each instanceof String text ? choices.indexOf(text) : 0;
            right.add(named < 0 ? MISSING : each instanceof String ? named : EvaluationTask.index(each));
        }
        int count = choices.size();
        double[] sums = values.stream().mapToDouble(Metric::sum).toArray();
        Map<String, Object> all = new LinkedHashMap<>();
        all.put("acc", hit(right, count, i -> sums[i]));
        all.put(
                "acc_norm",
                hit(right, count, i -> sums[i] / choices.get(i).codePoints().count()));
        all.put("acc_bytes", hit(right, count, i -> sums[i] / choices.get(i).getBytes(StandardCharsets.UTF_8).length));
        IntStream places = right.stream().filter(i -> i != MISSING).mapToInt(i -> i < 0 ? i + values.size() : i);
        all.put("exact_match", places.anyMatch(i -> i >= 0 && i < count && isGreedy(values.get(i))) ? 1 : 0);
        all.put("acc_mutual_info", sums.length > count ? hit(right, count, i -> sums[i] - sums[count + i]) : 0.0);
        return all;
    }

    /** Whether the first choice with the largest value is right. */
    private static double hit(Set<Integer> right, int count, ToDoubleFunction<Integer> value) {
        int best = 0;
        for (int i = 1; i < count; i++) {
            best = value.applyAsDouble(i) > value.applyAsDouble(best) ? i : best;
        }
        return right.contains(best) ? 1.0 : 0.0;
    }

    /**
     * The share of a result that is right, or of several targets whether one is. As in arrays of Python, a number equals
     * no text, unless it stands among texts, or the result is a text alone.
     */
    private double matches(EvaluationTask task, Map<String, Object> document, Object result) {
        Object gold = task.target(document, task.config());
        if (task.config().containsKey("doc_to_choice")) {
            gold = task.choice(task.choices(document, task.config()), gold);
        }
        List<?> golds = !task.multipleTarget
                ? List.of(gold)
                : gold instanceof List<?> list
                        ? list
                        : gold.toString()
                                .codePoints()
                                .mapToObj(Character::toString)
                                .toList();
        List<?> given = result instanceof List<?> list ? list : List.of(result);
        boolean typed = task.multipleTarget || result instanceof List;
        Set<String> right = new HashSet<>();
        if (!typed || golds.stream().anyMatch(String.class::isInstance)) {
            golds.forEach(each -> right.add(compared(TextTemplate.print(each))));
        }
        double share = given.stream()
                        .filter(each -> right.contains(compared(TextTemplate.print(each))))
                        .count()
                / (double) given.size();
        return task.multipleTarget ? Math.ceil(share) : share;
    }

    private String compared(String text) {
        String rest = text;
        for (PythonRegex each : ignored) {
            rest = each.removedFrom(rest);
        }
        rest = flags.contains("ignore_case") ? rest.toLowerCase(Locale.ROOT) : rest;
        rest = flags.contains("ignore_punctuation") ? rest.replaceAll("[!-/:-@\\[-`{-~]", "") : rest;
        return flags.contains("ignore_numbers") ? rest.replaceAll("[0-9]", "") : rest;
    }

    /** The value of all documents. */
    double value(List<Object> values) {
        double sum = 0;
        double weight = 0;
        for (Object each : values) {
            sum += sum(each);
            weight += each instanceof List<?> both ? ((Number) both.getLast()).doubleValue() : 1;
        }
        double mean = sum / weight;
        return switch (aggregation(name)) {
            case "mean" -> mean;
            case "bits_per_byte" -> -mean / StrictMath.log(2);
            default -> StrictMath.exp(-mean);
        };
    }

    /** The standard error of the value, or N/A. */
    Object error(List<Object> values) {
        double[] all = values.stream().mapToDouble(Metric::sum).toArray();
        return switch (all.length == 1 ? "" : aggregation(name)) {
            case "mean" -> deviation(all) / Math.sqrt(all.length);
            case "perplexity" ->
                deviation(IntStream.range(0, SEEDS)
                        .mapToObj(PythonRandom::new)
                        .flatMapToDouble(
                                random -> IntStream.range(0, RESAMPLES).mapToDouble(_ -> resampled(all, random)))
                        .toArray());
            default -> "N/A";
        };
    }

    private static double resampled(double[] values, PythonRandom random) {
        double sum = 0;
        for (int i = 0; i < values.length; i++) {
            sum += values[(int) (random.random() * values.length)];
        }
        return StrictMath.exp(-sum / values.length);
    }

    private static double deviation(double[] values) {
        double sum = 0;
        for (double each : values) {
            sum += each;
        }
        double mean = sum / values.length;
        double squares = 0;
        for (double each : values) {
            squares += (each - mean) * (each - mean);
        }
        return Math.sqrt(squares / (values.length - 1));
    }
}
