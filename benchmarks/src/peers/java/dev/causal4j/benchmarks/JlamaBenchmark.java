package dev.causal4j.benchmarks;

import com.github.tjake.jlama.model.AbstractModel;
import com.github.tjake.jlama.model.ModelSupport;
import com.github.tjake.jlama.safetensors.DType;
import com.github.tjake.jlama.tensor.AbstractTensor;
import com.github.tjake.jlama.tensor.KvBufferCache;
import com.github.tjake.jlama.tensor.operations.TensorOperationsProvider;
import java.io.File;
import java.util.Optional;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/**
 * Jlama on a GPT-2 in f32: the steps of its {@code generate}, without its tokenizer. The folder of the model is the
 * parameter {@code model}; it also needs a {@code tokenizer.json}.
 */
public class JlamaBenchmark extends Protocol {
    /** A model from a folder. */
    @State(Scope.Benchmark)
    public static class Model {
        private static final String PANAMA = "jlama.force_panama_tensor_operations";

        @Param("")
        public String model;

        @Param({"native", "panama"})
        public String operations;

        AbstractModel jlama;
        KvBufferCache caches;

        @Setup
        public void load() {
            if (model.isEmpty()) {
                throw new IllegalArgumentException(
                        "model: expected the folder of a GPT-2 in Hugging Face layout, got none; pass -p model=DIR");
            }
            boolean panama = operations.equals("panama");
            System.setProperty(PANAMA, Boolean.toString(panama)); // read when Jlama's classes load
            jlama = ModelSupport.loadModel(new File(model), DType.F32, DType.F32);
            caches = new KvBufferCache(jlama);
            String name = TensorOperationsProvider.get().name();
            if (name.startsWith("Panama") != panama) {
                throw new IllegalStateException("operations: expected " + operations + ", got " + name
                        + "; Jlama chooses once, so each choice needs a JVM of its own");
            }
        }

        @TearDown
        public void close() {
            caches.close();
            jlama.close();
        }

        int[] prompt(int tokens) {
            int[] prompt = new int[tokens];
            for (int i = 0; i < tokens; i++) {
                prompt[i] = token(i);
            }
            return prompt;
        }

        int token(int position) {
            return ModelBenchmark.Shape.token(position, jlama.getConfig().vocabularySize);
        }
    }

    /** One sequence. Between two steps it goes back to the first position if it is at the last. */
    @State(Scope.Benchmark)
    public static class Sequence {
        KvBufferCache.KvBuffer cache;
        AbstractTensor<?, ?> logits;
        int position;

        @Setup
        public void create(Model model) {
            cache = model.caches.getEphemeralKvBuffer();
            logits = model.jlama.makeDenseTensor(model.jlama.getConfig().vocabularySize);
        }

        @Setup(Level.Invocation)
        public void goBack(Model model, ModelBenchmark.Span span) {
            if (position > 0 && position < span.position + span.steps) {
                return;
            }
            cache.close();
            cache = model.caches.getEphemeralKvBuffer();
            model.jlama.batchForward(model.prompt(span.position), 0, cache).close();
            position = span.position;
        }
    }

    @Benchmark
    public int prefill(Model model, ModelBenchmark.Prompt prompt, Sequence sequence, ModelBenchmark.Work work) {
        work.tokens += prompt.prompt;
        try (KvBufferCache.KvBuffer cache = model.caches.getEphemeralKvBuffer();
                AbstractTensor<?, ?> hidden = model.jlama.batchForward(model.prompt(prompt.prompt), 0, cache)) {
            AbstractTensor<?, ?> last = hidden.slice(hidden.shape().first() - 1);
            return model.jlama.sample(last, 0f, 0f, sequence.logits);
        }
    }

    @Benchmark
    public int decode(Model model, ModelBenchmark.Span span, Sequence sequence, ModelBenchmark.Work work) {
        work.tokens++;
        int position = sequence.position++;
        try (AbstractTensor<?, ?> hidden =
                model.jlama.forward(model.token(position), position, sequence.cache, Optional.empty())) {
            return model.jlama.sample(hidden, 0f, 0f, sequence.logits);
        }
    }
}
