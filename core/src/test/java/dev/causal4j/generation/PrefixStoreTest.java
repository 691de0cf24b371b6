package dev.causal4j.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.Whole;
import dev.causal4j.decoder.PagePool;
import dev.causal4j.generation.PrefixStore.Entry;
import dev.causal4j.generation.PrefixStore.Verification;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.SmallModels;
import dev.causal4j.tensor.DType;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.function.BooleanSupplier;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Prefixes that were written to a folder are read by another engine, with the same bits. */
class PrefixStoreTest extends PrefixStoreFixture {
    /** With states a prompt continues from its last full page, without any from all of its tokens but the last. */
    @ParameterizedTest
    @CsvSource({
        "gpt2, F32, 640, 640",
        "gpt2, BF16, 640, 640",
        "qwen3-tied, BF16, 640, 640",
        "llama-llama3, F32, 640, 640",
        "gemma3, F32, 640, 640",
        "gemma2, BF16, 640, 640",
        "qwen3_5, F32, 640, 1024",
        "lfm2, F32, 640, 1024",
        "granite4-h, BF16, 640, 1024"
    })
    void aPromptContinuesFromItsPagesInTheFolder(String name, DType cached, int second, int third) throws IOException {
        load(name, cached);
        int[] prompt = prompt(1, 700);
        assertThat(assertEqual(prompt)).isZero();
        assertThat(assertEqual(prompt)).isEqualTo(second);
        int[] longer = joined(prompt, prompt(2, 500));
        assertThat(assertEqual(longer)).as("or from the end of the first text").isBetween(second, 705);
        assertThat(assertEqual(joined(IntStream.of(longer).limit(1150).toArray(), prompt(3, 20))))
                .isEqualTo(third == 640 ? 1088 : third);
        Verification all = PrefixStore.open(folder(), 0).verify(model, 0);
        assertThat(all.wrong()).isEmpty();
        assertThat(all.others()).isZero();
        assertThat(all.verified()).isEqualTo(files().size()).isGreaterThan(17);
    }

    /** A finished conversation continues in another engine from its pages. The last of them is not full. */
    @ParameterizedTest
    @ValueSource(strings = {"gpt2", "qwen3_5"})
    void aConversationContinuesFromTheEndOfItsAnswer(String name) throws IOException {
        load(name, DType.F32);
        int[] prompt = prompt(1, 300);
        Generation answer;
        try (Engine engine = engine()) {
            answer = generate(engine, prompt, options().withMaxNewTokens(40).withMinNewTokens(40));
        }
        assertThat(answer.tokens()).hasSize(40);
        int[] next = joined(joined(prompt, answer.tokens()), prompt(2, 30));
        assertThat(assertEqual(next)).isEqualTo(name.equals("gpt2") ? 320 : 339);
        assertThat(PrefixStore.open(folder(), 0).verify(model, 0).wrong()).isEmpty();
    }

    @Test
    void shortPrefixesAreComputed() throws IOException {
        load("gpt2", DType.F32);
        GenerationOptions one = options().withMaxNewTokens(1);
        assertThat(assertEqual(prompt(1, 255), one)).isZero();
        assertThat(files()).isEmpty();
        assertThat(assertEqual(prompt(1, 256), one)).isZero();
        assertThat(files()).hasSize(4);
        assertThat(assertEqual(prompt(1, 257))).isEqualTo(256);
    }

    /** Sequences without a salt share nothing, and of others only those with the same. */
    @Test
    void saltsTellTenantsApart() throws IOException {
        load("gpt2", DType.F32);
        int[] prompt = prompt(1, 400);
        assertEqual(prompt, options().uncached());
        assertThat(files()).isEmpty();
        assertEqual(prompt, options().withCacheSalt("one"));
        assertThat(files()).hasSize(6);
        for (GenerationOptions other :
                List.of(options(), options().uncached(), options().withCacheSalt("two"))) {
            assertThat(assertEqual(prompt, other)).isZero();
        }
        assertThat(files()).hasSize(18);
        assertThat(assertEqual(prompt, options().withCacheSalt("one"))).isEqualTo(384);
    }

    @Test
    void otherModelsAndDtypesHaveOtherNames() throws IOException {
        int[] prompt = prompt(1, 400);
        for (DType cached : List.of(DType.F32, DType.BF16)) {
            load("gpt2", cached);
            assertThat(assertEqual(prompt)).isZero();
            assertThat(assertEqual(prompt)).isEqualTo(384);
            deleteModel();
        }
        assertThat(PrefixStore.open(folder(), 0).list().stream()
                        .map(Entry::model)
                        .distinct())
                .hasSize(2);
        Verification some = PrefixStore.open(folder(), 0).verify(model, 0);
        assertThat(some).isEqualTo(new Verification(6, List.of(), 6));
        try (CausalLM plain = CausalLM.create(SmallModels.gpt2(VOCABULARY, 300, 40, 2, 4), 5, DType.F32)) {
            EngineOptions options = EngineOptions.DEFAULT.withPrefixStore(PrefixStore.open(folder(), 0));
            assertThatThrownBy(() -> new Engine(plain, options))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("withDigests(true)");
        }
    }

    private void deleteModel() throws IOException {
        Path models = temporary.resolve("models/gpt2");
        for (Path file : List.of(models.resolve("config.json"), models.resolve("model.safetensors"))) {
            Files.delete(file);
        }
    }

    /** Many sequences at once, little memory, and a bound that deletes files while they are read. */
    @ParameterizedTest
    @ValueSource(strings = {"gpt2", "qwen3_5"})
    void sequencesTogetherHaveTheBitsOfEachAlone(String name) throws IOException {
        load(name, DType.F32);
        long page =
                model.decoder().pool().pageBytes() + 2 * model.decoder().pool().stateBytes();
        List<int[]> texts = IntStream.range(0, 24)
                .mapToObj(i -> joined(
                        IntStream.of(prompt(i % 3, 1500)).limit(300 + 40 * i).toArray(), prompt(20 + i, i)))
                .toList();
        for (long bytes : List.of(40 * page, PrefixStore.DEFAULT_BYTES, PrefixStore.DEFAULT_BYTES)) {
            try (Engine alone = new Engine(model);
                    Engine engine = engine(bytes)) {
                List<CompletableFuture<Generation>> all = texts.stream()
                        .map(text -> engine.submit(new GenerationRequest(text, options()), TokenListener.NONE))
                        .toList();
                for (int i = 0; i < texts.size(); i++) {
                    assertThat(all.get(i).join().predictions())
                            .as("text %d", i)
                            .isEqualTo(generate(alone, texts.get(i), options()).predictions());
                }
            }
        }
        assertThat(PrefixStore.open(folder(), 0).verify(model, 5).wrong()).isEmpty();
    }

    /** More prompts than memory keeps: pages that were read go before those that they follow, and each once. */
    @ParameterizedTest
    @ValueSource(strings = {"gpt2", "qwen3_5"})
    void pagesThatWereReadAreEvictedFromTheirEnd(String name) throws IOException, InterruptedException {
        load(name, DType.F32);
        List<int[]> prompts =
                IntStream.range(0, 9).mapToObj(i -> prompt(i, 900)).toList();
        for (int round = 0; round < 2; round++) {
            try (Engine engine = engine()) {
                for (int[] each : prompts) {
                    Generation made = generate(engine, each, options().withMaxNewTokens(1));
                    int cached = made.timing().cachedTokens(); // a state may be evicted before it is written
                    assertThat(cached).isBetween(512 * round, 896 * round);
                }
                for (int i = 0; i < 3; i++) {
                    generate(engine, prompt(20 + i, 1900), options().uncached());
                    generate(engine, prompt(20 + i, 1900), options());
                }
                PagePool pool = model.decoder().pool();
                await(() -> !pool.reclaim() && pool.freePages() == capacity); // the store holds a page for a moment
            }
        }
    }

    private static void await(BooleanSupplier holds) throws InterruptedException {
        for (int i = 0; i < 2000 && !holds.getAsBoolean(); i++) {
            Thread.sleep(5);
        }
        assertThat(holds.getAsBoolean()).isTrue();
    }

    /** Pages that an engine computed are known by their names, too. */
    @ParameterizedTest
    @ValueSource(strings = {"gpt2", "qwen3_5"})
    void whatIsInMemoryIsNotReadAgain(String name) throws IOException, InterruptedException {
        load(name, DType.F32);
        int[] prompt = prompt(1, 900);
        PagePool pool = model.decoder().pool();
        try (Engine engine = engine()) {
            Generation first = generate(engine, prompt, options());
            await(() -> storedFiles() >= 14);
            Thread.sleep(200); // after the last file
            int free = pool.freePages();
            for (int i = 0; i < 3; i++) {
                Generation again = generate(engine, prompt, options());
                assertThat(again.tokens()).isEqualTo(first.tokens());
                assertThat(again.timing().cachedTokens()).isEqualTo(896);
                await(() -> pool.freePages() == free);
            }
        }
    }

    private long storedFiles() {
        try {
            return PrefixStore.open(folder(), 0).list().size();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    /** Other caches hold all but few pages: reading takes none of a sequence, and no sequence fails. */
    @Test
    void withoutFreePagesPromptsAreComputed() throws IOException {
        load("gpt2", DType.F32);
        int[] prompt = prompt(1, 700);
        assertEqual(prompt);
        for (int free : new int[] {13, 14, 20, 30}) {
            var others = EngineFixture.fill(model, free);
            try {
                try (Engine engine = engine()) {
                    List<CompletableFuture<Generation>> all = IntStream.range(0, 4)
                            .mapToObj(i -> engine.submit(
                                    new GenerationRequest(i < 3 ? prompt : prompt(9, 700), options()),
                                    TokenListener.NONE))
                            .toList();
                    all.forEach(each -> assertThat(each.join().tokens()).hasSize(6));
                }
            } finally {
                others.forEach(each -> each.close());
            }
        }
        assertThat(assertEqual(prompt)).isEqualTo(640);
    }

    /** The page that was used last stays, and the pages before it. */
    @Test
    void theOldestFilesGoFirstAndPagesAfterThoseThatFollowThem() throws IOException {
        load("gpt2", DType.F32);
        int[] one = prompt(1, 600);
        int[] two = joined(IntStream.of(one).limit(320).toArray(), prompt(2, 280));
        int[] three = prompt(3, 600);
        for (int[] each : List.of(one, two, three)) {
            assertEqual(each);
            Instant past = Instant.now().minus(Duration.ofHours(1));
            for (Path file : files()) {
                FileTime used = Files.getLastModifiedTime(file);
                Files.setLastModifiedTime(
                        file, FileTime.from(used.toInstant().isBefore(past) ? past.minusSeconds(9) : past));
            }
        }
        assertThat(files()).hasSize(9 + 4 + 9);
        assertThat(assertEqual(one)).as("renews one time stamp").isEqualTo(576);
        PrefixStore store = PrefixStore.open(folder(), 0);
        long size = store.list().getFirst().bytes();
        assertThat(store.list().getFirst().used()).isAfter(Instant.now().minusSeconds(60));
        assertThat(store.prune(9 * size)).isEqualTo(13);
        assertThat(assertEqual(one)).isEqualTo(576);
        assertThat(store.prune(7 * size + size / 2)).isEqualTo(2);
        assertThat(assertEqual(one, options().withMaxNewTokens(1))).isEqualTo(448);
        int all = files().size();
        assertThat(store.prune(0)).isEqualTo(all);
        assertThat(files()).isEmpty();
    }

    /** Killed while it writes, also while another process writes and reads, in the first prompts or later. */
    @Test
    void afterAKillTheFolderOpensAndAnswersHaveTheirBits() throws Exception {
        Path files = Files.createDirectories(temporary.resolve("models/killed"));
        try (CausalLM made = CausalLM.create(SmallModels.gpt2(VOCABULARY, 2048, 64, 32, 4), 5, DType.F32)) {
            made.save(files, DType.F32);
        }
        load(files, DType.F32);
        List<Generation> expected;
        try (Engine alone = new Engine(model)) {
            expected = EngineFixture.all(
                    alone,
                    IntStream.range(0, StoringProcess.PROMPTS)
                            .mapToObj(StoringProcess::request)
                            .toList());
        }
        assertThat(PrefixStore.open(folder(), 0).list()).isEmpty();
        Random random = new Random(1);
        int read = 0;
        for (int round = 0; round < (Whole.RUN ? 50 : 3); round++) {
            Process process = StoringProcess.begin(files, folder(), round);
            try (BufferedReader lines = process.inputReader()) {
                for (int prompts = random.nextInt(3); prompts > 0; prompts--) {
                    assertThat(lines.readLine()).as("a prompt").isNotNull();
                }
                int before = files().size();
                for (int i = 0; i < 1000 && files().size() <= before; i++) {} // the next are being written
            } finally {
                process.destroyForcibly().waitFor();
            }
            try (Engine engine = engine(30_000_000)) {
                for (int i = 0; i < expected.size(); i++) {
                    Generation actual = engine.submit(StoringProcess.request(i), TokenListener.NONE)
                            .join();
                    assertThat(actual.predictions()).isEqualTo(expected.get(i).predictions());
                    read += actual.timing().cachedTokens();
                }
            }
        }
        assertThat(read).as("tokens").isPositive();
        assertThat(PrefixStore.open(folder(), 0).verify(model, 20).wrong()).isEmpty();
    }
}
