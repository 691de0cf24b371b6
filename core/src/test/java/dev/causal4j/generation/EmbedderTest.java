package dev.causal4j.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.causal4j.InputException;
import dev.causal4j.compute.Rows;
import dev.causal4j.decoder.Activations;
import dev.causal4j.decoder.Batch;
import dev.causal4j.decoder.KVCache;
import dev.causal4j.generation.Embedder.Pooling;
import dev.causal4j.json.Json;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.SmallModels;
import dev.causal4j.tensor.DType;
import dev.causal4j.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

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

    private static final Path GOLDEN = Path.of("src/test/resources/dev/causal4j/golden");

    private record Text(String text, int[] tokens, double[] vector) {}

    private static List<Text> texts(String name) throws IOException {
        List<Text> texts = new ArrayList<>();
        for (Json each :
                Json.read(GOLDEN.resolve(name).resolve("embeddings.json")).objects("texts")) {
            int[] tokens = each.integers("tokens").stream().mapToInt(id -> id).toArray();
            List<?> vector = each.root().get("vector") instanceof List<?> numbers ? numbers : List.of();
            texts.add(new Text(
                    each.requireString("text"),
                    tokens,
                    vector.stream().mapToDouble(x -> ((Number) x).doubleValue()).toArray()));
        }
        return texts;
    }

    /** Qwen3-Embedding's kind: its files add a token after a text, and the vector of this token is the text's. */
    @Test
    void aTextEndsAsTheModelsFilesEndIt() throws IOException {
        try (CausalLM embeds = CausalLM.load(GOLDEN.resolve("embedding-last"))) {
            Embedder embedder = new Embedder(embeds, Pooling.LAST, true);
            Tokenizer tokenizer = embeds.requireTokenizer();
            for (Text each : texts("embedding-last")) {
                assertThat(tokenizer.whole(tokenizer.encode(each.text))).containsExactly(each.tokens);
                float[] vector = embedder.embed(each.text);
                double cosine = 0;
                for (int d = 0; d < vector.length; d++) {
                    cosine += vector[d] * each.vector[d];
                }
                assertThat(cosine / Math.sqrt(squares(vector))).as(each.text).isGreaterThanOrEqualTo(0.9999999);
            }
        }
    }

    /**
     * EmbeddingGemma's kind has a token before and one after a text. Its tokens see all others, which no model here
     * supports.
     */
    @Test
    void aModelWhoseTokensSeeBothWaysHasItsTokensAndIsRefused() throws IOException {
        Path folder = GOLDEN.resolve("embedding-mean");
        Tokenizer tokenizer = Tokenizer.load(folder).orElseThrow();
        for (Text each : texts("embedding-mean")) {
            assertThat(tokenizer.whole(tokenizer.encode(each.text))).containsExactly(each.tokens);
        }
        assertThatThrownBy(() -> CausalLM.load(folder)).hasMessageContaining("use_bidirectional_attention");
    }
}
