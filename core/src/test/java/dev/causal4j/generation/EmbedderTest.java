package dev.causal4j.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.assertj.core.api.Assertions.within;

import dev.causal4j.InputException;
import dev.causal4j.compute.Compute;
import dev.causal4j.compute.Rows;
import dev.causal4j.decoder.Activations;
import dev.causal4j.decoder.Batch;
import dev.causal4j.decoder.KVCache;
import dev.causal4j.decoder.PagePool;
import dev.causal4j.json.Json;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.EmbeddingConfig.Pooling;
import dev.causal4j.model.LoadOptions;
import dev.causal4j.model.ModelConfig;
import dev.causal4j.model.SmallModels;
import dev.causal4j.tensor.DType;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class EmbedderTest extends EngineFixture {
    private final Embedder raw = new Embedder(model, Pooling.MEAN, false);

    /** The hidden vectors of all tokens [T][D]. */
    private float[][] hidden(CausalLM model, int[] tokens) {
        try (KVCache cache = model.newCache()) {
            cache.declare(tokens.length);
            Rows rows = model.forward(Batch.of(cache, tokens), new Activations());
            float[][] all = new float[tokens.length][];
            Arrays.setAll(
                    all,
                    row -> Arrays.copyOfRange(
                            rows.data(),
                            rows.start(row),
                            rows.start(row) + model.head().hiddenSize()));
            return all;
        }
    }

    @Test
    void theLastVectorIsThatOfTheLastToken() {
        for (int length : new int[] {1, 7, 131, CONTEXT}) {
            int[] tokens = prompt(length, length);
            assertThat(new Embedder(model, Pooling.LAST, false).embed(tokens))
                    .isEqualTo(hidden(model, tokens)[length - 1]);
        }
    }

    @Test
    void aLongTextIsComputedInPartsWithTheSameBits() {
        int length = 2 * KVCache.STEP + 3;
        int[] tokens = prompt(4, length);
        try (CausalLM wide = CausalLM.create(SmallModels.gpt2(VOCABULARY, length, 24, 1, 2), 5, DType.F32)) {
            assertThat(new Embedder(wide, Pooling.LAST, false).embed(tokens))
                    .isEqualTo(hidden(wide, tokens)[length - 1]);
        }
    }

    /** The rotary factors of long texts would give other vectors. */
    @Test
    void aTextIsRotatedByItsOwnLength() throws IOException {
        try (CausalLM scaled = DraftSourceTest.Shape.DYNAMIC_POSITIONS.model()) {
            Embedder last = new Embedder(scaled, Pooling.LAST, false);
            int[] tokens = prompt(5, 30);
            assertThat(last.embed(tokens)).isEqualTo(hidden(scaled, tokens)[29]);
        }
    }

    @Test
    void theMeanIsThatOfAllTokens() {
        for (int length : new int[] {1, 7, 131, CONTEXT}) {
            int[] tokens = prompt(length, length);
            float[][] hidden = hidden(model, tokens);
            float[] mean = raw.embed(tokens);
            for (int d = 0; d < mean.length; d++) {
                int at = d;
                double expected = Arrays.stream(hidden)
                        .mapToDouble(row -> row[at])
                        .average()
                        .orElseThrow();
                assertThat((double) mean[d]).isCloseTo(expected, within(1e-6));
            }
        }
    }

    @Test
    void aNormalizedVectorHasLengthOneAndTheSameDirection() {
        int[] tokens = prompt(3, 9);
        float[] vector = Embedder.of(model).embed(tokens);
        float[] unscaled = raw.embed(tokens);
        double length = Math.sqrt(squares(unscaled));
        assertThat(squares(vector)).isCloseTo(1, within(1e-6));
        for (int d = 0; d < vector.length; d++) {
            assertThat(vector[d] * length).isCloseTo(unscaled[d], within(1e-5));
        }
    }

    private static double squares(float[] vector) {
        double sum = 0;
        for (float x : vector) {
            sum += (double) x * x;
        }
        return sum;
    }

    @Test
    void aTextThatCannotBeEmbeddedIsRefusedInOneLine() {
        assertThatThrownBy(() -> raw.embed(new int[0]))
                .isInstanceOf(InputException.class)
                .hasMessage("text: expected 1 to 512 tokens, the context length, got 0");
        assertThatThrownBy(() -> raw.embed(prompt(1, CONTEXT + 1)))
                .isInstanceOf(InputException.class)
                .hasMessage("text: expected 1 to 512 tokens, the context length, got 513");
        assertThatThrownBy(() -> raw.embed(new int[] {VOCABULARY})).isInstanceOf(InputException.class);
        assertThatThrownBy(() -> raw.embed("Emma")).isInstanceOf(IllegalStateException.class);
    }

    /** Its hidden vectors would be pooled without a word. */
    @Test
    void anEngineOfAnotherModelIsRefused() {
        try (CausalLM other = CausalLM.create(SmallModels.gpt2(VOCABULARY, CONTEXT, 40, 1, 2), 6, DType.F32);
                Engine engine = new Engine(other)) {
            assertThatThrownBy(() -> raw.embed(List.of(prompt(1, 3)), engine, Engine.Requester.of("")))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("engine: expected one of the embedder's model, got another's");
        }
    }

    private static final Path GOLDEN = Path.of("src/test/resources/dev/causal4j/golden");

    private record Text(String text, String prompt, int[] tokens, double[] vector) {}

    private static List<Text> texts(String name) throws IOException {
        List<Text> texts = new ArrayList<>();
        for (Json each :
                Json.read(GOLDEN.resolve(name).resolve("embeddings.json")).objects("texts")) {
            int[] tokens = each.integers("tokens").stream().mapToInt(id -> id).toArray();
            List<?> vector = each.root().get("vector") instanceof List<?> numbers ? numbers : List.of();
            texts.add(new Text(
                    each.requireString("text"),
                    each.requireString("prompt"),
                    tokens,
                    vector.stream().mapToDouble(x -> ((Number) x).doubleValue()).toArray()));
        }
        return texts;
    }

    private static CausalLM golden(String name, DType dtype) throws IOException {
        return CausalLM.load(GOLDEN.resolve(name), dtype);
    }

    /** Qwen3-Embedding's kind: its files add a token after a text, and the vector of this token is the text's. */
    @ParameterizedTest
    @CsvSource({
        "embedding-last, F32, 0.9999999",
        "embedding-last, BF16, 0.9999",
        "embedding-mean, F32, 0.9999999",
        "embedding-mean, BF16, 0.9999"
    })
    void vectorsAreThoseOfTheReference(String name, DType dtype, double least) throws IOException {
        try (CausalLM embeds = golden(name, dtype)) {
            Embedder embedder = Embedder.of(embeds);
            List<Text> texts = texts(name);
            List<String> prompted = texts.stream()
                    .map(each -> embedder.prompted(each.prompt, each.text))
                    .toList();
            List<float[]> vectors = embedder.embedAll(prompted);
            for (int i = 0; i < texts.size(); i++) {
                Text each = texts.get(i);
                assertThat(embedder.tokens(prompted.get(i))).containsExactly(each.tokens);
                float[] vector = vectors.get(i);
                double cosine = 0;
                for (int d = 0; d < vector.length; d++) {
                    cosine += vector[d] * each.vector[d];
                }
                assertThat(cosine / Math.sqrt(squares(vector))).as(each.text).isGreaterThanOrEqualTo(least);
                assertThat(embedder.embed(prompted.get(i))).as(each.text).isEqualTo(vector);
            }
        }
    }

    @Test
    void aVectorHasEqualBitsAloneInAListAndAtEveryNumberOfThreads() throws IOException {
        List<int[]> texts = IntStream.range(0, 100)
                .mapToObj(i -> Arrays.stream(prompt(i, 1 + i * 37 % 250))
                        .map(id -> id % 270)
                        .toArray())
                .toList();
        List<float[]> expected = null;
        for (int threads : new int[] {1, 2, 3}) {
            try (Compute compute = Compute.of(threads);
                    CausalLM embeds =
                            CausalLM.load(GOLDEN.resolve("embedding-last"), LoadOptions.DEFAULT.withCompute(compute));
                    Engine engine = new Engine(embeds, EngineOptions.DEFAULT.withParallel(7))) {
                for (Pooling pooling : Pooling.values()) {
                    Embedder embedder = new Embedder(embeds, pooling, true);
                    List<float[]> all = embedder.embed(texts, engine, Engine.Requester.of("ann"));
                    for (int i = 0; i < 100; i += 9) {
                        assertThat(embedder.embed(texts.get(i))).isEqualTo(all.get(i));
                    }
                    if (pooling == Pooling.LAST) {
                        expected = expected == null ? all : expected;
                        assertThat(all).usingRecursiveComparison().isEqualTo(expected);
                    }
                }
            }
        }
    }

    /** Pages for one context and a sequence that decodes: embeddings are set back, and begin again. */
    @Test
    void textsAreComputedBesideASequenceThatTakesTheirPages() {
        List<KVCache> others = fill(model, PagePool.needed(CONTEXT) + 2);
        List<int[]> texts =
                IntStream.range(0, 12).mapToObj(i -> prompt(i, 100 + i)).toList();
        List<float[]> alone = texts.stream().map(raw::embed).toList();
        try (Engine engine = engine(0)) {
            CompletableFuture<Generation> beside = engine.submit(
                    new GenerationRequest(
                            prompt(1, 150),
                            GenerationOptions.DEFAULT.withMaxNewTokens(300).withTemperature(0)),
                    TokenListener.NONE);
            assertThat(raw.embed(texts, engine, Engine.Requester.of("ann")))
                    .usingRecursiveComparison()
                    .isEqualTo(alone);
            assertThat(beside.join().tokens()).hasSize(300);
        }
        others.forEach(KVCache::close);
    }

    @Test
    void anInterruptEndsAListAndFreesItsPages() throws InterruptedException {
        List<int[]> texts = Collections.nCopies(100_000, prompt(1, CONTEXT));
        AtomicReference<Throwable> ended = new AtomicReference<>();
        try (Engine engine = engine(0)) {
            Thread thread = Thread.ofVirtual()
                    .start(() -> ended.set(catchThrowable(() -> raw.embed(texts, engine, Engine.Requester.of("ann")))));
            while (engine.running() == 0) {
                Thread.sleep(1);
            }
            thread.interrupt();
            thread.join();
            assertThat(ended.get()).isInstanceOf(CancellationException.class).hasMessageContaining("of 100000 texts");
            assertThat(engine.waiting()).isZero();
        }
    }

    /** The caller's own texts make room; a queue that others fill is an error. */
    @Test
    void aListIsLongerThanTheQueue() {
        List<int[]> texts = IntStream.range(0, 50).mapToObj(i -> prompt(i, 9)).toList();
        try (Engine engine =
                new Engine(model, EngineOptions.DEFAULT.withQueue(1).withParallel(1))) {
            assertThat(raw.embed(texts, engine, Engine.Requester.of("ann"))).hasSize(50);
        }
    }

    @Test
    void aTextOfAListThatCannotBeEmbeddedIsNamedBeforeAnythingIsComputed() {
        assertThatThrownBy(() ->
                        raw.embed(List.of(prompt(1, 3), new int[0]), Engine.shared(model), Engine.Requester.of("")))
                .isInstanceOfSatisfying(
                        InputException.class, e -> assertThat(e.index()).isEqualTo(1))
                .hasMessageStartingWith("input 2: text: expected 1 to 512 tokens");
    }

    @Test
    void theFirstNumbersAloneHaveLengthOneAgain() {
        float[] all = Embedder.of(model).embed(prompt(3, 9));
        float[] first = Embedder.of(model).withDimensions(10).embed(prompt(3, 9));
        assertThat(first).hasSize(10);
        assertThat(squares(first)).isCloseTo(1, within(1e-6));
        double length = Math.sqrt(squares(Arrays.copyOf(all, 10)));
        for (int d = 0; d < 10; d++) {
            assertThat(first[d]).isCloseTo((float) (all[d] / length), within(1e-6f));
        }
        assertThatThrownBy(() -> Embedder.of(model).withDimensions(41)).hasMessageContaining("expected 1 to 40");
    }

    /** EmbeddingGemma's kind has a token before and one after a text. Its tokens see all others, and it embeds alone. */
    @Test
    void aModelWhoseTokensSeeBothWaysPredictsNothing() throws IOException {
        try (CausalLM embeds = golden("embedding-mean", DType.F32);
                Engine engine = new Engine(embeds)) {
            CompletableFuture<?> generated = engine.submit(
                    new GenerationRequest(new int[] {1, 2}, GenerationOptions.DEFAULT), TokenListener.NONE);
            assertThatThrownBy(generated::join)
                    .hasCauseInstanceOf(InputException.class)
                    .hasMessageContaining("it embeds texts alone");
            assertThatThrownBy(() -> engine.score(new int[] {1, 2}, 1, 0).join())
                    .hasCauseInstanceOf(InputException.class);
            try (KVCache cache = embeds.newCache()) {
                embeds.forward(Batch.of(cache, 1, 2), new Activations());
                assertThatThrownBy(() -> embeds.forward(Batch.of(cache, 3), new Activations()))
                        .hasMessageContaining("expected all tokens in one forward");
            }
        }
    }

    /** Trap 62: longer than a step, alone and beside others, in any order. */
    @ParameterizedTest
    @ValueSource(strings = {"gemma3_text", "qwen3"})
    void aTextWhoseTokensSeeBothWaysIsOneForwardHoweverLong(String type) throws IOException {
        ModelConfig config = ModelConfig.parse("""
                {"model_type": "%s", "vocab_size": 301, "hidden_size": 24, "num_hidden_layers": 3, "head_dim": 10,
                 "num_attention_heads": 3, "num_key_value_heads": 1, "intermediate_size": 30, "sliding_window": 130,
                 "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
                 "use_sliding_window": true, "max_position_embeddings": 2048, "tie_word_embeddings": true,
                 "use_bidirectional_attention": true}""".formatted(type));
        try (CausalLM both = CausalLM.create(config, 7, DType.F32)) {
            List<int[]> texts = IntStream.of(3, 1400, 200, 1, 513, 40, 512, 600, 2)
                    .mapToObj(length -> prompt(length, length))
                    .toList();
            Embedder last = new Embedder(both, Pooling.LAST, false);
            for (int i = 0; i < texts.size(); i++) {
                int[] text = texts.get(i);
                assertThat(last.embed(text))
                        .as("%d tokens", text.length)
                        .isEqualTo(hidden(both, text)[text.length - 1]);
            }
            for (Pooling pooling : Pooling.values()) {
                Embedder embedder = new Embedder(both, pooling, true);
                List<float[]> alone = texts.stream().map(embedder::embed).toList();
                for (int rows : new int[] {1, 100, 512}) {
                    List<KVCache> others = fill(both, PagePool.needed(2048) + rows / 100);
                    try (Engine engine = new Engine(both, EngineOptions.DEFAULT.withPromptRows(rows))) {
                        assertThat(embedder.embed(texts, engine, Engine.Requester.of("ann")))
                                .usingRecursiveComparison()
                                .isEqualTo(alone);
                    }
                    others.forEach(KVCache::close);
                }
            }
        }
    }
}
