package dev.causal4j.benchmarks;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/** LibTorch, PyTorch's library, through DJL: the head's product, prefill and decode steps, in f32. */
public class LibTorchBenchmark extends Protocol {
    /** A model with the weights that ours has. */
    public static class Model extends ModelBenchmark.Shape {
        LibTorchGPT2 model;

        @Setup
        public void create() {
            model = new LibTorchGPT2(random());
        }

        @TearDown
        public void close() {
            model.close();
        }
    }

    /** Hidden vectors whose logits are wanted. */
    @State(Scope.Benchmark)
    public static class Hidden {
        @Param("512")
        public int rows;

        NDArray hidden;

        @Setup
        public void create(Model model) {
            float[] numbers = RandomNumbers.array(rows * model.hiddenSize, 1);
            hidden = model.model.scope().create(numbers, new Shape(rows, model.hiddenSize));
        }
    }

    /** One sequence. Between two steps it goes back to the first position if it is at the last. */
    @State(Scope.Benchmark)
    public static class Sequence {
        LibTorchGPT2.Cache cache;

        @Setup
        public void create(Model model) {
            cache = model.model.newCache();
        }

        @Setup(Level.Invocation)
        public void goBack(Model model, ModelBenchmark.Span span) {
            if (cache.length() > 0 && cache.length() < span.position + span.steps) {
                return;
            }
            cache.close();
            cache = model.model.newCache();
            try (NDManager scope = model.model.scope()) {
                model.model.forward(scope, model.prompt(span.position), cache);
            }
        }
    }

    @Benchmark
    public float[] logits(Model model, Hidden hidden, HeadBenchmark.Work work) {
        work.positions += hidden.rows;
        try (NDArray logits = model.model.logits(hidden.hidden)) {
            return last(logits);
        }
    }

    @Benchmark
    public float[] prefill(Model model, ModelBenchmark.Prompt prompt, ModelBenchmark.Work work) {
        work.tokens += prompt.prompt;
        try (NDManager scope = model.model.scope();
                LibTorchGPT2.Cache cache = model.model.newCache()) {
            NDArray hidden = model.model.forward(scope, model.prompt(prompt.prompt), cache);
            return last(model.model.logits(hidden.get("-1:")));
        }
    }

    @Benchmark
    public float[] decode(Model model, ModelBenchmark.Span span, Sequence sequence, ModelBenchmark.Work work) {
        work.tokens++;
        LibTorchGPT2.Cache cache = sequence.cache;
        try (NDManager scope = model.model.scope()) {
            int[] token = {model.token(cache.length())};
            return last(model.model.logits(model.model.forward(scope, token, cache)));
        }
    }

    /** The last row, which cannot be had before all is computed. */
    private static float[] last(NDArray logits) {
        try (NDArray row = logits.get("-1:")) {
            return row.toFloatArray();
        }
    }
}
