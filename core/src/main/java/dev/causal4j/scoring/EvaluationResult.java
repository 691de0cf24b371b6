package dev.causal4j.scoring;

import dev.causal4j.json.Json;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;

/**
 * The figures of an evaluation, under the names of lm-evaluation-harness.
 *
 * @param results by task and group, by metric and filter as in {@code acc,none}; N/A where there is no error
 * @param groups those of groups that have means
 * @param taskBits the digest of each task
 * @param bits the digest of all
 */
public record EvaluationResult(
        Map<String, Map<String, Object>> results,
        Map<String, Map<String, Object>> groups,
        Map<String, Object> shots,
        Map<String, Object> samples,
        Map<String, Object> versions,
        Map<String, Map<String, Object>> higherIsBetter,
        Map<String, String> taskBits,
        String bits) {
    /** @param values by metric and filter */
    record OfTask(EvaluationTask task, int shots, Map<String, List<Object>> values, String bits) {}

    static EvaluationResult of(List<OfTask> tasks, List<EvaluationGroup> groups) {
        EvaluationResult all = new EvaluationResult(
                new LinkedHashMap<>(),
                new LinkedHashMap<>(),
                new TreeMap<>(),
                new LinkedHashMap<>(),
                new TreeMap<>(),
                new TreeMap<>(),
                new LinkedHashMap<>(),
                Evaluation.combined(tasks.stream().map(OfTask::bits).toList()));
        tasks.forEach(all::add);
        groups.reversed().forEach(each -> all.add(each, groups));
        groups.forEach(all::inherit);
        return all;
    }

    private void add(OfTask of) {
        String name = of.task.name();
        Object alias = of.task.config().getOrDefault("task_alias", name);
        int size = of.values.values().iterator().next().size();
        Map<String, Object> figures = Json.object("name", name, "alias", alias, "sample_len", size);
        Map<String, Object> better = new LinkedHashMap<>();
        of.task.metrics.forEach(metric -> {
            better.put(metric.name(), metric.higherIsBetter());
            of.task.filters.forEach(filters -> {
                List<Object> values = Objects.requireNonNull(of.values.get(metric.name() + "," + filters.name()));
                figures.put(metric.name() + "," + filters.name(), metric.value(values));
                figures.put(metric.name() + "_stderr," + filters.name(), metric.error(values));
            });
        });
        results.put(name, figures);
        shots.put(name, of.shots);
        samples.put(name, Json.object("original", of.task.size, "effective", size));
        versions.put(
                name,
                of.task.config().get("metadata") instanceof Map<?, ?> data && data.containsKey("version")
                        ? Objects.requireNonNullElse(data.get("version"), Json.NULL)
                        : "Yaml");
        higherIsBetter.put(name, better);
        taskBits.put(name, of.bits);
    }

    private void add(EvaluationGroup group, List<EvaluationGroup> all) {
        Map<String, Object> figures = group.figures(results, all);
        results.put(group.name(), figures);
        versions.put(group.name(), group.version());
        if (!group.means().isEmpty()) {
            groups.put(group.name(), figures);
        }
    }

    /** Gives a group what its members have in common. */
    private void inherit(EvaluationGroup group) {
        List<Object> counts = group.members().stream()
                .map(shots::get)
                .filter(Objects::nonNull)
                .distinct()
                .toList();
        if (counts.size() == 1) {
            shots.put(group.name(), counts.getFirst());
        }
        Map<String, Object> better = new LinkedHashMap<>();
        group.members()
                .forEach(member -> higherIsBetter
                        .getOrDefault(member, Map.of())
                        .forEach((metric, higher) ->
                                better.merge(metric, higher, (one, other) -> one.equals(other) ? one : Json.NULL)));
        if (!better.isEmpty()) {
            higherIsBetter.put(group.name(), better);
        }
    }

    /**
     * The value of a metric.
     *
     * @param metric with its filter, as in {@code acc,none}
     */
    public double value(String task, String metric) {
        return (Double)
                Objects.requireNonNull(results.getOrDefault(task, Map.of()).get(metric), task + " " + metric);
    }

    /** The figures under the harness's names. */
    public Map<String, Object> json() {
        Map<String, Object> json = Json.object("results", results);
        if (!groups.isEmpty()) {
            json.put("groups", groups);
        }
        json.put("n-shot", shots);
        json.put("n-samples", samples);
        json.put("versions", versions);
        json.put("higher_is_better", higherIsBetter);
        return json;
    }
}
