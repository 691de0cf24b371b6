package dev.causal4j.benchmarks;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.causal4j.head.Candidate;
import java.util.Comparator;
import org.assertj.core.data.Offset;
import org.assertj.core.data.Percentage;
import org.junit.jupiter.api.Test;

/** A naive twin computes what its benchmark computes, or a comparison of their speeds means nothing. */
class NaiveTest {
    /** Of sums in another order, with other forms of exp and tanh. */
    private static final Offset<Float> TOLERANCE = Offset.offset(2e-5f);

    @Test
    void productsHaveEqualBits() {
        for (int rows : new int[] {1, 7, 16}) {
            ProductBenchmark.Weights weights = sized(new ProductBenchmark.Weights(), rows);
            weights.dtype = "f32";
            weights.create();
            ProductBenchmark.NaiveWeights naive = sized(new ProductBenchmark.NaiveWeights(), rows);
            naive.create();
            ProductBenchmark benchmark = new ProductBenchmark();
            ProductBenchmark.Work work = new ProductBenchmark.Work();
            float[] expected = benchmark.naiveMultiply(naive, work);
            assertThat(work.gflop).isCloseTo(2e-9 * rows * 131 * 37, Percentage.withPercentage(1e-9));
            assertThat(benchmark.multiply(weights, work)).containsExactly(expected);
            assertThat(work.gigabytes).isCloseTo(2 * 4e-9 * 131 * 37, Percentage.withPercentage(1e-9));
        }
    }

    private static <T extends ProductBenchmark.Shape> T sized(T shape, int rows) {
        shape.outputs = 131;
        shape.inputs = 37;
        shape.rows = rows;
        return shape;
    }

    @Test
    void logitsAndTopCandidatesHaveEqualBits() {
        HeadBenchmark.Head head = sized(new HeadBenchmark.Head());
        head.dtype = "f32";
        head.create();
        HeadBenchmark.NaiveHead naive = sized(new HeadBenchmark.NaiveHead());
        naive.create();
        HeadBenchmark benchmark = new HeadBenchmark();
        HeadBenchmark.Work work = new HeadBenchmark.Work();
        assertThat(benchmark.logits(head, work)).containsExactly(benchmark.naiveLogits(naive, work));
        assertThat(work.positions).isEqualTo(10);
        assertThat(benchmark.logProbabilities(head, work))
                .containsExactly(benchmark.naiveLogProbabilities(naive, work), within(1e-5));
        assertThat(benchmark.topK(head))
                .hasSize(5)
                .usingElementComparator(
                        Comparator.comparingInt(Candidate::token).thenComparingDouble(Candidate::logit))
                .isEqualTo(benchmark.naiveTopK(naive));
    }

    private static <T extends HeadBenchmark.Shape> T sized(T shape) {
        shape.vocabularySize = 131;
        shape.hiddenSize = 37;
        shape.rows = 5;
        shape.k = 5;
        return shape;
    }

    @Test
    void kernelsOfOneRowAgree() {
        KernelBenchmark benchmark = new KernelBenchmark();
        KernelBenchmark.Hidden hidden = new KernelBenchmark.Hidden();
        hidden.hiddenSize = 37;
        hidden.create();
        assertAgree(benchmark.layerNorm(hidden).clone(), benchmark.naiveLayerNorm(hidden));
        KernelBenchmark.Inner inner = new KernelBenchmark.Inner();
        inner.innerSize = 131;
        inner.create();
        assertAgree(benchmark.gelu(inner).clone(), benchmark.naiveGelu(inner));
        KernelBenchmark.Scores scores = new KernelBenchmark.Scores();
        scores.scores = 131;
        scores.create();
        assertAgree(benchmark.softmax(scores).clone(), benchmark.naiveSoftmax(scores));
    }

    @Test
    void attentionAgrees() {
        AttentionBenchmark benchmark = new AttentionBenchmark();
        AttentionBenchmark.Head head = new AttentionBenchmark.Head();
        head.headSize = 12;
        head.position = 70;
        head.queries = 7;
        head.create();
        assertAgree(benchmark.attention(head).clone(), benchmark.naiveAttention(head));
    }

    @Test
    void modelsAgreeAtPrefillAndAtEachStep() {
        ModelBenchmark.Model model = sized(new ModelBenchmark.Model());
        model.dtype = "f32";
        model.create();
        ModelBenchmark.NaiveModel naive = sized(new ModelBenchmark.NaiveModel());
        naive.create();
        ModelBenchmark.Prompt prompt = new ModelBenchmark.Prompt();
        prompt.prompt = 9;
        ModelBenchmark benchmark = new ModelBenchmark();
        ModelBenchmark.Work work = new ModelBenchmark.Work();
        assertAgree(benchmark.prefill(model, prompt, work), benchmark.naivePrefill(naive, prompt, work));
        assertThat(work.tokens).isEqualTo(18);

        ModelBenchmark.Span span = new ModelBenchmark.Span();
        span.position = 9;
        span.steps = 3;
        ModelBenchmark.Sequences sequences = new ModelBenchmark.Sequences();
        sequences.sequences = 1;
        sequences.create(model);
        for (int step = 0; step < span.steps; step++) {
            sequences.goBack(model, span);
            assertAgree(benchmark.decode(model, span, sequences, work), benchmark.naiveDecode(naive, span, work));
        }
        sequences.goBack(model, span);
        assertThat(sequences.caches.getFirst().length()).isEqualTo(9);
    }

    private static <T extends ModelBenchmark.Shape> T sized(T shape) {
        shape.layers = 2;
        shape.hiddenSize = 36;
        shape.heads = 3;
        shape.vocabularySize = 131;
        shape.contextLength = 20;
        return shape;
    }

    @Test
    void everyTaskIsDoneOnce() {
        ThreadsBenchmark benchmark = new ThreadsBenchmark();
        benchmark.tasks = 9;
        long before = ThreadsBenchmark.DONE.get();
        benchmark.run();
        assertThat(ThreadsBenchmark.DONE.get() - before).isEqualTo(36);
        benchmark.naiveRun();
        assertThat(ThreadsBenchmark.DONE.get() - before).isEqualTo(72);
    }

    private static void assertAgree(float[] actual, float[] expected) {
        assertThat(actual).hasSameSizeAs(expected).doesNotContain(Float.NaN);
        for (int i = 0; i < actual.length; i++) {
            assertThat(actual[i]).as("number " + i).isCloseTo(expected[i], TOLERANCE);
        }
    }
}
