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
    static final int SEEDS = 6;

    private final Page page = new Page();

    private Report() {}

    static void write() throws IOException {
        Report report = new Report();
        Files.createDirectories(OUT);
        report.page.add("# Tying: tables\n\nWritten by `runs/tying/run.sh --report` from `runs/tying/records`, by the rules of [PLAN.md]"
                + "(../../../runs/tying/PLAN.md), registered in commit `%s`. [README.md](README.md) says what they mean.%n", PLAN);
        report.hypotheses();
        report.differences();
        BitsReport.add(report.page);
        SpamReport.add(report.page);
        report.rates();
        report.runs();
        Files.writeString(OUT.resolve("tables.md"), report.page.toString());
    }

    /** The last loss of an arm's run; empty without a record. */
    private static Optional<Double> loss(String arm, int seed) {
        return Schedule.run(arm, seed).filter(Run::recorded).map(Run::lastLoss);
    }

    interface Measure {
        Optional<Double> of(int seed);
    }

    static Statistics.Paired paired(Measure measure) {
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

    /** The change of the loss by a second table. */
    private static Optional<Double> gain(String shape, int seed) {
        return less(loss(shape + "-untied", seed), loss(shape + "-tied", seed));
    }

    private enum Wanted {
        /** Each part is better. */
        BETTER,
        /** Each part's interval is below 0. */
        BELOW_ZERO,
        /** The statement's condition does not hold. */
        VOID
    }

    /** A tested statement: its differences, and how many pairs the plan has. */
    private record Claim(String name, String text, int pairs, Wanted wanted, List<Statistics.Paired> parts) {
        private static final List<String> PRIMARY = List.of("H1b", "H2", "H3");
        private static final double LEVEL = 0.05;

        boolean primary() {
            return PRIMARY.contains(name);
        }

        /** @param p after Holm's correction, if the statement is primary */
        String verdict(double p) {
            if (wanted == Wanted.VOID) {
                return "void";
            }
            if (parts.stream().allMatch(part -> part.differences().isEmpty())) {
                return "no runs yet";
            }
            String words = String.join(", ", parts.stream().map(Statistics.Paired::verdict).toList());
            if (parts.stream().anyMatch(part -> part.differences().size() < pairs)) {
                return "unfinished (" + words + ")";
            }
            boolean all = parts.stream().allMatch(part ->
                    wanted == Wanted.BETTER ? part.verdict().equals("better") : part.mean() + part.half() < 0);
            return words + ": " + Statistics.holds(all && (!primary() || p < LEVEL));
        }

        /** The largest p of the parts; 1 if one has the other sign, or if the statement is void. */
        double p() {
            return wanted == Wanted.VOID
                    ? 1
                    : parts.stream().mapToDouble(part -> part.mean() < 0 ? part.p() : 1).max().orElse(1);
        }
    }

    private void hypotheses() {
        boolean gap = difference("S1-tied", "S1-untied").verdict().equals("worse");
        List<Claim> claims = List.of(
                new Claim("H1a", "untied - tied, equal steps", 6, Wanted.BETTER, List.of(difference("S1-untied", "S1-tied"))),
                new Claim("H1a by size", "(untied - tied) of S0 - of S1; of S1 - of S2", 5, Wanted.BETTER, List.of(
                        paired(seed -> less(gain("S0", seed), gain("S1", seed))),
                        paired(seed -> less(gain("S1", seed), gain("S2", seed))))),
                new Claim("H1b", "tied - *narrow*; tied - *thin*", 6, Wanted.BETTER,
                        List.of(difference("S1-tied", "S1-narrow"), difference("S1-tied", "S1-thin"))),
                new Claim("H1c", "Books: tied - untied, best; rise from it", 6, Wanted.BETTER, List.of(
                        paired(seed -> books(seed, B1::best)), paired(seed -> books(seed, B1::rise)))),
                new Claim("H2", "0.3 (tied - untied) - (tied - (1, c))", 6, gap ? Wanted.BELOW_ZERO : Wanted.VOID, List.of(paired(Report::remedy))),
                new Claim("H2b", "(c, c) - (1, c)", 6, Wanted.VOID, List.of(difference("S1-cc", "S1-1c"))),
                new Claim("H3", "untied at 600 - tied; - untied", 5, Wanted.BETTER,
                        List.of(difference("S1-untied-at-600", "S1-tied"), difference("S1-untied-at-600", "S1-untied"))));
        List<Claim> primary = claims.stream().filter(Claim::primary).toList();
        double[] holm = Statistics.holm(primary.stream().mapToDouble(Claim::p).toArray());
        page.add("%n## Hypotheses%n%nDifferences of held-out losses after the last step, in nats, paired by seed. Margin %.2f. Holm's "
                + "correction is over the three primary hypotheses. The p of each is the largest of its parts, and 1 if one has the other "
                + "sign. H2 and H2b are void where tied is not worse than untied.%n%n", Statistics.MARGIN);
        page.add("| | difference | n | mean, 95 %% interval | p | Holm | verdict |%n|---|---|---|---|---|---|---|%n");
        for (Claim claim : claims) {
            List<String> ns = new ArrayList<>();
            List<String> means = new ArrayList<>();
            for (Statistics.Paired part : claim.parts) {
                ns.add("" + part.differences().size());
                means.add(part.interval());
            }
            boolean isVoid = claim.wanted == Wanted.VOID;
            double corrected = claim.primary() ? holm[primary.indexOf(claim)] : 1;
            page.add("| %s | %s | %s of %d | %s | %s | %s | %s |%n", claim.primary() ? "**" + claim.name + "**" : claim.name, claim.text,
                    String.join("; ", ns), claim.pairs, String.join("; ", means), isVoid ? "" : probability(claim.p()),
                    isVoid || !claim.primary() ? "" : probability(corrected), claim.verdict(corrected));
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
            {"(c, c) - (1, c)", "S1-cc", "S1-1c"},
            {"(c, 1) - (1, 1)", "S1-c1", "S1-tied"},
            {"scale 2 - 1", "S1-g2", "S1-tied"},
            {"scale 4 - 1", "S1-g4", "S1-tied"},
            {"scale 8 - 1", "S1-g8", "S1-tied"},
            {"scale 16 - 1", "S1-g16", "S1-tied"},
            {"scale 32 - 1", "S1-g32", "S1-tied"},
            {"untied at 300 - tied", "S1-untied-at-300", "S1-tied"},
            {"untied at 300 - untied", "S1-untied-at-300", "S1-untied"},
            {"untied at 600 - tied", "S1-untied-at-600", "S1-tied"},
            {"untied at 600 - untied", "S1-untied-at-600", "S1-untied"},
            {"retied at 300 - tied", "S1-retied-at-300", "S1-tied"},
            {"retied at 300 - untied", "S1-retied-at-300", "S1-untied"},
            {"S0: untied - tied", "S0-untied", "S0-tied"},
            {"S0: tied - narrow", "S0-tied", "S0-narrow"},
            {"S2: untied - tied", "S2-untied", "S2-tied"},
            {"S2: tied - narrow", "S2-tied", "S2-narrow"}
        };
        page.add("%n## Differences%n%n![Every pair, means and intervals](pairs.svg)%n%n| | n | mean, 95 %% interval | pairs, by seed |%n"
                + "|---|---|---|---|%n");
        for (String[] pair : pairs) {
            rows.put(pair[0], difference(pair[1], pair[2]));
        }
        rows.put("Books, best: tied - untied", paired(seed -> books(seed, B1::best)));
        rows.put("Books, rise: tied - untied", paired(seed -> books(seed, B1::rise)));
        rows.values().removeIf(paired -> paired.differences().isEmpty());
        rows.forEach((name, paired) -> page.add("| %s | %d | %s | %s |%n", name, paired.differences().size(), paired.interval(),
                String.join(", ", paired.differences().stream().map(x -> String.format(Locale.ROOT, "%+.4f", x)).toList())));
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
            page.add("%n![Schedules: difference to tied over steps](schedules.svg)%n");
        }
    }

    private static List<double[]> curve(Run run, Run tied) {
        Map<Long, Double> losses = new TreeMap<>();
        if (run.parent() != null) {
            losses.putAll(run.parent().numbers("loss"));
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
            page.add("%n![Scale of the input's gradient](scales.svg)%n");
        }
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
        page.add("%n## Rates%n%nHeld-out loss after 400 steps at seed 0; the best is used for all other seeds.%n%n| arm | rate: loss |%n|---|---|%n");
        arms.forEach((arm, losses) -> {
            double best = losses.values().stream().mapToDouble(x -> x).min().orElse(0);
            List<String> cells = new ArrayList<>();
            losses.forEach((rate, loss) -> {
                String cell = String.format(Locale.ROOT, "%.1e: %.4f", rate, loss);
                cells.add(loss == best ? "**" + cell + "**" : cell);
            });
            page.add("| %s | %s |%n", arm, String.join(", ", cells));
        });
    }

    private void runs() throws IOException {
        StringBuilder losses = new StringBuilder();
        page.add("%n## Runs%n%nDigests are the first digits of the SHA-256 of the last checkpoint's `model.safetensors` and of all losses; "
                + "`runs/tying/run.sh --again NAME` makes both again.%n%n| run | held-out loss | checkpoint | losses |%n|---|---|---|---|%n");
        for (Run run : records()) {
            Map<String, Object> summary = run.summary();
            losses.append(run.name()).append(' ').append(run.lastLoss()).append('\n');
            page.add("| %s | %s | `%.12s` | `%.12s` |%n", run.name(), run.lastLoss(), summary.get("model_sha256"), summary.get("losses_sha256"));
        }
        page.add("%nSHA-256 of all names and losses of this table: `%s`.%n", Run.sha256(losses.toString().getBytes(StandardCharsets.UTF_8)));
    }
}
