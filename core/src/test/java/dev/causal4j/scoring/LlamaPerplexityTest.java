package dev.causal4j.scoring;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.causal4j.FormatException;
import dev.causal4j.InputException;
import dev.causal4j.NonFiniteException;
import dev.causal4j.compute.Compute;
import dev.causal4j.compute.Rows;
import dev.causal4j.json.Sha256;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.ModelConfig;
import dev.causal4j.model.SmallModels;
import dev.causal4j.scoring.LlamaPerplexity.Result;
import dev.causal4j.scoring.LlamaPerplexity.Task;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Matrix;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CancellationException;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Expected figures are those of the program's rules with the same model in float64. */
class LlamaPerplexityTest {
    private static final Path FIXTURES = Path.of("src/test/resources/dev/causal4j");
    private static final Path FILES = FIXTURES.resolve("scoring/llama");
    private static final int ALL = Integer.MAX_VALUE;

    private static CausalLM model;
    private static JsonNode expected;
    private static String austen;

    @TempDir
    private Path folder;

    @BeforeAll
    static void load() throws IOException {
        model = CausalLM.load(FIXTURES.resolve("stories260K/stories260K.gguf"));
        expected = JsonMapper.shared().readTree(Files.readAllBytes(FILES.resolve("llama-perplexity.json")));
        austen = Files.readString(FILES.resolve("austen.txt"));
    }

    @AfterAll
    static void close() {
        model.close();
    }

    private static LlamaPerplexity figures() {
        return new LlamaPerplexity(model);
    }

    private static Result perplexity(int context, int chunks) throws IOException {
        return figures().perplexity(austen, context, chunks, null, ScoringListener.NONE);
    }

    private static double figure(Result result, String name) {
        return Objects.requireNonNull(result.figures().get(name), name).doubleValue();
    }

    private static void agree(Result made, JsonNode all, double tolerance) {
        all.properties().forEach(each -> {
            if (each.getValue().isNumber()) {
                double value = each.getValue().asDouble();
                assertThat(figure(made, each.getKey()))
                        .as(each.getKey())
                        .isCloseTo(value, within(Math.max(tolerance * Math.abs(value), 5e-7)));
            }
        });
    }

    @Test
    void perplexitiesAreThoseOfTheProgram() throws IOException {
        for (JsonNode each : expected.get("perplexity")) {
            Result made = perplexity(each.get("context").asInt(), ALL);
            assertThat(made.figures().sequencedKeySet())
                    .containsExactlyElementsOf(each.propertyNames().stream().toList());
            agree(made, each, 5e-7);
            assertThat(figure(made, "perplexity"))
                    .isCloseTo(each.get("perplexity").asDouble(), within(5e-5));
        }
    }

    @Test
    void statisticsOfABaseFileAreThoseOfTheProgram() throws IOException {
        Result made = figures().compare(FILES.resolve("base.kld"), ALL, ScoringListener.NONE);
        agree(made, expected.get("kl"), 2e-5);
        assertThat(made.figures()).containsEntry("chunks", 4).containsEntry("context", 128);
        assertThat(made.bits()).isEqualTo(perplexity(128, 4).bits());
    }

    @Test
    void rowsOfABaseFileHaveTheBytesOfTheProgram() {
        for (JsonNode each : expected.get("base_rows")) {
            float[] logits = new float[each.get("logits").size()];
            for (int i = 0; i < logits.length; i++) {
                logits[i] = each.get("logits").get(i).floatValue();
            }
            ByteBuffer row = new KlBaseFile(folder, 4, logits.length, 1).encode(Rows.of(logits, logits.length, 1));
            String hex = HexFormat.of().formatHex(row.array(), row.arrayOffset(), row.arrayOffset() + row.capacity());
            assertThat(hex).as("%s", each).isEqualTo(each.get("hex").asString());
        }
    }

    @Test
    void aBaseFileOfTheSameModelDoesNotDiffer() throws IOException {
        Path base = folder.resolve("base.kld");
        Result saved = figures().perplexity(austen, 129, ALL, base, ScoringListener.NONE);
        assertThat(saved).isEqualTo(perplexity(129, ALL));
        assertThat(Files.size(base)).isEqualTo(20 + 25L * (4 * 129 + 64 * (8 + 2 * 512)));
        Result again = figures().compare(base, ALL, ScoringListener.NONE);
        assertThat(again.bits()).isEqualTo(saved.bits());
        assertThat(figure(again, "kl")).isBetween(-1e-4, 1e-4);
        assertThat(figure(again, "same_top")).isGreaterThanOrEqualTo(0.999);
        assertThat(figure(again, "perplexity")).isEqualTo(figure(saved, "perplexity"));
        assertThat(figure(figures().compare(base, 2, ScoringListener.NONE), "chunks"))
                .isEqualTo(2);
    }

    @Test
    void tasksOfHellaSwagAreThoseOfTheProgram() throws IOException {
        Result made = figures().hellaSwag(Files.readString(FILES.resolve("hellaswag.txt")), ScoringListener.NONE);
        JsonNode all = expected.get("hellaswag");
        for (String name : List.of("acc_norm", "low", "high")) {
            assertThat(figure(made, name)).isCloseTo(all.get(name).asDouble(), within(1e-9));
        }
        assertThat(made.tasks()).hasSize(all.get("tasks").asInt());
        for (int i = 0; i < made.tasks().size(); i++) {
            JsonNode expectedTask = all.get("samples").get(i);
            Task task = made.tasks().get(i);
            assertThat(task.common()).isEqualTo(expectedTask.get("common").asInt());
            assertThat(task.gold()).isEqualTo(expectedTask.get("gold").asInt());
            for (int ending = 0; ending < 4; ending++) {
                double mean = expectedTask.get("means").get(ending).asDouble();
                assertThat(task.means().get(ending)).isCloseTo(mean, within(2e-4));
            }
        }
    }

    /** A chunk is a document, and each has one request. */
    @Test
    void theDigestIsThatOfTheChunksAlone() throws Exception {
        int[] tokens =
                model.requireTokenizer().withPrefix(model.requireTokenizer().encode(austen));
        var task = Sha256.begin();
        for (int i = 0; i < 3; i++) {
            int[] before = Arrays.copyOfRange(tokens, i * 77, i * 77 + 39);
            before[0] = 1;
            ScoringRequest request = new ScoringRequest(before, Arrays.copyOfRange(tokens, i * 77 + 39, i * 77 + 77));
            String bits = new Scorer(model)
                    .score(List.of(request), ScoringOptions.DEFAULT, ScoringListener.NONE)
                    .getFirst()
                    .bits();
            task.update(Sha256.begin().digest(HexFormat.of().parseHex(bits.replace("sha256:", ""))));
        }
        assertThat(perplexity(77, 3).bits())
                .isEqualTo("sha256:" + HexFormat.of().formatHex(task.digest()));
    }

    @Test
    void bitsAreEqualForAllThreadsAndSteps() throws IOException {
        String hella = Files.readString(FILES.resolve("hellaswag.txt"));
        Path given = FILES.resolve("base.kld");
        Result text = perplexity(100, 7);
        Result tasks = figures().hellaSwag(hella, ScoringListener.NONE);
        Result statistics = figures().compare(given, 2, ScoringListener.NONE);
        byte[] base = saved(figures());
        int threads = Compute.shared().threads();
        try {
            for (int count : new int[] {1, 2}) {
                Compute.shared().use(count);
                for (int step : new int[] {0, 13, 512}) {
                    LlamaPerplexity other = new LlamaPerplexity(model, step);
                    assertThat(other.perplexity(austen, 100, 7, null, ScoringListener.NONE))
                            .isEqualTo(text);
                    assertThat(other.compare(given, 2, ScoringListener.NONE)).isEqualTo(statistics);
                    assertThat(saved(other)).isEqualTo(base);
                }
                assertThat(figures().hellaSwag(hella, ScoringListener.NONE)).isEqualTo(tasks);
            }
        } finally {
            Compute.shared().use(threads);
        }
    }

    /** The digests of all kernels: the test runs with each. */
    @Test
    void bitsAreEqualForAllKernels() throws IOException {
        assertThat(perplexity(128, ALL).bits())
                .isEqualTo("sha256:7558562fb58468b253027f25359d34305eff0bc4dc9403e5a608d8dcbd4fbfb1");
        assertThat(figures()
                        .hellaSwag(Files.readString(FILES.resolve("hellaswag.txt")), ScoringListener.NONE)
                        .bits())
                .isEqualTo("sha256:7521e3bf312767fab5f26420fbda6157fbf471812b24ca51ccdca2cda099fe87");
        assertThat(Sha256.hex(saved(figures())))
                .isEqualTo("d078d99faed39e860dbf51882ff005f6643c7bf9919fd6aef90404ee870707b2");
    }

    private byte[] saved(LlamaPerplexity figures) throws IOException {
        Path base = folder.resolve("saved.kld");
        figures.perplexity(austen, 65, 3, base, ScoringListener.NONE);
        return Files.readAllBytes(base);
    }

    private void refused(byte[] bytes, String message) throws IOException {
        Path file = folder.resolve("hostile.kld");
        Files.write(file, bytes);
        assertThatThrownBy(() -> figures().compare(file, ALL, ScoringListener.NONE))
                .isInstanceOf(FormatException.class)
                .hasMessageStartingWith(file + ": expected ")
                .hasMessageContaining(message)
                .hasMessageNotContaining("\n");
    }

    @Test
    void aHostileBaseFileIsRefused() throws IOException {
        byte[] whole = Files.readAllBytes(FILES.resolve("base.kld"));
        for (int length : new int[] {0, 7, 19}) {
            refused(Arrays.copyOf(whole, length), "20 more bytes, got " + length);
        }
        for (int length : new int[] {whole.length - 1, whole.length + 1}) {
            refused(Arrays.copyOf(whole, length), "a head and 4 chunks of 65528 bytes, got " + length + " bytes");
        }
        refused(changed(0, 0x1234), "a base file of llama-perplexity, got another file");
        for (int context : new int[] {-1, 0, 2, 513, Integer.MIN_VALUE, Integer.MAX_VALUE}) {
            refused(changed(8, context), "chunks of 3 to 512 tokens, got " + context);
        }
        for (int v : new int[] {-1, 0, 511, Integer.MAX_VALUE}) {
            refused(changed(12, v), "a vocabulary of 512, got " + v);
        }
        for (int chunks : new int[] {Integer.MIN_VALUE, -1, 0, 3, 5, 1 << 24, Integer.MAX_VALUE}) {
            refused(changed(16, chunks), "a head and " + chunks + " chunks of ");
        }
        for (int token : new int[] {-1, 512, Integer.MAX_VALUE}) {
            refused(changed(20 + 4 * 130, token), "token ids 0 to 511, got " + token);
        }
        int rows = 20 + 4 * 4 * 128;
        int row = rows + 65 * (8 + 2 * 512); // of chunk 1
        for (float wrong : new float[] {Float.NaN, Float.POSITIVE_INFINITY, -1e-9f, 1}) {
            refused(changed(row, Float.floatToIntBits(wrong)), "logarithms of at most 0, got ");
        }
        for (float wrong : new float[] {Float.NaN, Float.NEGATIVE_INFINITY, 1}) {
            refused(changed(row + 4, Float.floatToIntBits(wrong)), "logarithms of at most 0, got ");
        }
        assertThatThrownBy(() -> figures().compare(folder, ALL, ScoringListener.NONE))
                .isInstanceOf(FormatException.class)
                .hasMessageContaining("got a folder");
    }

    /** It says as much as its size allows, and has no bytes on the disk. */
    @Test
    void aSparseBaseFileTakesAsMuchMemoryAsIsComputed() throws IOException {
        int chunks = 1 << 20;
        Path sparse = folder.resolve("sparse.kld");
        ByteBuffer head = ByteBuffer.wrap(Files.readAllBytes(FILES.resolve("base.kld")), 0, 20)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(8, 3)
                .putInt(16, chunks);
        try (FileChannel channel = FileChannel.open(sparse, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
            channel.write(head);
            channel.write(ByteBuffer.allocate(1), 20 + chunks * (12L + 8 + 2 * 512) - 1);
        }
        var threads = (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
        long before = threads.getCurrentThreadAllocatedBytes();
        assertThatThrownBy(() -> figures().compare(sparse, ALL, (done, all) -> {
                    assertThat(all).isEqualTo(chunks);
                    return done < 3;
                }))
                .isInstanceOf(CancellationException.class)
                .hasMessage("scoring: cancelled after 3 of " + chunks + " tokens");
        assertThat(threads.getCurrentThreadAllocatedBytes() - before).isLessThan(64 << 20);
    }

    /** A reader of the head alone finds what {@code compare} would find after the model was loaded. */
    @Test
    void theHeadIsCheckedWithoutAModel() throws IOException {
        ModelConfig config = model.config();
        LlamaPerplexity.check(FILES.resolve("base.kld"), config);
        Path wrong = folder.resolve("wrong.kld");
        Files.write(wrong, changed(12, 511));
        assertThatThrownBy(() -> LlamaPerplexity.check(wrong, config))
                .hasMessage(wrong + ": expected a vocabulary of 512, got 511; write it again");
    }

    /** One number has no deviation, and equal ones none. */
    @Test
    void aSingleTokenHasAnErrorOfZero() throws IOException {
        Result made = perplexity(3, 1);
        assertThat(made.figures()).containsEntry("scored", 1).containsEntry("error", 0.0);
        Path base = folder.resolve("base.kld");
        figures().perplexity(austen, 3, 1, base, ScoringListener.NONE);
        assertThat(figures().compare(base, ALL, ScoringListener.NONE).figures())
                .containsEntry("kl_error", 0.0)
                .containsEntry("ln_ratio_error", 0.0);
    }

    @Test
    void errorsNameTheChunkOrTaskOfTheWholeFile() throws IOException {
        Matrix good = model.head().embedding();
        String text = "Lily saw a dog. ".repeat(40);
        int[] tokens = model.requireTokenizer().encode(text + "Q" + text);
        int q = model.requireTokenizer().encode("Q")[model.requireTokenizer().encode("Q").length - 1];
        Matrix bad = Matrix.of(Device.shared(), DType.F32, good.rows(), good.cols(), (n, row) -> {
            good.row(n, row, 0);
            row[5] = n == q ? Float.NaN : row[5];
        });
        CausalLM head = SmallModels.withHead(model, bad, good);
        LlamaPerplexity damaged =
                new LlamaPerplexity(CausalLM.of("damaged", head.config(), head, model.requireTokenizer()));
        int place = 1
                + IntStream.range(0, tokens.length)
                        .filter(i -> tokens[i] == q)
                        .findFirst()
                        .orElseThrow();
        assertThatThrownBy(() -> damaged.perplexity(text + "Q" + text, 16, ALL, null, ScoringListener.NONE))
                .isInstanceOf(NonFiniteException.class)
                .hasMessageStartingWith("chunk " + (1 + place / 16) + ", logits of row ");
        String task = "Lily saw\n0\na dog.\na cat.\nTom.\na ball.\n";
        assertThatThrownBy(() -> damaged.hellaSwag(task.repeat(70) + task.replace("cat", "Qat"), ScoringListener.NONE))
                .isInstanceOf(NonFiniteException.class)
                .hasMessageStartingWith("task 71, logits: expected finite numbers, got a hidden vector with NaN");
    }

    private static byte[] changed(int at, int number) throws IOException {
        byte[] bytes = Files.readAllBytes(FILES.resolve("base.kld"));
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putInt(at, number);
        return bytes;
    }

    @Test
    void whatCannotBeScoredIsRefused() {
        assertThatThrownBy(() -> figures().perplexity("Lily saw a dog.", 16, ALL, null, ScoringListener.NONE))
                .isInstanceOf(InputException.class)
                .hasMessageStartingWith(
                        "text: expected a context of 3 to 512 tokens, twice that and at least a chunk, got 16, ");
        for (int context : new int[] {2, 513}) {
            assertThatThrownBy(() -> perplexity(context, ALL)).isInstanceOf(InputException.class);
        }
        assertThatThrownBy(() -> perplexity(16, 0)).isInstanceOf(InputException.class);
        String task = "Lily saw\n%s\na dog.\na cat.\n%s\nTom.";
        for (String wrong : List.of(
                "a\nb",
                "",
                task.formatted("4", "x"),
                task.formatted("x", "y"),
                "Lily saw\n0\na dog.\na dog.\na dog.\na dog.")) {
            assertThatThrownBy(() -> figures().hellaSwag(wrong, ScoringListener.NONE))
                    .isInstanceOf(InputException.class)
                    .hasMessageMatching("task 1[:,] .*expected .*");
        }
        assertThatThrownBy(() -> new LlamaPerplexity(SmallModels.bare(model)))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageStartingWith("tokenizer: expected");
    }

    @Test
    void aCancelledRunLeavesNoFile() throws IOException {
        Path base = folder.resolve("base.kld");
        List<Long> done = new ArrayList<>();
        assertThatThrownBy(() -> figures().perplexity(austen, 64, ALL, base, (part, all) -> {
                    done.add(part);
                    return part < all / 2;
                }))
                .isInstanceOf(CancellationException.class)
                .hasMessageStartingWith("scoring: cancelled after");
        Thread.currentThread().interrupt();
        List<ThrowingCallable> all = List.of(
                () -> figures().perplexity(austen, 64, ALL, null, ScoringListener.NONE),
                () -> figures().perplexity(austen, 64, ALL, base, ScoringListener.NONE),
                () -> figures().compare(FILES.resolve("base.kld"), ALL, ScoringListener.NONE),
                () -> figures().hellaSwag("Lily saw\n0\na dog.\na cat.\nTom.\na ball.", ScoringListener.NONE));
        for (ThrowingCallable each : all) {
            assertThatThrownBy(each)
                    .isInstanceOf(CancellationException.class)
                    .hasMessageStartingWith("scoring: cancelled");
        }
        assertThatThrownBy(() -> figures().perplexity(austen, 64, 2, base, (_, _) -> {
                    Thread.currentThread().interrupt(); // in the last chunk: only the file notices
                    return true;
                }))
                .isInstanceOf(CancellationException.class);
        assertThat(Thread.interrupted()).isTrue();
        assertThat(done).isSorted().hasSizeGreaterThan(1);
        try (Stream<Path> left = Files.list(folder)) {
            assertThat(left).isEmpty();
        }
    }

    @Test
    void progressIsCountedOverAllChunks() throws IOException {
        List<Long> done = new ArrayList<>();
        String text = austen.repeat(12); // several calls
        long chunks = (1L + model.requireTokenizer().encode(text).length) / 64;
        Result made = figures().perplexity(text, 64, ALL, null, (part, all) -> {
            assertThat(all).isEqualTo(31L * chunks);
            done.add(part);
            return true;
        });
        assertThat(made.figures()).containsEntry("chunks", (int) chunks);
        assertThat(done).isSorted().hasSize((int) chunks).endsWith(31 * chunks);
    }
}
