package dev.causal4j.benchmarks;

import dev.causal4j.kernel.NormRule;
import dev.causal4j.kernel.choice.Kernels;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/**
 * Kernels of one row, at the sizes a model calls them with, by one thread. In-place kernels first copy their input, in
 * the naive twins too.
 */
public class KernelBenchmark extends Protocol {
    private static final float EPSILON = 1e-5f;

    /** A hidden vector. */
    @State(Scope.Benchmark)
    public static class Hidden {
        @Param("768")
        public int hiddenSize;

        float[] x;
        float[] gain;
        float[] bias;
        float[] y;
        NormRule rule;

        @Setup
        public void create() {
            x = RandomNumbers.array(hiddenSize, 0);
            gain = RandomNumbers.array(hiddenSize, 1);
            bias = RandomNumbers.array(hiddenSize, 2);
            y = new float[hiddenSize];
            rule = new NormRule(gain, bias, EPSILON, true);
        }
    }

    /** A row of the feed-forward layer. */
    @State(Scope.Benchmark)
    public static class Inner {
        @Param("3072")
        public int innerSize;

        float[] source;
        float[] x;

        @Setup
        public void create() {
            source = RandomNumbers.array(innerSize, 0);
            x = new float[innerSize];
        }
    }

    /** Logits, or the scores of a query. */
    @State(Scope.Benchmark)
    public static class Scores {
        @Param({"513", "50257"})
        public int scores;

        float[] source;
        float[] x;

        @Setup
        public void create() {
            source = RandomNumbers.array(scores, 0);
            x = new float[scores];
        }
    }

    @Benchmark
    public float[] layerNorm(Hidden hidden) {
        Kernels.norm(hidden.rule, hidden.x, 0, hidden.y, 0);
        return hidden.y;
    }

    @Benchmark
    public float[] naiveLayerNorm(Hidden hidden) {
        Naive.layerNorm(hidden.x, hidden.gain, hidden.bias, EPSILON, hidden.y);
        return hidden.y;
    }

    @Benchmark
    public float[] gelu(Inner inner) {
        System.arraycopy(inner.source, 0, inner.x, 0, inner.x.length);
        Kernels.swish(inner.x, 0, inner.x.length, 0x1.988454p-1f, 0.044715f);
        return inner.x;
    }

    @Benchmark
    public float[] naiveGelu(Inner inner) {
        System.arraycopy(inner.source, 0, inner.x, 0, inner.x.length);
        Naive.gelu(inner.x);
        return inner.x;
    }

    @Benchmark
    public float[] softmax(Scores scores) {
        System.arraycopy(scores.source, 0, scores.x, 0, scores.x.length);
        Kernels.softmax(scores.x, 0, scores.x.length);
        return scores.x;
    }

    @Benchmark
    public float[] naiveSoftmax(Scores scores) {
        System.arraycopy(scores.source, 0, scores.x, 0, scores.x.length);
        Naive.softmax(scores.x);
        return scores.x;
    }
}
