package dev.causal4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.causal4j.compute.Rows;
import dev.causal4j.decoder.Activations;
import dev.causal4j.decoder.Batch;
import dev.causal4j.decoder.KVCache;
import dev.causal4j.format.TensorView;
import dev.causal4j.head.CausalLMHead;
import dev.causal4j.head.LogProbabilities;
import dev.causal4j.head.Loss;
import dev.causal4j.head.LossOptions;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Gradient;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
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

    @ParameterizedTest
    @ValueSource(strings = {"gpt2-tied", "gpt2-untied", "gpt2-odd"})
    void logProbabilitiesRanksAndLossAreThoseOfDoublePrecision(String name) throws IOException {
        Golden golden = Golden.load(name);
        CausalLMHead head = CausalLM.load(golden.folder()).head();
        int[] targets = golden.targets();
        Rows hidden = Rows.of(golden.hidden().toArray(), head.hiddenSize(), targets.length);
        int[] known = Arrays.stream(targets)
                .map(target -> target == CausalLMHead.IGNORED ? 0 : target)
                .toArray();
        LogProbabilities scores = head.logProbabilities(hidden, known);
        for (int r = 0; r < targets.length; r++) {
            if (targets[r] != CausalLMHead.IGNORED) {
                double nll = golden.nll()[r];
                assertThat(scores.logProbabilities()[r]).isCloseTo(-nll, within(Math.max(2e-5, 1e-5 * nll)));
                assertThat(scores.ranks()[r]).isEqualTo(golden.ranks()[r]);
            }
        }
        Loss loss = head.loss(hidden, targets, LossOptions.DEFAULT);
        assertThat(loss.loss()).isCloseTo(golden.loss(), within(1e-6));
        assertThat(loss.targets()).isEqualTo((int)
                Arrays.stream(golden.nll()).filter(x -> !Double.isNaN(x)).count());
    }

    /** An untied projection is used by the head alone, so its gradient is the head's. */
    @Test
    void theGradientOfAnUntiedProjectionIsThatOfDoublePrecision() throws IOException {
        Golden golden = Golden.load("gpt2-untied");
        CausalLMHead head = CausalLM.load(golden.folder()).head();
        int size = head.hiddenSize();
        Rows hidden = Rows.of(golden.hidden().toArray(), size, golden.targets().length);
        Rows dHidden = Rows.of(new float[hidden.count() * size], size, hidden.count());
        Gradient gradient = Gradient.of(Device.shared(), head.projection());
        Loss loss = head.lossAndGradients(
                hidden, golden.targets(), LossOptions.DEFAULT, dHidden, gradient, new Loss.Scratch());
        assertThat(loss.loss()).isCloseTo(golden.loss(), within(1e-6));
        float[] truth = golden.gradient("lm_head.weight").toArray();
        float[] actual = new float[truth.length];
        float largest = 0;
        for (int n = 0; n < head.vocabularySize(); n++) {
            gradient.row(n, actual, n * size);
        }
        for (float number : truth) {
            largest = Math.max(largest, Math.abs(number));
        }
        assertThat(largest).isPositive();
        assertThat(actual).containsExactly(truth, within(1e-5f * largest));
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
