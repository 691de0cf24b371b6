package dev.causal4j.scoring;

import dev.causal4j.InputException;
import dev.causal4j.json.Json;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.UnaryOperator;

/**
 * Filters of responses that are applied one after the other, the first to a list of the response: take_first makes its
 * item of a list, the others a list of a list. Immutable and thread-safe.
 */
record Filters(String name, List<UnaryOperator<Object>> steps) {
    private static final Set<String> SETTINGS =
            Set.of("function", "regex_pattern", "group_select", "fallback", "mapping_dict", "default_value");

    /** The lists of filters of a task, each of which gives results of its own. */
    static List<Filters> read(EvaluationTask task) {
        List<Filters> all = new ArrayList<>();
        for (Map<String, Object> each : task.maps("filter_list")) {
            task.check("filter_list", each.keySet().equals(Set.of("name", "filter")), "a name and filters", each);
            List<UnaryOperator<Object>> steps = new ArrayList<>();
            for (Map<String, Object> settings : task.maps("filter", each.get("filter"))) {
                steps.add(step(task, settings));
                task.check("filter", SETTINGS.containsAll(settings.keySet()), "known settings", settings.keySet());
            }
            boolean takes = task.type == EvaluationTask.OutputType.GENERATE_UNTIL || steps.size() == 1;
            task.check("filter", takes, "take_first alone, as texts are not filtered", each.get("filter"));
            all.add(new Filters(String.valueOf(each.get("name")), steps));
        }
        boolean once = all.stream().map(Filters::name).distinct().count() == all.size();
        task.check("filter_list", once, "each name once", task.maps("filter_list"));
        return all.isEmpty() ? List.of(new Filters("none", List.of(value -> first(items(value))))) : all;
    }

    private static UnaryOperator<Object> step(EvaluationTask task, Map<String, Object> settings) {
        String function = String.valueOf(settings.get("function"));
        if (function.equals("take_first")) {
            return value -> first(items(value));
        }
        boolean texts = task.type == EvaluationTask.OutputType.GENERATE_UNTIL;
        UnaryOperator<Object> each = switch (texts ? function : "") {
            case "regex" -> {
                Object pattern = settings.getOrDefault("regex_pattern", "#### (\\-?[0-9\\.\\,]+)");
                task.check("regex_pattern", pattern instanceof String, "a text", pattern);
                PythonRegex regex = PythonRegex.of((String) pattern);
                int select = task.whole("group_select", settings.getOrDefault("group_select", 0));
                Object fallback = settings.getOrDefault("fallback", "[invalid]");
                yield value -> selected(regex.findAll(value instanceof String text ? text : ""), select, fallback);
            }
            case "remove_whitespace" -> value -> stripped(text(value));
            case "lowercase" -> value -> text(value).toLowerCase(Locale.ROOT);
            case "uppercase" -> value -> text(value).toUpperCase(Locale.ROOT);
            case "map" -> {
                Map<String, Object> mapping = task.map("mapping_dict", settings.getOrDefault("mapping_dict", Map.of()));
                Object otherwise = settings.getOrDefault("default_value", Json.NULL);
                yield value -> Objects.requireNonNullElse(mapping.get(value), otherwise);
            }
            default ->
                throw task.wrong(
                        "filter", "regex, remove_whitespace, lowercase, uppercase, map or take_first", function);
        };
        return value -> items(value).stream().map(item -> each.apply(item)).toList();
    }

    /** The parts over which Python iterates: the items of a list, or the characters of a text. */
    private static List<?> items(Object value) {
        return value instanceof List<?> list
                ? list
                : text(value).codePoints().mapToObj(Character::toString).toList();
    }

    private static Object first(List<?> items) {
        if (items.isEmpty()) {
            throw new InputException("take_first: expected something to take, got nothing; correct the task");
        }
        return items.getFirst();
    }

    private static String text(Object value) {
        if (value instanceof String text) {
            return text;
        }
        throw new InputException("filter: expected a text, got " + Json.describe(value) + "; correct the task");
    }

    private static Object selected(List<List<String>> matches, int select, Object fallback) {
        if (matches.isEmpty()) {
            return fallback;
        }
        int index = select < 0 ? matches.size() + select : select;
        if (index < 0 || index >= matches.size()) {
            throw new InputException("group_select: expected one of " + matches.size() + " matches, got " + select
                    + "; correct the task");
        }
        List<String> groups = matches.get(index);
        return stripped(
                groups.size() == 1
                        ? groups.getFirst()
                        : groups.stream()
                                .filter(each -> !each.isEmpty())
                                .findFirst()
                                .orElse(String.valueOf(fallback)));
    }

    /** Python's str.strip. */
    private static String stripped(String text) {
        int from = 0;
        int to = text.length();
        while (from < to && LmEval.isBlank(text.codePointAt(from))) {
            from++;
        }
        while (to > from && LmEval.isBlank(text.codePointBefore(to))) {
            to--;
        }
        return text.substring(from, to);
    }

    /** The response after the filters. */
    Object apply(Object response) {
        Object value = List.of(response);
        for (UnaryOperator<Object> step : steps) {
            value = step.apply(value);
        }
        return value;
    }
}
