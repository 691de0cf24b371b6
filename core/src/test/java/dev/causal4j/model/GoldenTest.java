package dev.causal4j.model;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.backbone.Activations;
import dev.causal4j.backbone.Batch;
import dev.causal4j.backbone.KVCache;
import dev.causal4j.kernel.Rows;
import dev.causal4j.tensor.TensorView;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The whole forward against float64. */
class GoldenTest {
    @ParameterizedTest
    @ValueSource(strings = {"gpt2-tied", "gpt2-untied", "gpt2-odd"})
    void hiddenAndLogitsAreThoseOfDoublePrecision(String name) throws IOException {
        Golden golden = Golden.load(name);
        CausalLM model = CausalLM.load(golden.folder());
        assertThat(model.head().tied()).isEqualTo(!name.equals("gpt2-untied"));
        List<Batch.Chunk> chunks = new ArrayList<>();
        for (int[] tokens : golden.tokens()) {
            chunks.add(new Batch.Chunk(model.newCache(), tokens));
        }
        Batch batch = new Batch(chunks);
        int vocabularySize = model.head().vocabularySize();
        Rows hidden = model.forward(batch, new Activations());
        Rows logits = Rows.of(new float[batch.rows() * vocabularySize], vocabularySize, batch.rows());
        model.head().logits(hidden, logits);
        assertClose(hidden, golden.hidden());
        assertClose(logits, golden.logits());
    }

    private static void assertClose(Rows actual, TensorView expected) {
        float[] truth = expected.toArray();
        assertThat(actual.count() * actual.stride()).isEqualTo(truth.length);
        float worst = 0;
        for (int i = 0; i < truth.length; i++) {
            worst = Math.max(worst, Math.abs(actual.data()[i] - truth[i]));
        }
        assertThat(worst).as(expected.name()).isLessThanOrEqualTo(2e-5f);
    }

    @ParameterizedTest
    @ValueSource(strings = {"gpt2-tied", "gpt2-untied", "gpt2-odd"})
    void greedyContinuationIsThatOfDoublePrecision(String name) throws IOException {
        Golden golden = Golden.load(name);
        CausalLM model = CausalLM.load(golden.folder());
        KVCache cache = model.newCache();
        Activations activations = new Activations();
        int[] next = golden.greedyPrompt();
        for (int expected : golden.greedy()) {
            Rows hidden = model.forward(Batch.of(cache, next), activations);
            int best =
                    model.head().topK(hidden, hidden.count() - 1, 1).getFirst().token();
            assertThat(best).isEqualTo(expected);
            next = new int[] {best};
        }
    }
}
