import dev.causal4j.json.Json;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Stream;

/** E7 in print: what rounding the table costs at each end. */
final class BitsReport {
    private static final double ASKED = 3;

    private final Map<String, Map<String, Object>> models = new TreeMap<>();
    private final Page page;

    private BitsReport(Page page) throws IOException {
        this.page = page;
        try (Stream<Path> files = Files.isDirectory(Bits.RECORDS) ? Files.list(Bits.RECORDS) : Stream.empty()) {
            for (Path file : files.toList()) {
                models.put(file.getFileName().toString().replace(".json", ""), Json.exactTree(file.toString(), Files.readAllBytes(file)));
            }
        }
    }

    static void add(Page page) throws IOException {
        BitsReport report = new BitsReport(page);
        if (!report.models.isEmpty()) {
            report.table();
            report.verdict(4);
            report.verdict(3);
        }
    }

    private void table() {
        page.add("%n## E7: bits of the table, by end%n%nRise of the held-out loss in nats when the table is rounded where it is looked up "
                + "(embedding) and where it is multiplied (projection), and the ratio of both; groups of 32 inputs, 32,768 tokens.%n%n"
                + "| model | loss | 8 bits | 6 bits | 4 bits | ratio | 3 bits | ratio |%n|---|---|---|---|---|---|---|---|%n");
        models.forEach((name, all) -> {
            List<String> cells = new ArrayList<>();
            for (int bits : Bits.BITS) {
                cells.add(String.format(Locale.ROOT, "%.5f, %.5f", number(all, "embedding_" + bits), number(all, "projection_" + bits)));
                if (bits < 6) {
                    cells.add(String.format(Locale.ROOT, "%.1f", ratio(all, bits)));
                }
            }
            page.add("| %s | %.4f | %s |%n", name, number(all, "loss"), String.join(" | ", cells));
        });
        page.add("%n");
    }

    private void verdict(int bits) {
        double least = models.values().stream().mapToDouble(all -> ratio(all, bits)).min().orElse(Double.NaN);
        long larger = models.values().stream().filter(all -> ratio(all, bits) > ASKED).count();
        Statistics.Paired pairs = Report.paired(seed -> ratio("S1-tied-" + seed, bits)
                .flatMap(tied -> ratio("S1-untied-" + seed, bits).map(untied -> Math.log(untied / tied))));
        int n = pairs.differences().size();
        boolean holds = least > ASKED && pairs.mean() + pairs.half() < 0;
        page.add("* H7 at %d bits: the ratio is above %.0f in %d of %d models, the least is %.1f; ln of the ratio, untied less tied, n = %d of %d:"
                        + " %s (asked below 0): %s.%n",
                bits, ASKED, larger, models.size(), least, n, Report.SEEDS, pairs.interval(),
                n < Report.SEEDS ? "unfinished" : Statistics.holds(holds));
    }

    private Optional<Double> ratio(String model, int bits) {
        return Optional.ofNullable(models.get(model)).map(all -> ratio(all, bits));
    }

    private static double ratio(Map<String, Object> rises, int bits) {
        return number(rises, "projection_" + bits) / number(rises, "embedding_" + bits);
    }

    private static double number(Map<String, Object> all, String name) {
        return ((Number) all.get(name)).doubleValue();
    }
}
