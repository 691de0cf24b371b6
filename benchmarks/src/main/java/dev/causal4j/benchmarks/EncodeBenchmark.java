package dev.causal4j.benchmarks;

import ai.djl.huggingface.tokenizers.Encoding;
import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import com.knuddels.jtokkit.Encodings;
import com.knuddels.jtokkit.api.EncodingType;
import com.knuddels.jtokkit.api.IntArrayList;
import dev.causal4j.tokenizer.SpecialTokens;
import dev.causal4j.tokenizer.Tokenizer;
import java.io.IOException;
import java.io.InputStream;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.function.Supplier;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;

/**
 * Our tokenizer, Hugging Face's native library as DJL has it, and jtokkit, in turn: loading and encoding by CPU time of
 * the one thread that calls, and memory after loading. Prints the rows of {@code docs/results/text.md}. Not JMH: cold
 * texts need a new tokenizer each time, and JMH knows wall time only.
 */
public final class EncodeBenchmark {
    private static final int[] SIZES = {100, 10_000, 1_000_000};

    /** Characters of a measurement where texts are smaller. */
    private static final int MOST_COLD = 100_000;

    private static final int MOST_TEXTS = 100;
    private static final int WARM = 1_000_000;

    private EncodeBenchmark() {}

    /** A tokenizer of some library. */
    private interface Encoder extends AutoCloseable {
        /** Encodes as the library's users do. The conversion to an array of ids comes after it and is not measured. */
        Supplier<int[]> encode(String text);

        @Override
        default void close() {}
    }

    private interface Loader {
        Encoder load() throws IOException;
    }

    /** A round's figures of a library: CPU seconds of each loading, bytes, and by size characters a CPU second. */
    private record Figures(double[] load, long heap, long outside, double[] cold, double[] warm, List<int[]> ids) {}

    /** Arguments: counted rounds, a text, and files, each followed by = and jtokkit's name if that has its vocabulary. */
    public static void main(String[] args) throws IOException {
        if (args.length < 3) {
            throw new IllegalArgumentException("arguments: expected ROUNDS TEXT TOKENIZER.JSON[=ENCODING] ...");
        }
        String text = Files.readString(Path.of(args[1]));
        for (String file : Arrays.asList(args).subList(2, args.length)) {
            int equals = file.indexOf('=');
            Map<String, Loader> loaders = equals < 0
                    ? loaders(Path.of(file))
                    : loaders(Path.of(file.substring(0, equals)), file.substring(equals + 1));
            Map<String, List<Figures>> figures = new LinkedHashMap<>();
            for (int round = 0; round <= Integer.parseInt(args[0]); round++) {
                Random random = new Random(round);
                List<List<String>> texts = Arrays.stream(SIZES)
                        .mapToObj(size -> slices(text, size, random))
                        .toList();
                for (Map.Entry<String, Loader> each : loaders.entrySet()) {
                    figures.computeIfAbsent(each.getKey(), _ -> new ArrayList<>())
                            .add(measure(each.getValue(), texts));
                }
            }
            print(file, figures);
        }
    }

    private static Map<String, Loader> loaders(Path file) {
        Map<String, Loader> loaders = new LinkedHashMap<>();
        loaders.put("ours", () -> ours(file));
        loaders.put("DJL", () -> djl(file));
        return loaders;
    }

    private static Map<String, Loader> loaders(Path file, String encoding) {
        Map<String, Loader> loaders = loaders(file);
        loaders.put("jtokkit", () -> jtokkit(encoding));
        return loaders;
    }

    private static Encoder ours(Path file) throws IOException {
        Tokenizer tokenizer = Tokenizer.fromJson(file.toString(), Files.readAllBytes(file));
        return text -> {
            int[] ids = tokenizer.encode(text, SpecialTokens.PARSE);
            return () -> ids;
        };
    }

    private static Encoder djl(Path file) throws IOException {
        HuggingFaceTokenizer tokenizer;
        try (InputStream in = Files.newInputStream(file)) {
            tokenizer = HuggingFaceTokenizer.newInstance(in, Map.of("truncation", "false"));
        }
        return new Encoder() {
            @Override
            public Supplier<int[]> encode(String text) {
                Encoding encoded = tokenizer.encode(text, false, false);
                return () -> Arrays.stream(encoded.getIds())
                        .mapToInt(Math::toIntExact)
                        .toArray();
            }

            @Override
            public void close() {
                tokenizer.close();
            }
        };
    }

    private static Encoder jtokkit(String name) {
        EncodingType type = EncodingType.fromName(name).orElseThrow();
        com.knuddels.jtokkit.api.Encoding encoding =
                Encodings.newLazyEncodingRegistry().getEncoding(type);
        return text -> {
            IntArrayList ids = encoding.encodeOrdinary(text);
            return ids::toArray;
        };
    }

    private static List<String> slices(String text, int size, Random random) {
        int count = Math.clamp(MOST_COLD / size, 1, MOST_TEXTS);
        return IntStream.range(0, count)
                .mapToObj(_ -> {
                    int from = random.nextInt(text.length() - size);
                    return text.substring(whole(text, from), whole(text, from + size));
                })
                .toList();
    }

    /** The place, or the one before it where that would cut a character in two. */
    private static int whole(String text, int at) {
        return Character.isLowSurrogate(text.charAt(at)) ? at - 1 : at;
    }

    private static Figures measure(Loader loader, List<List<String>> texts) throws IOException {
        double[] load = new double[SIZES.length];
        double[] cold = new double[SIZES.length];
        double[] warm = new double[SIZES.length];
        long heap = 0;
        long outside = 0;
        List<int[]> ids = new ArrayList<>();
        for (int i = 0; i < SIZES.length; i++) {
            long heapBefore = heap();
            long outsideBefore = privateMemory();
            long start = cpu();
            try (Encoder encoder = loader.load()) {
                load[i] = (cpu() - start) / 1e9;
                if (i == 0) {
                    heap = heap() - heapBefore;
                    outside = privateMemory() - outsideBefore;
                }
                long characters =
                        texts.get(i).stream().mapToLong(String::length).sum();
                List<Supplier<int[]>> encoded = new ArrayList<>();
                start = cpu();
                texts.get(i).forEach(text -> encoded.add(encoder.encode(text)));
                cold[i] = characters * 1e9 / (cpu() - start);
                int times = (int) Math.max(1, WARM / characters);
                start = cpu();
                for (int time = 0; time < times; time++) {
                    for (int t = 0; t < encoded.size(); t++) {
                        encoded.set(t, encoder.encode(texts.get(i).get(t)));
                    }
                }
                warm[i] = times * characters * 1e9 / (cpu() - start);
                encoded.forEach(each -> ids.add(each.get()));
            }
        }
        return new Figures(load, heap, outside, cold, warm, ids);
    }

    /** Nanoseconds of this thread. Neither the collector nor the compiler counts, which have threads of their own. */
    private static long cpu() {
        return ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
    }

    private static long heap() {
        System.gc();
        return ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed();
    }

    /** Grows with what is outside the heap if the JVM has touched all of that, by -Xms, -Xmx and AlwaysPreTouch. */
    private static long privateMemory() throws IOException {
        return Files.readAllLines(Path.of("/proc/self/status")).stream()
                .filter(line -> line.startsWith("RssAnon:"))
                .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) << 10)
                .findFirst()
                .orElseThrow();
    }

    private static void print(String file, Map<String, List<Figures>> figures) {
        List<Figures> ours = figures.getOrDefault("ours", List.of());
        figures.forEach((name, all) -> {
            // Outside the heap the first loading tells: later ones are given what it gave back.
            System.out.printf(
                    Locale.ROOT,
                    "| %s | %s | %.2f | %.2f | %.0f | %.0f |%n",
                    file,
                    name,
                    all.getFirst().load[0],
                    median(all, each -> Arrays.stream(each.load).sorted().toArray()[SIZES.length / 2]),
                    median(all, each -> each.heap / 1e6),
                    all.getFirst().outside / 1e6);
        });
        figures.forEach((name, all) -> {
            if (!name.equals("ours")) {
                for (int i = 0; i < SIZES.length; i++) {
                    int size = i;
                    System.out.printf(
                            Locale.ROOT,
                            "| %s | %s | %,d | %s | %s | %s |%n",
                            equal(ours, all),
                            file,
                            SIZES[i],
                            name,
                            row(ours, all, each -> each.cold[size]),
                            row(ours, all, each -> each.warm[size]));
                }
            }
        });
    }

    private static String equal(List<Figures> ours, List<Figures> others) {
        return IntStream.range(0, ours.size())
                        .allMatch(round -> Arrays.deepEquals(
                                ours.get(round).ids.toArray(),
                                others.get(round).ids.toArray()))
                ? "yes"
                : "no";
    }

    /** Millions of characters a second, ours and the other's, and the median of the rounds' ratios with its ends. */
    private static String row(List<Figures> ours, List<Figures> others, ToDoubleFunction<Figures> rate) {
        double[] ratios = IntStream.range(1, ours.size())
                .mapToDouble(round -> rate.applyAsDouble(ours.get(round)) / rate.applyAsDouble(others.get(round)))
                .sorted()
                .toArray();
        return String.format(
                Locale.ROOT,
                "%.2f | %.2f | %.1f (%.1f to %.1f)",
                median(ours, rate) / 1e6,
                median(others, rate) / 1e6,
                ratios[ratios.length / 2],
                ratios[0],
                ratios[ratios.length - 1]);
    }

    /** Of all rounds but the first, which compiles. */
    private static double median(List<Figures> rounds, ToDoubleFunction<Figures> figure) {
        double[] sorted = rounds.stream().skip(1).mapToDouble(figure).sorted().toArray();
        return sorted[sorted.length / 2];
    }
}
