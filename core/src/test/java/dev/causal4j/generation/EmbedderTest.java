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
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.SmallModels;
import dev.causal4j.tensor.DType;
import java.io.IOException;
import java.util.Arrays;
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

    /** Factors of long texts would give other vectors. */
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
}
