package dev.causal4j.constraint;

import dev.causal4j.tokenizer.Fixtures;
import dev.causal4j.tokenizer.Tokenizer;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.math.BigDecimal;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Measures masks as MaskBench does: for each of its files the schema is compiled, and each instance, as Python's
 * json.dumps writes it, is fed token by token with a mask before each. One thread. The vocabulary is the first 128,000
 * tokens of o200k_base. Not a test: {@code main} takes the folder maskbench/data of guidance-ai/jsonschemabench.
 */
final class MaskBench {
    private static final int VOCABULARY = 128_000;
    private static final int WARM = 400; // files, before all are measured

    private static final long SLOW = 5_000_000; // nanoseconds

    private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();

    private final Tokenizer tokenizer;
    private String file = "";
    private final Map<String, int[]> sets = new TreeMap<>(); // files, compiled, right
    private final List<String> wrong = new ArrayList<>();
    private long[] masks = new long[1 << 20]; // nanoseconds
    private int count;
    private final List<Long> compiles = new ArrayList<>();
    private int wronglyAccepted;
    private int wronglyRefused;

    private MaskBench(Tokenizer tokenizer) {
        this.tokenizer = tokenizer;
    }

    public static void main(String[] args) throws IOException {
        MaskBench warm = new MaskBench(Fixtures.ofRanks("o200k_base", VOCABULARY - 1)); // and one token ends texts
        MaskBench bench = new MaskBench(warm.tokenizer);
        List<Path> files;
        try (Stream<Path> all = Files.list(Path.of(args[0]))) {
            files = all.sorted().toList();
        }
        int every = args.length > 1 ? Integer.parseInt(args[1]) : 1;
        files = IntStream.range(0, files.size())
                .filter(i -> i % every == 0)
                .mapToObj(files::get)
                .toList();
        for (Path file : files.subList(0, Math.min(WARM, files.size()))) {
            warm.measure(file);
        }
        for (Path file : files) {
            bench.measure(file);
        }
        bench.print(args.length > 2 ? Path.of(args[2]) : null);
    }

    private void measure(Path file) throws IOException {
        String name = file.getFileName().toString();
        int[] set = sets.computeIfAbsent(name.replaceAll("---.*|_?\\d*\\.json$", ""), unused -> new int[3]);
        set[0]++;
        this.file = name;
        JsonNode json = JsonMapper.shared().readTree(Files.readAllBytes(file));
        String schema = json.get("schema").toString();
        long[] mask = new long[VOCABULARY / 64];
        long begun = cpu();
        Constraint constraint = Constraint.schema(schema);
        try {
            constraint.start(tokenizer).mask(mask);
        } catch (RuntimeException e) {
            wrong.add(name + "\tcompile\t" + e.getClass().getSimpleName() + "\t" + e.getMessage());
            compiles.add(cpu() - begun);
            return;
        }
        long nanos = cpu() - begun;
        compiles.add(nanos);
        if (nanos > 4 * SLOW) {
            wrong.add(name + "\tslow compile\t" + nanos / 1000);
        }
        set[1]++;
        boolean right = true;
        for (JsonNode test : json.path("tests")) {
            StringBuilder text = new StringBuilder();
            write(test.get("data"), text);
            boolean valid = test.get("valid").asBoolean();
            String verdict = run(constraint, text.toString(), mask);
            if (verdict.isEmpty() != valid) {
                right = false;
                wronglyAccepted += valid ? 0 : 1;
                wronglyRefused += valid ? 1 : 0;
                wrong.add(name + "\t" + (valid ? "refused" : "ACCEPTED") + "\t" + verdict + "\t"
                        + (text.length() > 300 ? text.substring(0, 300) : text));
            }
        }
        set[2] += right ? 1 : 0;
    }

    /** Where a text leaves the constraint; empty if it does not. */
    private String run(Constraint constraint, String text, long[] mask) {
        Matcher matcher = constraint.start(tokenizer);
        int[] tokens = tokenizer.encode(text);
        int last = -1;
        StringBuilder so = new StringBuilder();
        try {
            for (int token : tokens) {
                Arrays.fill(mask, 0);
                long begun = cpu();
                if (last >= 0) {
                    matcher.accept(last);
                }
                matcher.mask(mask);
                long nanos = cpu() - begun;
                add(nanos);
                if (nanos > SLOW) {
                    wrong.add(file + "\tslow\t" + nanos / 1000 + "\t" + so);
                }
                if ((mask[token >> 6] >>> token & 1) == 0) {
                    return "after " + (so.length() > 60 ? so.substring(so.length() - 60) : so) + " no "
                            + tokenizer.decode(token);
                }
                so.append(tokenizer.decode(token));
                last = token;
            }
            matcher.accept(last);
        } catch (RuntimeException e) {
            return String.valueOf(e.getMessage());
        }
        return matcher.isAccepting() ? "" : "at the end";
    }

    /** CPU time of this thread in nanoseconds: other programs and the collector do not count. */
    private static long cpu() {
        return THREADS.getCurrentThreadCpuTime();
    }

    private void add(long nanos) {
        masks = count < masks.length ? masks : Arrays.copyOf(masks, 2 * count);
        masks[count++] = nanos;
    }

    private static void write(JsonNode value, StringBuilder text) {
        if (value.isObject()) {
            String separator = "{";
            for (Map.Entry<String, JsonNode> each : value.properties()) {
                text.append(separator)
                        .append(JsonMapper.shared().writeValueAsString(each.getKey()))
                        .append(": ");
                write(each.getValue(), text);
                separator = ", ";
            }
            text.append(value.isEmpty() ? "{}" : "}");
        } else if (value.isArray()) {
            String separator = "[";
            for (JsonNode each : value) {
                text.append(separator);
                write(each, text);
                separator = ", ";
            }
            text.append(value.isEmpty() ? "[]" : "]");
        } else if (value.isFloatingPointNumber()) {
            double number = value.asDouble();
            boolean plain = number == 0 || (Math.abs(number) >= 1e-4 && Math.abs(number) < 1e16);
            String digits = plain ? new BigDecimal(Double.toString(number)).toPlainString() : Double.toString(number);
            text.append(
                    plain && digits.indexOf('.') < 0
                            ? digits + ".0"
                            : digits.replace(".0E", "e").replace('E', 'e'));
        } else {
            text.append(value);
        }
    }

    private void print(@Nullable Path log) throws IOException {
        long[] sorted = Arrays.copyOf(masks, count);
        Arrays.sort(sorted);
        long[] compile = compiles.stream().mapToLong(each -> each).sorted().toArray();
        System.out.printf("masks %,d%n", count);
        line("mask us", sorted, 1e3);
        line("first mask ms", compile, 1e6);
        int[] all = new int[3];
        sets.forEach((name, set) -> {
            System.out.printf(
                    "%-20s files %6d compiled %.3f right %.3f%n",
                    name, set[0], set[1] / (double) set[0], set[2] / (double) set[0]);
            Arrays.setAll(all, i -> all[i] + set[i]);
        });
        System.out.printf(
                "all: files %d compiled %d right %d; instances wrongly accepted %d, wrongly refused %d%n",
                all[0], all[1], all[2], wronglyAccepted, wronglyRefused);
        if (log != null) {
            Files.write(log, wrong);
        }
    }

    private static void line(String name, long[] sorted, double unit) {
        System.out.printf(
                "%-14s p50 %.1f mean %.1f p90 %.1f p99 %.1f p99.9 %.1f max %.1f%n",
                name,
                sorted[sorted.length / 2] / unit,
                Arrays.stream(sorted).average().orElse(0) / unit,
                sorted[sorted.length * 9 / 10] / unit,
                sorted[(int) (sorted.length * 0.99)] / unit,
                sorted[(int) (sorted.length * 0.999)] / unit,
                sorted[sorted.length - 1] / unit);
    }
}
