package dev.causal4j.scoring;

import dev.causal4j.chat.TextTemplate;
import dev.causal4j.json.Json;
import dev.causal4j.json.Sha256;
import dev.causal4j.scoring.Evaluation.Answer;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A document of an evaluation with its results. Immutable.
 *
 * @param id its place in its split, from 0
 * @param filtered what the filter made of each response
 * @param metrics its values by the names of the metrics: a number, or a sum and its weight
 */
public record Sample(
        String task,
        String filter,
        int id,
        Map<String, Object> document,
        Object target,
        List<Request> requests,
        Answer answer,
        List<Object> filtered,
        Map<String, Object> metrics) {
    static Sample of(
            EvaluationTask task,
            Filters filters,
            int id,
            Map<String, Object> document,
            List<Request> requests,
            Answer answer) {
        List<Object> filtered = answer.values().stream().map(filters::apply).toList();
        return new Sample(
                task.name(),
                filters.name(),
                id,
                document,
                task.target(document, task.config()),
                requests,
                answer,
                filtered,
                Metric.of(task, document, filtered));
    }

    /** The line that the harness logs, and the answer's {@code token_bits} and {@code bits}. */
    public Map<String, Object> json() {
        Map<String, Object> arguments = new LinkedHashMap<>();
        for (Request each : requests) {
            Map<String, Object> named = new LinkedHashMap<>();
            each.arguments().forEach(one -> named.put("arg_" + named.size(), one));
            arguments.put("gen_args_" + arguments.size(), named);
        }
        String shown = TextTemplate.print(target);
        Map<String, Object> line = Json.object("doc_id", id, "doc", document, "target", shown, "arguments", arguments);
        line.put(
                "resps",
                answer.values().stream().map(each -> List.of(texts(each))).toList());
        line.put("filtered_resps", filtered.stream().map(Sample::texts).toList());
        line.put("filter", filter);
        line.put("metrics", List.copyOf(metrics.keySet()));
        line.put("doc_hash", Sha256.hex(TextTemplate.json(document)));
        line.put("prompt_hash", Sha256.hex(requests.getFirst().text()));
        line.put("target_hash", Sha256.hex(shown));
        line.putAll(metrics);
        line.put("token_bits", answer.tokenBits());
        line.put("bits", answer.bits());
        return line;
    }

    private static Object texts(Object value) {
        return value instanceof List<?> list ? list.stream().map(Sample::texts).toList() : TextTemplate.print(value);
    }
}
