import dev.causal4j.json.Json;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** Writes the tables and plots of docs/results/tying: a pure function of the records. */
final class Report {
    private static final Path OUT = Path.of("docs/results/tying");
    private static final String PLAN = "48be64ee";
    private static final int SEEDS = 6;

    private final StringBuilder page = new StringBuilder();

    private Report() {}

    static void write() throws IOException {
        Report report = new Report();
        Files.createDirectories(OUT);
        report.add("# Tying: tables\n\nWritten by `runs/tying/run.sh --report` from `runs/tying/records`, by the rules of [PLAN.md]"
                + "(../../../runs/tying/PLAN.md), registered in commit `%s`. [README.md](README.md) says what they mean.%n", PLAN);
        report.hypotheses();
        report.differences();
        report.bits();
        report.spam();
        report.rates();
        report.runs();
        Files.writeString(OUT.resolve("tables.md"), report.page);
    }

    private void add(String format, Object... values) {
        page.append(String.format(Locale.ROOT, format, values));
    }

    /** The last loss of an arm's run; empty without a record. */
    private static Optional<Double> loss(String arm, int seed) {
        return Schedule.run(arm, seed).filter(Run::recorded).map(Run::lastLoss);
    }

    private interface Measure {
        Optional<Double> of(int seed);
    }

    private static Statistics.Paired paired(Measure measure) {
        return Statistics.Paired.of(IntStream.rangeClosed(1, SEEDS)
                .mapToObj(measure::of)
                .flatMap(Optional::stream)
                .toList());
    }

    private static Statistics.Paired difference(String arm, String other) {
        return paired(seed -> less(loss(arm, seed), loss(other, seed)));
    }

    private static Optional<Double> less(Optional<Double> one, Optional<Double> other) {
        return one.flatMap(x -> other.map(y -> x - y));
    }

    /** What a second table changes at a shape. */
    private static Optional<Double> untied(String shape, int seed) {
        return less(loss(shape + "-untied", seed), loss(shape + "-tied", seed));
    }

    /**
     * A tested statement: its differences, how many pairs the plan has, and the verdicts it needs; "below" is an interval
     * below 0, and "void" none.
     */
    private record Claim(String name, String text, int pairs, String wanted, List<Statistics.Paired> parts) {
        boolean complete() {
            return parts.stream().allMatch(part -> part.differences().size() >= pairs);
        }

        String verdict() {
            List<String> verdicts = parts.stream().map(Statistics.Paired::verdict).toList();
            String all = String.join(", ", verdicts);
            if (!complete()) {
                return parts.stream().allMatch(part -> part.differences().isEmpty()) ? "no runs yet" : "unfinished (" + all + ")";
            }
            if (wanted.equals("void")) {
                return all + ": void, no gap was shown";
            }
            boolean holds = wanted.equals("below")
                    ? parts.stream().allMatch(part -> part.mean() + part.half() < 0)
                    : verdicts.stream().allMatch(wanted::contains);
            return all + ": " + holds(holds);
        }

        double p() {
            return parts.stream().mapToDouble(Statistics.Paired::p).max().orElse(1);
        }
    }

    private void hypotheses() {
        boolean gap = difference("S1-tied", "S1-untied").verdict().equals("worse");
        List<Claim> claims = List.of(
                new Claim("H1a", "untied - tied, equal steps", 6, "better", List.of(difference("S1-untied", "S1-tied"))),
                new Claim("H1a by size", "(untied - tied) of S0 - of S1; of S1 - of S2", 5, "better", List.of(
                        paired(seed -> less(untied("S0", seed), untied("S1", seed))),
                        paired(seed -> less(untied("S1", seed), untied("S2", seed))))),
                new Claim("H1b", "tied - *narrow*; tied - *thin*", 6, "better",
                        List.of(difference("S1-tied", "S1-narrow"), difference("S1-tied", "S1-thin"))),
                new Claim("H1c", "Books: tied - untied, best; rise from it", 6, "better", List.of(
                        paired(seed -> books(seed, B1::best)), paired(seed -> books(seed, B1::rise)))),
                new Claim("H2", "0.3 (tied - untied) - (tied - (1, c))", 6, gap ? "below" : "void", List.of(paired(Report::remedy))),
                new Claim("H2b", "(c, c) - (1, c)", 6, "better, equal", List.of(difference("S1-cc", "S1-1c"))),
                new Claim("H3", "untied at 600 - tied; - untied", 5, "better",
                        List.of(difference("S1-untied-at-600", "S1-tied"), difference("S1-untied-at-600", "S1-untied"))));
        List<Claim> primary = claims.stream().filter(claim -> List.of("H1b", "H2", "H3").contains(claim.name)).toList();
        double[] holm = Statistics.holm(primary.stream().mapToDouble(Claim::p).toArray());
        add("%n## Hypotheses%n%nDifferences of held-out losses after the last step, in nats, paired by seed. Margin %.2f. Holm's "
                + "correction is over the three primary hypotheses; the p of each is the largest of its parts.%n%n", Statistics.MARGIN);
        add("| | difference | n | mean, 95 %% interval | p | Holm | verdict |%n|---|---|---|---|---|---|---|%n");
        for (Claim claim : claims) {
            List<String> ns = new ArrayList<>();
            List<String> means = new ArrayList<>();
            for (Statistics.Paired part : claim.parts) {
                ns.add("" + part.differences().size());
                means.add(interval(part));
            }
            int at = primary.indexOf(claim);
            add("| %s | %s | %s of %d | %s | %s | %s | %s |%n", at < 0 ? claim.name : "**" + claim.name + "**", claim.text,
                    String.join("; ", ns), claim.pairs, String.join("; ", means), probability(claim.p()),
                    at < 0 ? "" : probability(holm[at]), claim.verdict());
        }
    }

    /** The held-out losses of a run of Books, one for each epoch. */
    private record B1(double best, double rise) {
        static Optional<B1> of(String head, int seed) {
            return Schedule.run("B1-" + head, seed).filter(Run::recorded).map(run -> {
                double best = run.numbers("validation_loss").values().stream().mapToDouble(x -> x).min().orElseThrow();
                return new B1(best, run.lastLoss() - best);
            });
        }
    }

    private static Optional<Double> books(int seed, ToDoubleFunction<B1> number) {
        return B1.of("tied", seed).flatMap(tied -> B1.of("untied", seed)
                .map(untied -> number.applyAsDouble(tied) - number.applyAsDouble(untied)));
    }

    /** Below 0 if (1, c) closes more than 30 % of the gap. */
    private static Optional<Double> remedy(int seed) {
        return loss("S1-tied", seed).flatMap(tied -> loss("S1-untied", seed)
                .flatMap(untied -> loss("S1-1c", seed).map(scaled -> 0.3 * (tied - untied) - (tied - scaled))));
    }

    private static String interval(Statistics.Paired paired) {
        if (paired.differences().isEmpty()) {
            return "-";
        }
        return String.format(Locale.ROOT, "%+.4f", paired.mean())
                + (Double.isFinite(paired.half()) ? String.format(Locale.ROOT, " ± %.4f", paired.half()) : "");
    }

    private static String probability(double p) {
        return p >= 1 ? "1" : p < 1e-4 ? "< 0.0001" : String.format(Locale.ROOT, "%.4f", p);
    }

    private void differences() throws IOException {
        Map<String, Statistics.Paired> rows = new LinkedHashMap<>();
        String[][] pairs = {
            {"untied - tied", "S1-untied", "S1-tied"},
            {"tied - narrow", "S1-tied", "S1-narrow"},
            {"tied - thin", "S1-tied", "S1-thin"},
            {"(1, c) - (1, 1)", "S1-1c", "S1-tied"},
            {"(c, c) - (1, 1)", "S1-cc", "S1-tied"},
            {"(c, 1) - (1, 1)", "S1-c1", "S1-tied"},
            {"untied at 300 - tied", "S1-untied-at-300", "S1-tied"},
            {"untied at 600 - tied", "S1-untied-at-600", "S1-tied"},
            {"untied at 600 - untied", "S1-untied-at-600", "S1-untied"},
            {"retied at 300 - tied", "S1-retied-at-300", "S1-tied"},
            {"retied at 300 - untied", "S1-retied-at-300", "S1-untied"},
            {"S0: untied - tied", "S0-untied", "S0-tied"},
            {"S0: tied - narrow", "S0-tied", "S0-narrow"},
            {"S2: untied - tied", "S2-untied", "S2-tied"},
            {"S2: tied - narrow", "S2-tied", "S2-narrow"}
        };
        add("%n## Differences%n%n![Every pair, means and intervals](pairs.svg)%n%n| of S1 | n | mean, 95 %% interval | the first is |"
                + " pairs, by seed |%n|---|---|---|---|---|%n");
        for (String[] pair : pairs) {
            Statistics.Paired paired = difference(pair[1], pair[2]);
            if (!paired.differences().isEmpty()) {
                rows.put(pair[0], paired);
                add("| %s | %d | %s | %s | %s |%n", pair[0], paired.differences().size(), interval(paired), paired.verdict(),
                        String.join(", ", paired.differences().stream().map(x -> String.format(Locale.ROOT, "%+.4f", x)).toList()));
            }
        }
        Files.writeString(OUT.resolve("pairs.svg"), Plot.pairs("Held-out loss, differences in nats (left: the first is better)", rows));
        schedules();
        scales();
    }

    /** The training loss less the tied run's on the same batches, a mean of ten values, one curve a seed. */
    private void schedules() throws IOException {
        List<Plot.Curve> curves = new ArrayList<>();
        String[] arms = {"untied", "untied-at-300", "untied-at-600", "retied-at-300"};
        for (int colour = 0; colour < arms.length; colour++) {
            for (int seed = 1; seed <= SEEDS; seed++) {
                Optional<Run> tied = Schedule.run("S1-tied", seed).filter(Run::recorded);
                Optional<Run> other = Schedule.run("S1-" + arms[colour], seed).filter(Run::recorded);
                if (tied.isPresent() && other.isPresent()) {
                    curves.add(new Plot.Curve(arms[colour].replace('-', ' '), colour, curve(other.get(), tied.get())));
                }
            }
        }
        if (!curves.isEmpty()) {
            Files.writeString(
                    OUT.resolve("schedules.svg"),
                    Plot.curves("Training loss less that of the tied run, same batches, means of 100 steps", "step", false, curves, 300, 600));
            add("%n![Schedules: difference to tied over steps](schedules.svg)%n");
        }
    }

    private static List<double[]> curve(Run run, Run tied) {
        Map<Long, Double> losses = new TreeMap<>();
        if (run.parent() != null) {
            losses.putAll(new Run(run.parent().arm(), run.rate(), run.seed(), false).numbers("loss"));
        }
        losses.putAll(run.numbers("loss"));
        Map<Long, Double> base = tied.numbers("loss");
        List<double[]> points = new ArrayList<>();
        for (long step = 100; step <= run.steps(); step += 100) {
            double sum = 0;
            int count = 0;
            for (long at = step - 90; at <= step; at += 10) {
                if (losses.containsKey(at) && base.containsKey(at)) {
                    sum += losses.get(at) - base.get(at);
                    count++;
                }
            }
            if (count > 0) {
                points.add(new double[] {step, sum / count});
            }
        }
        return points;
    }

    /** Differences to tied over the scale of the input's gradient, one curve a seed. */
    private void scales() throws IOException {
        List<Plot.Curve> curves = new ArrayList<>();
        for (int seed = 1; seed <= 3; seed++) {
            List<double[]> points = new ArrayList<>(List.of(new double[] {1, 0}));
            for (int scale : new int[] {2, 4, 8, 16, 32}) {
                Optional<Double> loss = loss("S1-g" + scale, seed);
                Optional<Double> tied = loss("S1-tied", seed);
                if (loss.isPresent() && tied.isPresent()) {
                    points.add(new double[] {scale, loss.get() - tied.get()});
                }
            }
            if (points.size() > 2) {
                curves.add(new Plot.Curve("seed " + seed, seed - 1, points));
            }
        }
        if (!curves.isEmpty()) {
            Files.writeString(
                    OUT.resolve("scales.svg"),
                    Plot.curves("Held-out loss less that of scale 1", "scale of the input's gradient", true, curves));
            add("%n![Scale of the input's gradient](scales.svg)%n");
        }
    }

    /** E7: what rounding costs at each end. */
    private void bits() throws IOException {
        Map<String, Map<String, Object>> models = new TreeMap<>();
        try (Stream<Path> files = Files.isDirectory(Bits.RECORDS) ? Files.list(Bits.RECORDS) : Stream.empty()) {
            for (Path file : files.toList()) {
                models.put(file.getFileName().toString().replace(".json", ""), Json.exactTree(file.toString(), Files.readAllBytes(file)));
            }
        }
        if (models.isEmpty()) {
            return;
        }
        add("%n## E7: bits of the table, by end%n%nRise of the held-out loss in nats when the table is rounded where it is looked up "
                + "(embedding) and where it is multiplied (projection), and the ratio of both; groups of 32 inputs, 32,768 tokens.%n%n"
                + "| model | loss | 8 bits | 6 bits | 4 bits | ratio | 3 bits | ratio |%n|---|---|---|---|---|---|---|---|%n");
        models.forEach((name, all) -> {
            List<String> cells = new ArrayList<>();
            for (int bits : Bits.BITS) {
                double embedding = ((Number) all.get("embedding_" + bits)).doubleValue();
                double projection = ((Number) all.get("projection_" + bits)).doubleValue();
                cells.add(String.format(Locale.ROOT, "%.5f, %.5f", embedding, projection));
                if (bits < 6) {
                    cells.add(String.format(Locale.ROOT, "%.1f", ratio(all, bits)));
                }
            }
            add("| %s | %.4f | %s |%n", name, ((Number) all.get("loss")).doubleValue(), String.join(" | ", cells));
        });
        add("%n");
        for (int bits : new int[] {4, 3}) {
            double least = models.values().stream().mapToDouble(all -> ratio(all, bits)).min().orElse(Double.NaN);
            Statistics.Paired pairs = paired(seed -> Optional.ofNullable(models.get("S1-tied-" + seed))
                    .flatMap(tied -> Optional.ofNullable(models.get("S1-untied-" + seed))
                            .map(untied -> Math.log(ratio(untied, bits) / ratio(tied, bits)))));
            boolean smaller = pairs.mean() + pairs.half() < 0;
            add("* H7 at %d bits: the least ratio is %.1f (above 3: %s); ln of the ratio, untied less tied, n = %d of %d: %s (below 0: %s).%n",
                    bits, least, holds(least > 3), pairs.differences().size(), SEEDS, interval(pairs),
                    holds(smaller));
        }
    }

    private static double ratio(Map<String, Object> rises, int bits) {
        return ((Number) rises.get("projection_" + bits)).doubleValue() / ((Number) rises.get("embedding_" + bits)).doubleValue();
    }

    /** The runs of a shape of E5, by seed. */
    private record Cell(int v, int d, boolean tied, Map<Integer, Map<String, Object>> runs) {
        static Cell of(int v, int d, boolean tied) {
            Map<Integer, Map<String, Object>> runs = new TreeMap<>();
            try {
                for (int seed = 1; seed <= Spam.SEEDS; seed++) {
                    Path file = Spam.record(v, d, tied, seed);
                    if (Files.exists(file)) {
                        runs.put(seed, Json.exactTree(file.toString(), Files.readAllBytes(file)));
                    }
                }
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
            return new Cell(v, d, tied, runs);
        }

        double mean(String column) {
            return runs.values().stream().mapToDouble(all -> ((Number) all.get(column)).doubleValue()).average().orElse(Double.NaN);
        }

        /** Steps to learn, 0 for not within the limit. */
        long steps(int seed) {
            return ((Number) runs.get(seed).get("steps")).longValue();
        }

        /** The mean of log2 of the steps, where a run that does not learn counts with the limit. */
        double logSteps() {
            return runs.keySet().stream().mapToDouble(this::logSteps).average().orElse(Double.NaN);
        }

        double logSteps(int seed) {
            return Math.log(steps(seed) == 0 ? Spam.MOST_STEPS : steps(seed)) / Math.log(2);
        }

        boolean rarer(Cell other) {
            return tied == other.tied && (long) v * other.d > (long) other.v * d;
        }
    }

    /** E5: steps to learn and kept shares. */
    private void spam() {
        List<Cell> cells = IntStream.of(Spam.VOCABULARIES)
                .boxed()
                .flatMap(v -> IntStream.of(Spam.SIZES).boxed().flatMap(d -> Stream.of(Cell.of(v, d, true), Cell.of(v, d, false))))
                .filter(cell -> !cell.runs.isEmpty())
                .toList();
        if (cells.isEmpty()) {
            return;
        }
        add("%n## E5: SpamLang%n%nSteps until the loss from the ninth position on is below 0.1, by seed (- for not within %,d), and the "
                + "share of the gradient's norm that the head passes on: at the beginning, at the end, and with a random table.%n%n"
                + "| V | D | V / D | head | steps | begin | end | random |%n|---|---|---|---|---|---|---|---|%n", Spam.MOST_STEPS);
        for (Cell cell : cells) {
            add("| %,d | %d | %d | %s | %s | %.3f | %.3f | %.3f |%n", cell.v, cell.d, cell.v / cell.d, cell.tied ? "tied" : "untied",
                    String.join(", ", cell.runs.keySet().stream().map(cell::steps).map(step -> step == 0 ? "-" : "" + step).toList()),
                    cell.mean("begin_kept_norm"), cell.mean("end_kept_norm"), cell.mean("begin_control_norm"));
        }
        int runs = cells.stream().mapToInt(cell -> cell.runs.size()).sum();
        add("%n%d of %d runs.%n%n", runs, Spam.VOCABULARIES.length * Spam.SIZES.length * 2 * Spam.SEEDS);
        for (String when : List.of("begin", "end")) {
            add("* H5a, %s: the kept share is smaller at the larger V / D in %s; the largest share of the norm from V / D = 32 on is %.3f"
                            + " (below 0.05: %s).%n",
                    when, ordered(cells, cell -> -cell.mean(when + "_kept_share")), largest(cells, when), holds(largest(cells, when) < 0.05));
        }
        List<Double> differences = new ArrayList<>();
        int unlearnt = 0;
        for (Cell tied : cells.stream().filter(Cell::tied).toList()) {
            Cell untied = Cell.of(tied.v, tied.d, false);
            for (int seed : tied.runs.keySet().stream().filter(untied.runs::containsKey).toList()) {
                if (tied.steps(seed) == 0 && untied.steps(seed) == 0) {
                    unlearnt++;
                } else {
                    differences.add(tied.logSteps(seed) - untied.logSteps(seed));
                }
            }
        }
        Statistics.Paired pairs = Statistics.Paired.of(differences);
        add("* H5b: log2 of the steps is larger at the larger V / D in %s; tied less untied, n = %d: %s (within 0.25: %s); in %d further "
                        + "pairs neither learned.%n",
                ordered(cells, Cell::logSteps), differences.size(), interval(pairs),
                holds(Math.abs(pairs.mean()) + pairs.half() <= 0.25), unlearnt);
    }

    /** In how many pairs of one head's shapes the one of larger V / D has the larger number. */
    private static String ordered(List<Cell> cells, ToDoubleFunction<Cell> number) {
        List<Cell[]> pairs = cells.stream()
                .flatMap(one -> cells.stream().filter(one::rarer).map(other -> new Cell[] {one, other}))
                .toList();
        long larger = pairs.stream().filter(pair -> number.applyAsDouble(pair[0]) > number.applyAsDouble(pair[1])).count();
        return larger + " of " + pairs.size() + " pairs of shapes (all: " + holds(larger == pairs.size()) + ")";
    }

    private static double largest(List<Cell> cells, String when) {
        return cells.stream()
                .filter(cell -> cell.v >= 32 * cell.d)
                .mapToDouble(cell -> cell.mean(when + "_kept_norm"))
                .max()
                .orElse(Double.NaN);
    }

    private static String holds(boolean claim) {
        return claim ? "holds" : "does not hold";
    }

    /** All records by their names. */
    private static List<Run> records() throws IOException {
        try (Stream<Path> tree = Files.walk(Run.RECORDS)) {
            return tree.filter(file -> file.endsWith("run.json"))
                    .map(file -> Run.RECORDS.relativize(file.getParent()).toString())
                    .sorted()
                    .map(Run::of)
                    .toList();
        }
    }

    private void rates() throws IOException {
        Map<String, Map<Double, Double>> arms = new TreeMap<>();
        for (Run run : records()) {
            if (run.tunes()) {
                arms.computeIfAbsent(run.arm().name(), _ -> new TreeMap<>()).put(Double.valueOf(run.rate()), run.lastLoss());
            }
        }
        add("%n## Rates%n%nHeld-out loss after 400 steps at seed 0; the best is used for all other seeds.%n%n| arm | rate: loss |%n|---|---|%n");
        arms.forEach((arm, losses) -> {
            double best = losses.values().stream().mapToDouble(x -> x).min().orElse(0);
            List<String> cells = new ArrayList<>();
            losses.forEach((rate, loss) -> {
                String cell = String.format(Locale.ROOT, "%.1e: %.4f", rate, loss);
                cells.add(loss == best ? "**" + cell + "**" : cell);
            });
            add("| %s | %s |%n", arm, String.join(", ", cells));
        });
    }

    private void runs() throws IOException {
        StringBuilder losses = new StringBuilder();
        add("%n## Runs%n%nDigests are the first digits of the SHA-256 of the last checkpoint's `model.safetensors` and of all losses; "
                + "`runs/tying/run.sh --again NAME` makes both again.%n%n| run | held-out loss | checkpoint | losses |%n|---|---|---|---|%n");
        for (Run run : records()) {
            Map<String, Object> summary = run.summary();
            losses.append(run.name()).append(' ').append(run.lastLoss()).append('\n');
            add("| %s | %s | `%.12s` | `%.12s` |%n", run.name(), run.lastLoss(), summary.get("model_sha256"), summary.get("losses_sha256"));
        }
        add("%nSHA-256 of all names and losses of this table: `%s`.%n", Run.sha256(losses.toString().getBytes(StandardCharsets.UTF_8)));
    }
}
