package dev.causal4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.JavaProcess;
import dev.causal4j.MemoryLimitException;
import dev.causal4j.Whole;
import dev.causal4j.compute.Rows;
import dev.causal4j.decoder.Activations;
import dev.causal4j.decoder.Batch;
import dev.causal4j.decoder.KVCache;
import dev.causal4j.decoder.LowRank;
import dev.causal4j.decoder.Parameters;
import dev.causal4j.generation.FinishReason;
import dev.causal4j.generation.Generation;
import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.generation.Generator;
import dev.causal4j.kernel.choice.Kernels;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Matrix;
import dev.causal4j.tokenizer.Tokenizer;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import java.util.concurrent.Callable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

class CausalLMTest {
    private static final ModelConfig CONFIG = SmallModels.gpt2(31, 9, 12, 2, 3);

    private final CausalLM parts = CausalLM.create(CONFIG, 1, DType.F32);

    @Test
    void aModelOfPartsTakesTokenIds() {
        CausalLM model = parts.with(parts);
        assertThat(Logits.of(model, 30, 0, 7)).isEqualTo(Logits.of(parts, 30, 0, 7));
        GenerationOptions options = GenerationOptions.DEFAULT.withTemperature(0).withMaxNewTokens(4);
        Generation generation = new Generator(model).generate(new int[] {5}, options);
        assertThat(generation.tokens()).hasSize(4);
        assertThat(generation.text()).isEmpty();
        assertThat(generation.finishReason()).isEqualTo(FinishReason.LENGTH);
    }

    @Test
    void textAskedOfAModelWithoutTokenizerIsAnErrorThatSaysWhatToDo() {
        CausalLM model = parts.with(parts);
        Generator generator = new Generator(model);
        GenerationOptions options = GenerationOptions.DEFAULT;
        assertThatThrownBy(model::requireTokenizer)
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContainingAll("tokenizer.json", "merges.txt", "got none", "--tokens");
        assertThatThrownBy(() -> generator.generate("text", options))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("--tokens");
        assertThatThrownBy(() -> generator.generate(new int[] {1}, options.withStop(List.of("end"))))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("--tokens");
    }

    @Test
    void anEmptyPromptStartsFromBosOrIsAnError() {
        GenerationOptions options = GenerationOptions.DEFAULT.withMaxNewTokens(1);
        CausalLM withBos = CausalLM.of("bos", CONFIG.withSpecialIds(OptionalInt.of(30), Set.of()), parts, null);
        assertThat(new Generator(withBos).generate(new int[0], options).promptTokens())
                .containsExactly(30);
        Generator without = new Generator(parts.with(parts));
        assertThatThrownBy(() -> without.generate(new int[0], options))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("no BOS token");
    }

    @Test
    void partsThatDoNotFitAreRefused() throws IOException {
        CausalLM wider = CausalLM.create(SmallModels.gpt2(31, 9, 15, 2, 3), 1, DType.F32);
        assertThatThrownBy(() -> parts.with(wider))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("embedding.weight: expected [31, 12], got [31, 15]");
        Tokenizer larger = tokenizer();
        assertThatThrownBy(() -> CausalLM.create(CONFIG, 1, DType.F32, larger))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("tokenizer: expected at most the head's 31 entries, got 2048");
    }

    @Test
    void anIdAfterTheTokenizersLastEndsNoText() throws IOException {
        ModelConfig padded =
                SmallModels.gpt2(2050, 9, 12, 2, 3).withSpecialIds(OptionalInt.empty(), Set.of(5, 2047, 2048));
        try (CausalLM model = CausalLM.create(padded, 1, DType.F32, tokenizer())) {
            assertThat(model.eos()).containsExactlyInAnyOrder(5, 2047);
        }
    }

    @Test
    void aClosedModelHasNoMemoryAndMayBeClosedAgain() {
        CausalLM merged = parts.merged();
        assertThat(Logits.of(merged, 1, 2, 3)).isEqualTo(Logits.of(parts, 1, 2, 3));
        MemorySegment panels = merged.head().embedding().panelData();
        merged.close();
        merged.close();
        assertThat(panels.scope().isAlive()).isFalse();
        parts.with(parts).close();
        assertThat(parts.head().embedding().panelData().scope().isAlive()).isTrue();
    }

    @Test
    void anotherVocabularyKeepsTheRest() {
        CausalLM larger = parts.withVocabularySize(33);
        assertThat(larger.config()).isEqualTo(CONFIG.withVocabularySize(33));
        assertThat(larger.head().tied()).isTrue();
        assertThat(Arrays.copyOf(Logits.of(larger, 1), 31)).isEqualTo(Logits.of(parts, 1));
    }

    @Test
    void modelsGiveTheirMemoryBack(@TempDir Path folder) throws IOException {
        Map<String, LowRank> adapters = new HashMap<>();
        parts.config().specs().stream().filter(spec -> spec.role().isLinear()).forEach(spec -> {
            Matrix down = Matrix.of(Device.shared(), DType.F32, 2, spec.cols(), (n, row) -> {});
            Matrix up = Matrix.of(Device.shared(), DType.F32, spec.rows(), 2, (n, row) -> {});
            adapters.put(spec.name(), new LowRank(down, up, 1));
        });
        parts.with(Parameters.of(parts::matrix, parts::vector, adapters)).saveAdapter(folder);
        Logits.of(parts, 1);
        long free = Device.freeBytes();
        for (int i = 0; i < 2; i++) {
            for (Callable<CausalLM> derived : List.<Callable<CausalLM>>of(
                    () -> parts.with(parts),
                    () -> parts.withVocabularySize(33),
                    () -> parts.withAdapter(folder),
                    parts::merged,
                    () -> CausalLM.create(CONFIG, 1, DType.F32))) {
                try (CausalLM model = derived.call()) {
                    Logits.of(model, 1, 2, 3);
                    assertThat(Device.freeBytes()).isLessThan(free);
                } catch (Exception e) {
                    throw new AssertionError(e);
                }
                assertThat(Device.freeBytes()).isEqualTo(free);
            }
        }
        assertThat(Logits.of(parts, 1)).hasSize(31);
    }

    /** There is room for some of the model's parameters only. */
    @Test
    void aModelThatDoesNotFitIsRefusedBeforeItIsMade() throws IOException, InterruptedException {
        String folder = Golden.folder("gpt2-tied").toString();
        String file = Golden.folder("gguf").resolve("llama-mix-q4_k_m.gguf").toString();
        String line = "memory: expected at most 1 MB for weights and caches, got 1 MB more with 0 MB in use;"
                + " choose a smaller dtype, or raise the limit with -Dcausal4j.memory=BYTES";
        assertThat(JavaProcess.run(0, List.of("-Dcausal4j.memory=40k"), Loading.class, folder, file))
                .filteredOn(line::equals)
                .hasSize(3);
    }

    static final class Loading {
        private Loading() {}

        public static void main(String[] args) throws IOException {
            long free = Device.freeBytes();
            for (String path : args) {
                try (CausalLM model = CausalLM.load(Path.of(path))) {
                    System.out.println(model);
                } catch (MemoryLimitException e) {
                    System.out.println(Device.freeBytes() == free ? e.getMessage() : "something was kept");
                }
            }
            try (CausalLM model = CausalLM.create(CONFIG, 1, DType.F32)) {
                System.out.println(model);
            } catch (MemoryLimitException e) {
                System.out.println(e.getMessage());
            }
        }
    }

    @Test
    void keysAndValuesCountAgainstTheLimitOfTheProcess() {
        long free = Device.freeBytes();
        assertThatThrownBy(() -> CausalLM.random(CONFIG, 1, LoadOptions.DEFAULT.withCacheBytes(1L << 50)))
                .isInstanceOf(MemoryLimitException.class)
                .hasMessageStartingWith("memory: expected at most ");
        assertThat(Device.freeBytes()).isEqualTo(free);
    }

    @Test
    void derivedModelsKeepDtypeAndBytesOfTheirCaches() {
        long most = 1 << 20;
        CausalLM narrow = CausalLM.random(
                CONFIG, 1, LoadOptions.DEFAULT.withCached(DType.BF16).withCacheBytes(most));
        int pages = narrow.decoder().pool().freePages();
        assertThat(pages).isEqualTo((int) (most / narrow.decoder().pool().pageBytes()));
        long bytes = narrow.decoder().pool().pageBytes();
        assertThat(bytes).isNotEqualTo(parts.decoder().pool().pageBytes());
        for (CausalLM derived : List.of(narrow.with(narrow), narrow.withVocabularySize(33), narrow.merged())) {
            assertThat(derived.decoder().pool().pageBytes()).isEqualTo(bytes);
            assertThat(derived.decoder().pool().freePages()).isEqualTo(pages);
        }
    }

    @Test
    void aModelDescribesItselfInALine() {
        assertThat(parts)
                .hasToString("gpt2: gpt2 in f32, 2 layers of 12, 31 tokens, context of 9, 4272 parameters, 0 MB");
        assertThat(new Generator(parts)).hasToString("Generator of " + parts);
        assertThat(LoadOptions.DEFAULT.withDtype(DType.BF16).toString())
                .matches(
                        "LoadOptions\\[dtype=bf16, cached=f32, cacheBytes=a quarter, threads=\\d+, merged=none, digests=false]");
    }

    private static Tokenizer tokenizer() throws IOException {
        try (InputStream in = CausalLMTest.class.getResourceAsStream("/dev/causal4j/tokenizer/tokenizer.json")) {
            return Tokenizer.fromJson("austen", in.readAllBytes());
        }
    }

    @Test
    void aTokenOutsideTheVocabularyLeavesEveryCacheAsItWas() {
        KVCache first = parts.newCache();
        KVCache second = parts.newCache();
        Activations activations = new Activations();
        parts.forward(Batch.of(first, 1, 2, 3), activations);
        Batch batch =
                new Batch(List.of(new Batch.Chunk(first, new int[] {4}), new Batch.Chunk(second, new int[] {5, 31})));
        assertThatThrownBy(() -> parts.forward(batch, activations))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("token id at position 2: expected 0 to 30, got 31");
        assertThatThrownBy(() -> parts.forward(Batch.of(first, -1), activations))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("token id at position 0: expected 0 to 30, got -1");
        assertThat(first.length()).isEqualTo(3);
        assertThat(second.length()).isZero();
        assertContinues(first);
    }

    @Test
    void pastTheContextIsAnErrorWithBothNumbersThatLeavesTheCacheAsItWas() {
        KVCache cache = parts.newCache();
        assertThatThrownBy(() -> Batch.of(cache, new int[10]))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContainingAll("at most 9 tokens", "got 10");
        parts.forward(Batch.of(cache, 1, 2, 3), new Activations());
        assertThatThrownBy(() -> Batch.of(cache, new int[7]))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContainingAll("at most 9 tokens", "got 10 (3 of them cached)");
        assertThat(cache.length()).isEqualTo(3);
        assertContinues(cache);
    }

    /** Two batches may be made for one cache before either runs; the second must still see that there is no room. */
    @Test
    void aBatchThatWasMadeBeforeTheCacheFilledIsRefused() {
        KVCache cache = parts.newCache();
        Batch first = Batch.of(cache, new int[5]);
        Batch second = Batch.of(cache, new int[6]);
        Activations activations = new Activations();
        parts.forward(first, activations);
        assertThatThrownBy(() -> parts.forward(second, activations))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContainingAll("at most 9 tokens", "got 11 (5 of them cached)");
        assertThat(cache.length()).isEqualTo(5);
    }

    @Test
    void someRowsAloneCannotBeTrained() {
        KVCache cache = parts.newCache();
        assertThatThrownBy(() ->
                        parts.forward(Batch.last(cache, 1, 2, 3), Activations.forTraining(2, Activations.Keep.INPUTS)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("batch: expected all rows to be wanted for training, got some");
        assertThat(cache.length()).isZero();
    }

    @Test
    void aLastBlockThatThrowsLeavesTheCacheAsItWas() {
        Activations activations = new Activations();
        CausalLM model;
        KVCache cache;
        try (Arena arena = Arena.ofShared()) {
            model = parts.with(SmallModels.replacing(
                    parts, spec -> spec.name().equals("layers.1.down.weight") ? in(arena, parts.matrix(spec)) : null));
            cache = model.newCache();
            model.forward(Batch.last(cache, 1, 2, 3), activations);
        }
        assertThatThrownBy(() -> model.forward(Batch.last(cache, 4, 5), activations))
                .isInstanceOf(IllegalStateException.class)
                .hasMessage("Already closed");
        assertThat(cache.length()).isEqualTo(3);
    }

    private static Matrix in(Arena arena, Matrix matrix) {
        MemorySegment panels = matrix.panelData();
        return Matrix.ofPanels(
                Device.shared(),
                matrix.format(),
                matrix.rows(),
                matrix.cols(),
                arena.allocate(panels.byteSize(), 64).copyFrom(panels));
    }

    /** After a cache of 1, 2, 3 the rest of the context has the bits that it has without a cache. */
    private void assertContinues(KVCache cache) {
        Rows hidden = parts.forward(Batch.of(cache, 4, 5, 6, 7, 8, 9), new Activations());
        float[] all = Logits.of(parts, 1, 2, 3, 4, 5, 6, 7, 8, 9);
        float[] last = new float[31];
        System.arraycopy(all, 8 * 31, last, 0, 31);
        assertThat(parts.head().logits(hidden, 5)).isEqualTo(last);
        assertThat(cache.length()).isEqualTo(9);
    }

    @Test
    void aTiedEmbeddingCountsOnce() {
        long block = 4 * 12 + 12 * 36 + 36 + 12 * 12 + 12 + 12 * 48 + 48 + 48 * 12 + 12;
        long expected = 31 * 12 + 9 * 12 + 2 * block + 2 * 12;
        assertThat(parts.parameters()).isEqualTo(expected);
        assertThat(CausalLM.create(CONFIG.withTied(false), 1, DType.F32).parameters())
                .isEqualTo(expected + 31 * 12);
    }

    @Test
    @EnabledIfSystemProperty(named = Whole.PROPERTY, matches = "true")
    void aProgramThatWaitsHasTheVectorsOfEachModelCompiled() throws IOException, InterruptedException {
        assertThat(JavaProcess.run(0, List.of(JavaProcess.VECTORS), Waiting.class))
                .containsSubsequence("scalar", Kernels.name(), "scalar", Kernels.name(), Kernels.name());
    }

    static final class Waiting {
        private Waiting() {}

        public static void main(String[] args) throws InterruptedException {
            for (DType dtype : List.of(DType.BF16, DType.F16, DType.BF16)) {
                CausalLM.create(CONFIG, 1, dtype).warmUp();
                System.out.println(Kernels.state());
                long end = System.nanoTime() + 60_000_000_000L;
                while (Kernels.state().equals("scalar") && System.nanoTime() < end) {
                    Thread.sleep(5);
                }
                System.out.println(Kernels.state());
            }
        }
    }
}
