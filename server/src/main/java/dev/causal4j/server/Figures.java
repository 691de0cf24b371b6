package dev.causal4j.server;

import static dev.causal4j.server.Metrics.PREFIX;

import dev.causal4j.server.Metrics.Counter;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The figures of a server: those of its models, and of all requests. Prometheus reads {@link #text}; {@link MicrometerBinder}
 * binds the same to Micrometer. Thread-safe.
 */
record Figures(List<Metrics> models, Counter cancelled, Counter rejected) {
    Figures(List<Metrics> models) {
        this(
                models,
                new Counter("cancelled", "Requests whose client went.", ""),
                new Counter("rejected", "Requests that were refused.", "reason"));
    }

    /** Seconds that a request took on average; 0 before the first. */
    double meanSeconds() {
        double seconds =
                models.stream().mapToDouble(each -> each.whole.seconds().sum()).sum();
        return seconds
                / Math.max(
                        1, models.stream().mapToLong(each -> each.whole.count()).sum());
    }

    /** The text that Prometheus reads. */
    String text() {
        Map<String, StringBuilder> parts = new LinkedHashMap<>(); // the values of all models by name, help and type
        models.forEach(model -> model.gauges.forEach(each -> {
            StringBuilder part = part(parts, each.name(), each.help(), "gauge");
            line(part, each.name(), model.model, "", "", each.value().getAsDouble());
        }));
        models.forEach(model -> model.counters.forEach(each -> add(parts, each, model.model)));
        List.of(cancelled, rejected).forEach(each -> add(parts, each, ""));
        models.forEach(model -> model.times.forEach(each -> {
            String name = each.name() + "_seconds";
            StringBuilder part = part(parts, name, each.help(), "histogram");
            long count = each.buckets((most, below) -> line(part, name + "_bucket", model.model, "le", most, below));
            line(part, name + "_sum", model.model, "", "", each.seconds());
            line(part, name + "_count", model.model, "", "", count);
        }));
        StringBuilder text = new StringBuilder();
        parts.forEach((head, lines) -> text.append(head).append(lines));
        return text.toString();
    }

    private static void add(Map<String, StringBuilder> parts, Counter counter, String model) {
        String name = counter.name() + "_total";
        StringBuilder part = part(parts, name, counter.help(), "counter");
        counter.sums().forEach((value, sum) -> line(part, name, model, counter.label(), value, sum));
    }

    private static StringBuilder part(Map<String, StringBuilder> parts, String name, String help, String type) {
        String head = "# HELP " + PREFIX + name + " " + help + "\n# TYPE " + PREFIX + name + " " + type + "\n";
        return parts.computeIfAbsent(head, _ -> new StringBuilder());
    }

    /** Writes a value with its labels, as far as they are not empty. */
    private static void line(StringBuilder text, String name, String model, String label, String value, Number number) {
        String escaped = model.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n");
        String labels = (model.isEmpty() ? "" : "model=\"" + escaped + "\"")
                + (model.isEmpty() || value.isEmpty() ? "" : ",")
                + (value.isEmpty() ? "" : label + "=\"" + value + "\"");
        text.append(PREFIX + name + (labels.isEmpty() ? "" : "{" + labels + "}") + " " + number + "\n");
    }
}
