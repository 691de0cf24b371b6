import dev.causal4j.json.Json;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.ToDoubleFunction;

/** E5 in print: steps to learn, and kept shares. */
final class SpamReport {
    private static final double MARGIN = 0.25; // of log2 of steps
    private static final int LARGE = 32; // V / D
    private static final double SMALL = 0.05; // share of the norm

    private final List<Group> shapes = new ArrayList<>();
    private final Page page;
    private final boolean complete;

    private SpamReport(Page page) throws IOException {
        this.page = page;
        int runs = 0;
        for (int v : Spam.VOCABULARIES) {
            for (int d : Spam.SIZES) {
                for (boolean tied : new boolean[] {true, false}) {
                    Group shape = Group.of(v, d, tied);
                    runs += shape.runs.size();
                    if (!shape.runs.isEmpty()) {
                        shapes.add(shape);
                    }
                }
            }
        }
        complete = runs == Spam.VOCABULARIES.length * Spam.SIZES.length * 2 * Spam.SEEDS;
    }

    static void add(Page page) throws IOException {
        SpamReport report = new SpamReport(page);
        if (!report.shapes.isEmpty()) {
            report.table();
            report.shares("begin");
            report.shares("end");
            report.steps();
        }
    }

    /** The runs of a shape with a head, by seed. */
    private record Group(int v, int d, boolean tied, Map<Integer, Map<String, Object>> runs) {
        static Group of(int v, int d, boolean tied) throws IOException {
            Map<Integer, Map<String, Object>> runs = new TreeMap<>();
            for (int seed = 1; seed <= Spam.SEEDS; seed++) {
                Path file = Spam.record(v, d, tied, seed);
                if (Files.exists(file)) {
                    runs.put(seed, Json.exactTree(file.toString(), Files.readAllBytes(file)));
                }
            }
            return new Group(v, d, tied, runs);
        }

        double mean(String column) {
            return runs.values().stream().mapToDouble(all -> ((Number) all.get(column)).doubleValue()).average().orElse(Double.NaN);
        }

        /** Steps to learn, 0 for not within the limit. */
        long steps(int seed) {
            return ((Number) runs.get(seed).get("steps")).longValue();
        }

        /** log2 of the steps, where a run that does not learn counts with the limit. */
        double logSteps(int seed) {
            return Math.log(steps(seed) == 0 ? Spam.MOST_STEPS : steps(seed)) / Math.log(2);
        }

        double logSteps() {
            return runs.keySet().stream().mapToDouble(this::logSteps).average().orElse(Double.NaN);
        }

        boolean learns() {
            return runs.keySet().stream().anyMatch(seed -> steps(seed) > 0);
        }

        boolean hasLargerRatio(Group other) {
            return tied == other.tied && (long) v * other.d > (long) other.v * d;
        }
    }

    private void table() {
        page.add("%n## E5: SpamLang%n%nSteps until the loss from the ninth position on is below 0.1, by seed (- for not within %,d), and the "
                + "share of the gradient's squares and of its norm that the head passes on: at the beginning, at the end, and with a "
                + "random table.%n%n| V | D | V / D | head | steps | begin | end | random |%n|---|---|---|---|---|---|---|---|%n", Spam.MOST_STEPS);
        for (Group shape : shapes) {
            List<String> cells = new ArrayList<>();
            for (String when : List.of("begin_kept", "end_kept", "begin_control")) {
                cells.add(String.format(Locale.ROOT, "%.3f, %.3f", shape.mean(when + "_share"), shape.mean(when + "_norm")));
            }
            page.add("| %,d | %d | %d | %s | %s | %s |%n", shape.v, shape.d, shape.v / shape.d, shape.tied ? "tied" : "untied",
                    String.join(", ", shape.runs.keySet().stream().map(shape::steps).map(step -> step == 0 ? "-" : "" + step).toList()),
                    String.join(" | ", cells));
        }
        page.add("%n");
    }

    private void shares(String when) {
        double largest = shapes.stream()
                .filter(shape -> shape.v >= LARGE * shape.d)
                .mapToDouble(shape -> shape.mean(when + "_kept_norm"))
                .max()
                .orElse(Double.NaN);
        Order order = order(shapes, shape -> -shape.mean(when + "_kept_share"));
        page.add("* H5a, %s: the kept share is smaller at the larger V / D in %d of %d pairs of shapes; the largest share of the norm from "
                + "V / D = %d on is %.3f (asked below %.2f): %s.%n", when, order.larger, order.pairs, LARGE, largest, SMALL,
                verdict(order.holds() && largest < SMALL));
    }

    private void steps() throws IOException {
        List<Double> differences = new ArrayList<>();
        int unlearnt = 0;
        for (Group tied : shapes.stream().filter(Group::tied).toList()) {
            Group untied = Group.of(tied.v, tied.d, false);
            for (int seed : tied.runs.keySet().stream().filter(untied.runs::containsKey).toList()) {
                if (tied.steps(seed) == 0 && untied.steps(seed) == 0) {
                    unlearnt++;
                } else {
                    differences.add(tied.logSteps(seed) - untied.logSteps(seed));
                }
            }
        }
        Statistics.Paired pairs = Statistics.Paired.of(differences);
        Order order = order(shapes.stream().filter(Group::learns).toList(), Group::logSteps);
        page.add("* H5b: log2 of the steps is larger at the larger V / D in %d of %d pairs of shapes that learn; tied less untied, n = %d: %s "
                        + "(asked within %.2f): %s. In %d further pairs neither learned.%n",
                order.larger, order.pairs, differences.size(), pairs.interval(), MARGIN,
                verdict(order.holds() && Math.abs(pairs.mean()) + pairs.half() <= MARGIN), unlearnt);
    }

    private String verdict(boolean claim) {
        return complete ? Statistics.holds(claim) : "unfinished";
    }

    /** In how many pairs of one head's shapes the one of larger V / D has the larger number. */
    private record Order(long larger, int pairs) {
        boolean holds() {
            return larger == pairs;
        }
    }

    private static Order order(List<Group> shapes, ToDoubleFunction<Group> number) {
        long larger = 0;
        int pairs = 0;
        for (Group one : shapes) {
            for (Group other : shapes.stream().filter(one::hasLargerRatio).toList()) {
                pairs++;
                larger += number.applyAsDouble(one) > number.applyAsDouble(other) ? 1 : 0;
            }
        }
        return new Order(larger, pairs);
    }
}
