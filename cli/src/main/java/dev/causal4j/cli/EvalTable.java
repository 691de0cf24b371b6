package dev.causal4j.cli;

import dev.causal4j.chat.TextTemplate;
import dev.causal4j.scoring.EvaluationGroup;
import dev.causal4j.scoring.EvaluationResult;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** The tables of lm-evaluation-harness. */
record EvalTable(EvaluationResult result, List<EvaluationGroup> groups) {
    /** Tasks and groups, and then groups that have means. */
    String text() {
        return table("Tasks", result.results())
                + (result.groups().isEmpty() ? "" : "\n" + table("Groups", result.groups()));
    }

    private String table(String name, Map<String, Map<String, Object>> figures) {
        List<List<String>> rows = new ArrayList<>(
                List.of(List.of(name, "Version", "Filter", "n-shot", "Metric", "", "Value", "", "Stderr")));
        Set<String> inside = new HashSet<>();
        groups.forEach(each -> inside.addAll(each.members()));
        Stream.concat(
                        groups.stream().map(EvaluationGroup::name).sorted(),
                        figures.keySet().stream().sorted())
                .distinct()
                .filter(each -> !inside.contains(each))
                .forEach(each -> add(each, 0, figures, rows));
        return written(rows);
    }

    private void add(String name, int depth, Map<String, Map<String, Object>> figures, List<List<String>> rows) {
        Map<String, Object> own = figures.getOrDefault(name, Map.of());
        String shown = (depth > 0 ? " ".repeat(depth) + "- " : "") + own.get("alias");
        String version =
                TextTemplate.print(result.versions().getOrDefault(name, "N/A")).replaceFirst("\\.0$", "");
        for (String key : new TreeMap<>(own).keySet()) {
            String[] parts = key.split(",", 2);
            if (parts.length == 2 && !parts[0].endsWith("_stderr")) {
                Object better =
                        result.higherIsBetter().getOrDefault(name, Map.of()).get(parts[0]);
                rows.add(List.of(
                        shown,
                        version,
                        parts[1],
                        String.valueOf(result.shots().getOrDefault(name, "")),
                        parts[0],
                        Boolean.TRUE.equals(better) ? "↑" : Boolean.FALSE.equals(better) ? "↓" : "",
                        decimals(own.get(key)),
                        "±",
                        decimals(own.get(parts[0] + "_stderr," + parts[1]))));
                shown = "";
                version = "";
            }
        }
        groups.stream()
                .filter(each -> each.name().equals(name))
                .flatMap(each -> each.members().stream().sorted())
                .forEach(each -> add(each, depth + 1, figures, rows));
    }

    private static String decimals(@Nullable Object value) {
        return value instanceof Double number ? String.format("%.4f", number) : String.valueOf(value);
    }

    private static String written(List<List<String>> rows) {
        StringBuilder text = new StringBuilder();
        List<Integer> numbers = List.of(1, 3, 6, 8);
        int[] widths = IntStream.range(0, rows.getFirst().size())
                .map(column -> rows.stream()
                        .mapToInt(row -> row.get(column).length())
                        .max()
                        .orElse(0))
                .map(width -> Math.max(3, width))
                .toArray();
        rows.add(
                1,
                IntStream.range(0, widths.length)
                        .mapToObj(column -> "-".repeat(widths[column] - 1) + (numbers.contains(column) ? ":" : "-"))
                        .toList());
        for (List<String> row : rows) {
            for (int column = 0; column < widths.length; column++) {
                int room = widths[column] - row.get(column).length();
                int before = text.indexOf("\n") < 0 ? room / 2 : numbers.contains(column) ? room : 0;
                text.append('|')
                        .append(" ".repeat(before))
                        .append(row.get(column))
                        .append(" ".repeat(room - before));
            }
            text.append("|\n");
        }
        return text.toString();
    }
}
