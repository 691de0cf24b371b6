package dev.causal4j.scoring;

import dev.causal4j.InputException;
import dev.causal4j.chat.TextTemplate;
import dev.causal4j.json.Json;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;

/**
 * A group of tasks with figures of its own. Immutable and thread-safe.
 *
 * @param members names of tasks and groups
 * @param version N/A if it has none
 */
public record EvaluationGroup(String name, String alias, List<String> members, List<Mean> means, String version) {
    /**
     * A mean of its tasks, also of those of its groups.
     *
     * @param filters none for all
     * @param weighted whether a task counts as often as it has documents
     */
    public record Mean(String metric, Optional<List<String>> filters, boolean weighted) {}

    private static final String SIZE = "sample_len";
    private static final Set<String> KEYS = Set.of("metric", "filter_list", "aggregation", "weight_by_size");

    /**
     * A group by the settings of its file.
     *
     * @throws InputException if one is unknown or wrong
     */
    public static EvaluationGroup of(String name, Map<?, ?> config, List<String> members) {
        Object given = Objects.requireNonNullElse(config.get("aggregate_metric_list"), List.of());
        List<Mean> means = new ArrayList<>();
        for (Object each : given instanceof List<?> list ? list : List.of(given)) {
            if (!(each instanceof Map<?, ?> mean
                    && KEYS.containsAll(mean.keySet())
                    && mean.get("metric") instanceof String metric
                    && (!mean.containsKey("aggregation") || "mean".equals(mean.get("aggregation"))))) {
                throw new InputException(name + ", aggregate_metric_list: expected means of metrics, got "
                        + TextTemplate.print(each) + "; correct the group");
            }
            Object filters = mean.get("filter_list");
            means.add(new Mean(
                    metric,
                    Optional.ofNullable(filters)
                            .filter(some -> !some.equals(Json.NULL))
                            .map(some -> some instanceof List<?> list
                                    ? list.stream().map(String::valueOf).toList()
                                    : List.of("" + some)),
                    !Boolean.FALSE.equals(mean.get("weight_by_size"))));
        }
        Object version = config.get("metadata") instanceof Map<?, ?> metadata ? metadata.get("version") : null;
        return new EvaluationGroup(
                name,
                String.valueOf(Objects.requireNonNullElse(config.get("group_alias"), name)),
                members,
                means,
                version == null ? "N/A" : TextTemplate.print(version));
    }

    /** Its tasks, also those of its groups. */
    private Stream<String> leaves(List<EvaluationGroup> groups) {
        return members.stream()
                .flatMap(member -> groups.stream()
                        .filter(each -> each.name.equals(member))
                        .findFirst()
                        .map(each -> each.leaves(groups))
                        .orElse(Stream.of(member)));
    }

    /** Its figures, from those of all tasks. */
    Map<String, Object> figures(Map<String, Map<String, Object>> results, List<EvaluationGroup> groups) {
        List<Map<String, Object>> tasks =
                leaves(groups).map(results::get).filter(Objects::nonNull).toList();
        Map<String, Object> figures = Json.object("alias", alias, "name", name);
        Map<String, Object> counts = new LinkedHashMap<>();
        if (!means.isEmpty()) {
            figures.put(SIZE, size(tasks));
        }
        for (Mean mean : means) {
            for (String filter : mean.filters.orElseGet(() -> filters(mean.metric, tasks))) {
                String key = mean.metric + "," + filter;
                List<Map<String, Object>> own =
                        tasks.stream().filter(each -> each.containsKey(key)).toList();
                if (!own.isEmpty()) {
                    String error = mean.metric + "_stderr," + filter;
                    figures.put(key, value(own, key, mean.weighted));
                    figures.put(error, error(own, error));
                    counts.put(key, size(own));
                }
            }
        }
        if (!counts.isEmpty()) {
            figures.put("sample_count", counts);
        }
        return figures;
    }

    private static List<String> filters(String metric, List<Map<String, Object>> tasks) {
        TreeSet<String> names = new TreeSet<>();
        tasks.forEach(each -> each.keySet().stream()
                .filter(key -> key.startsWith(metric + ","))
                .forEach(key -> names.add(key.substring(metric.length() + 1))));
        return List.copyOf(names);
    }

    private static double number(Map<String, Object> figures, String key) {
        return figures.get(key) instanceof Number number ? number.doubleValue() : Double.NaN;
    }

    private static double value(List<Map<String, Object>> tasks, String key, boolean weighted) {
        double sum = 0;
        double weights = 0;
        for (Map<String, Object> each : tasks) {
            double weight = weighted ? number(each, SIZE) : 1;
            sum += number(each, key) * weight;
            weights += weight;
        }
        return sum / weights;
    }

    private static Object error(List<Map<String, Object>> tasks, String key) {
        double sum = 0;
        double sizes = 0;
        for (Map<String, Object> each : tasks) {
            double size = number(each, SIZE);
            double error = number(each, key);
            sum += (size - 1) * error * error * size;
            sizes += size;
        }
        return Double.isNaN(sum) ? "N/A" : Math.sqrt(sum / (sizes - tasks.size()) / sizes);
    }

    private static int size(List<Map<String, Object>> tasks) {
        return (int) tasks.stream().mapToDouble(each -> number(each, SIZE)).sum();
    }
}
