package dev.causal4j.scoring;

import dev.causal4j.InputException;
import dev.causal4j.TemplateException;
import dev.causal4j.chat.TextTemplate;
import dev.causal4j.json.Json;
import dev.causal4j.scoring.Request.Until;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A task of lm-evaluation-harness: the settings of its file, resolved, and its documents. A setting that needs Python is
 * refused by name. Immutable; thread-safe if its source is.
 */
public final class EvaluationTask {
    /** The kinds of requests, each with its metrics, the usual ones first. */
    @SuppressWarnings("ImmutableEnumChecker") // the lists are
    enum OutputType {
        LOGLIKELIHOOD(2, "perplexity", "acc"),
        LOGLIKELIHOOD_ROLLING(3, "word_perplexity", "byte_perplexity", "bits_per_byte"),
        MULTIPLE_CHOICE(2, "acc", "acc_norm", "acc_bytes", "exact_match", "acc_mutual_info"),
        GENERATE_UNTIL(1, "exact_match");

        final List<String> metrics;
        final List<String> usual;

        OutputType(int usual, String... metrics) {
            this.metrics = List.of(metrics);
            this.usual = this.metrics.subList(0, usual);
        }

        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /** Settings that change no figure, or need Python where they are set. */
    private static final Set<String> UNUSED = names("task_alias tag dataset_path dataset_name dataset_kwargs metadata"
            + " should_decontaminate doc_to_decontamination_query higher_is_better");

    private static final Set<String> NEEDS_PYTHON = names(
            "process_docs process_results class use_prompt doc_to_image" + " doc_to_audio custom_dataset unsafe_code");

    private static final Set<String> TEXTS = names("fewshot_delimiter target_delimiter description gen_prefix");
    private static final Set<String> FIELDS = names("doc_to_text doc_to_target doc_to_choice gen_prefix description");
    private static final Set<String> OF_EXAMPLES =
            names("doc_to_text doc_to_target doc_to_choice gen_prefix fewshot_delimiter target_delimiter");
    private static final Set<String> KEYS = names("task training_split validation_split test_split fewshot_split"
            + " output_type num_fewshot repeats fewshot_config metric_list generation_kwargs filter_list description"
            + " doc_to_text doc_to_target doc_to_choice gen_prefix fewshot_delimiter target_delimiter");

    private static final int MOST_COLUMNS = 10_000;

    private final Map<String, Object> config;
    private final Map<String, TextTemplate> templates = new HashMap<>();
    private final String name;

    final DocumentSource source;
    final OutputType type;
    final Map<String, Object> examples; // the settings of examples
    final Map<String, Object> generation;
    final List<Metric> metrics;
    final List<Filters> filters;

    /** How many documents the split has. */
    final long size;

    /** Whether the choices are contexts, as of the first document. */
    final boolean multipleInput;

    /** Whether several targets are right, as of the first document. */
    final boolean multipleTarget;

    private final Set<String> columns = new HashSet<>();

    static Set<String> names(String names) {
        return Set.of(names.split(" "));
    }

    private EvaluationTask(Map<String, Object> given, DocumentSource source) {
        config = new LinkedHashMap<>(given);
        config.values().removeIf(value -> value == null || value.equals(Json.NULL));
        this.source = source;
        name = TextTemplate.print(config.getOrDefault("task", "task"));
        config.forEach(this::refuse);
        String output = text("output_type", "generate_until");
        type = Stream.of(OutputType.values())
                .filter(each -> each.toString().equals(output))
                .findFirst()
                .orElseThrow(() -> wrong("output_type", "one of " + List.of(OutputType.values()), output));
        examples = new LinkedHashMap<>(config);
        examples.put("split", config.getOrDefault("fewshot_split", Json.NULL));
        map("fewshot_config").forEach((key, value) -> {
            boolean own = OF_EXAMPLES.contains(key)
                    || List.of("sampler", "split", "samples").contains(key);
            check(key, own || value.equals(Json.NULL), "a setting of examples", value);
            check(key, !TEXTS.contains(key) || value instanceof String || value.equals(Json.NULL), "a text", value);
            examples.put(key, value);
        });
        examples.values().removeIf(Json.NULL::equals);
        Object sampler = examples.getOrDefault("sampler", "default");
        check("sampler", List.of("default", "first_n").contains(sampler), "default or first_n", sampler);
        OF_EXAMPLES.forEach(key -> parse(examples.get(key)));
        FIELDS.forEach(key -> parse(config.get(key)));
        metrics = Metric.read(this);
        filters = Filters.read(this);
        Map<String, Object> greedy = Json.object("temperature", 0.0, "do_sample", false, "max_gen_toks", 256);
        generation = new LinkedHashMap<>(map("generation_kwargs", config.getOrDefault("generation_kwargs", greedy)));
        generation.computeIfPresent("temperature", this::fraction);
        generation.putIfAbsent("until", List.of(delimiter(config, "fewshot_delimiter")));
        var _ = type == OutputType.GENERATE_UNTIL ? new Until("", generation) : generation;
        boolean chooses = type != OutputType.MULTIPLE_CHOICE || config.containsKey("doc_to_choice");
        check("doc_to_choice", chooses, "the choices", null);
        Map<String, Object> first = Map.of();
        long count = 0;
        try (Stream<Map<String, Object>> documents = documents()) {
            for (Iterator<Map<String, Object>> each = documents.iterator(); each.hasNext(); count++) {
                Map<String, Object> document = each.next();
                first = count == 0 ? document : first;
                columns.addAll(document.keySet());
                check("documents", columns.size() <= MOST_COLUMNS, "at most " + MOST_COLUMNS + " columns", "more");
            }
        }
        size = count;
        check("documents", size > 0, "at least one", "none");
        multipleInput = config.containsKey("doc_to_choice") && isWhole(text(first, config));
        multipleTarget = target(first, config) instanceof List;
    }

    /**
     * A task.
     *
     * @param config the settings of its file, with those of files that it includes
     * @throws InputException if one needs Python, is unknown or wrong
     */
    public static EvaluationTask of(Map<String, Object> config, DocumentSource source) {
        return new EvaluationTask(config, source);
    }

    private void refuse(String key, Object value) {
        String python = python(value);
        if (python != null
                || (NEEDS_PYTHON.contains(key)
                        && !value.equals(false)
                        && !List.of().equals(value))) {
            throw new InputException(name + ": expected no Python, got " + key + ": "
                    + (python != null ? python : Json.describe(value)) + "; give its result as columns (--data"
                    + " SPLIT=FILE holds processed documents), or recompute a samples file (--samples)");
        }
        check(key, KEYS.contains(key) || UNUSED.contains(key) || NEEDS_PYTHON.contains(key), "a known key", value);
        check(key, !key.equals("repeats") || value.equals(1), "1", value);
        check(key, !TEXTS.contains(key) || value instanceof String, "a text", value);
        check(key, !key.equals("num_fewshot") || whole(key, value) >= 0, "at least 0", value);
        Object choices = value instanceof Map<?, ?> map ? List.copyOf(map.values()) : value;
        if (key.equals("doc_to_choice") && choices instanceof List<?> list) {
            list.forEach(each -> check(key, each instanceof String, "texts (quote yes, no and numbers)", each));
        }
    }

    /** The first function in a value; null for none. */
    private static @Nullable String python(Object value) {
        return switch (value) {
            case String text -> text.startsWith("!function") ? text : null;
            case Map<?, ?> map -> python(List.copyOf(map.values()));
            case List<?> list ->
                list.stream()
                        .map(EvaluationTask::python)
                        .filter(Objects::nonNull)
                        .findFirst()
                        .orElse(null);
            default -> null;
        };
    }

    InputException wrong(String key, String expected, @Nullable Object got) {
        return new InputException(
                name + ", " + key + ": expected " + expected + ", got " + Json.describe(got) + "; correct the task");
    }

    void check(String key, boolean right, String expected, @Nullable Object got) {
        if (!right) {
            throw wrong(key, expected, got);
        }
    }

    private void parse(@Nullable Object rule) {
        if (rule instanceof String source && !source.isEmpty()) {
            templates.computeIfAbsent(source, text -> TextTemplate.parse(name, text));
        }
    }

    /** Its name. */
    public String name() {
        return name;
    }

    /** Its settings, without those that are null. */
    public Map<String, Object> config() {
        return Collections.unmodifiableMap(config);
    }

    /** How many samples an evaluation has, one for each document and list of filters. */
    public long samples(EvaluationOptions options) {
        return options.documents(size) * filters.size();
    }

    String text(String key, String otherwise) {
        Object value = config.getOrDefault(key, otherwise);
        check(key, value instanceof String, "a text", value);
        return (String) value;
    }

    Map<String, Object> map(String key) {
        return map(key, config.getOrDefault(key, Map.of()));
    }

    Map<String, Object> map(String key, Object value) {
        check(key, value instanceof Map, "settings", value);
        Map<String, Object> map = new LinkedHashMap<>();
        ((Map<?, ?>) value).forEach((inner, each) -> map.put("" + inner, each == null ? Json.NULL : each));
        return map;
    }

    /** A list of settings. */
    List<Map<String, Object>> maps(String key, @Nullable Object value) {
        check(
                key,
                value instanceof List<?> list && list.stream().allMatch(Map.class::isInstance),
                "a list of settings",
                value);
        List<Map<String, Object>> maps = new ArrayList<>();
        ((List<?>) Objects.requireNonNull(value)).forEach(each -> maps.add(map(key, each)));
        return maps;
    }

    List<Map<String, Object>> maps(String key) {
        return maps(key, config.getOrDefault(key, List.of()));
    }

    /** Python's blank between a question and its answer, or lines between examples, if the task names no other. */
    String delimiter(Map<String, Object> settings, String key) {
        return (String) settings.getOrDefault(key, key.equals("target_delimiter") ? " " : "\n\n");
    }

    /** The split under test. */
    String split() {
        return text(config.containsKey("test_split") ? "test_split" : "validation_split", "");
    }

    /** The documents of the split under test. */
    Stream<Map<String, Object>> documents() {
        check("test_split", !split().isEmpty(), "a split to test", null);
        return source.documents(split());
    }

    /** The value that a rule gives for a document: that of a column, or a text. */
    private Object value(Map<String, Object> document, String rule) {
        if (!columns.contains(rule)) {
            return rule.isEmpty()
                    ? ""
                    : Objects.requireNonNull(templates.get(rule)).render(document);
        }
        Object value = document.get(rule);
        check("document", value != null, "a column " + rule, document);
        return Objects.requireNonNull(value);
    }

    /** A text that is an optional part of a prompt; a column need not be one of all documents. */
    String part(Map<String, Object> document, @Nullable Object rule) {
        if (!(rule instanceof String key) || key.isEmpty()) {
            return "";
        }
        Object value = document.get(key);
        return value == null
                ? Objects.requireNonNull(templates.get(key)).render(document)
                : value.equals(Json.NULL) ? "" : TextTemplate.print(value);
    }

    private Object field(Map<String, Object> document, Map<String, Object> settings, String key) {
        Object rule = settings.getOrDefault(key, config.get(key));
        check(key, rule instanceof String || isWhole(rule) || rule instanceof List, "a text", rule);
        Object value = rule instanceof String text ? value(document, text) : Objects.requireNonNull(rule);
        boolean rendered = rule instanceof String column && !columns.contains(column);
        return rendered && ((String) value).matches("[0-9]+") && config.containsKey("doc_to_choice")
                ? TextTemplate.literal(name, (String) value)
                : value;
    }

    /** The question of a document, or the number of a context. */
    Object text(Map<String, Object> document, Map<String, Object> settings) {
        return field(document, settings, "doc_to_text");
    }

    /** The answer of a document: a text, the number of a choice, or a list. */
    Object target(Map<String, Object> document, Map<String, Object> settings) {
        Object value = field(document, settings, "doc_to_target");
        Object rule = settings.getOrDefault("doc_to_target", config.get("doc_to_target"));
        if (value instanceof String text
                && text.startsWith("[")
                && text.endsWith("]")
                && text.length() > 1
                && !columns.contains(rule)) {
            try {
                return TextTemplate.literal(name, text);
            } catch (TemplateException e) {
                return text;
            }
        }
        return value;
    }

    /** The choices of a document; none if the task has no such setting. */
    List<String> choices(Map<String, Object> document, Map<String, Object> settings) {
        Object rule = settings.get("doc_to_choice");
        if (rule == null) {
            return List.of();
        }
        Object value = rule instanceof Map<?, ?> map ? new ArrayList<>(map.values()) : rule;
        value = value instanceof String text ? value(document, text) : value;
        value = value instanceof String text && !columns.contains(rule) ? TextTemplate.literal(name, text) : value;
        int most = Responder.MOST_REQUESTS;
        check("doc_to_choice", !(value instanceof List<?> all) || all.size() <= most, "at most " + most, "more");
        List<String> choices = new ArrayList<>();
        for (Object each : value instanceof List<?> list ? list : List.of(value)) {
            check("doc_to_choice", value instanceof List && each instanceof String, "a list of texts", value);
            choices.add((String) each);
        }
        return choices;
    }

    /** The choice of a number, which Python counts from the end if it is negative. */
    String choice(List<String> choices, Object number) {
        int index = isWhole(number) ? index(number) : choices.size();
        index += index < 0 ? choices.size() : 0;
        check("doc_to_choice", index >= 0 && index < choices.size(), "the number of a choice", number);
        return choices.get(index);
    }

    private Object fraction(String key, Object value) {
        try {
            return Double.valueOf(value.toString());
        } catch (NumberFormatException e) {
            throw wrong(key, "a number", value);
        }
    }

    int whole(String key, Object value) {
        check(key, isWhole(value), "a whole number", value);
        return index(value);
    }

    static boolean isWhole(@Nullable Object value) {
        return value instanceof Integer || value instanceof Long || value instanceof Boolean;
    }

    /** A whole number as an index; a truth is 0 or 1. */
    static int index(Object whole) {
        return whole instanceof Boolean truth
                ? truth ? 1 : 0
                : Math.clamp(((Number) whole).longValue(), Integer.MIN_VALUE, Integer.MAX_VALUE);
    }
}
