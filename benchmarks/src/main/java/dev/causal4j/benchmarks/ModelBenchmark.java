package dev.causal4j.benchmarks;

import dev.causal4j.compute.Rows;
import dev.causal4j.decoder.Activations;
import dev.causal4j.decoder.Batch;
import dev.causal4j.decoder.KVCache;
import dev.causal4j.model.CausalLM;
import java.util.ArrayList;
import java.util.List;
import org.openjdk.jmh.annotations.AuxCounters;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/**
 * A whole model with random weights: prefill of a prompt with the logits of its last token, and decode steps from a
 * position on, each with all logits. Nothing is sampled. The naive twins hold f32 and prefill {@value Naive#ROWS} tokens at
 * most.
 */
public class ModelBenchmark extends Protocol {
    /** Sizes of a GPT-2. */
    @State(Scope.Benchmark)
    public static class Shape {
        @Param("12")
        public int layers;

        @Param("768")
        public int hiddenSize;

        @Param("12")
        public int heads;

        @Param("50257")
        public int vocabularySize;

        @Param("1024")
        public int contextLength;

        RandomGPT2 random() {
            return new RandomGPT2(new GPT2Shape(contextLength, hiddenSize, layers, heads), vocabularySize);
        }

        int token(int position) {
            return token(position, vocabularySize);
        }

        /** A token that differs from position to position. */
        static int token(int position, int vocabularySize) {
            return (int) ((position * 7919L + 13) % vocabularySize);
        }

        int[] prompt(int tokens) {
            int[] prompt = new int[tokens];
            for (int i = 0; i < tokens; i++) {
                prompt[i] = token(i);
            }
            return prompt;
        }
    }

    /** A model. */
    public static class Model extends Shape {
        @Param({"f32", "bf16", "int8"})
        public String dtype;

        CausalLM model;
        Activations activations;

        @Setup
        public void create() {
            model = random().model(ProductBenchmark.dtype(dtype));
            activations = new Activations();
        }
    }

    /** A prompt. */
    @State(Scope.Benchmark)
    public static class Prompt {
        @Param("512")
        public int prompt;
    }

    /** Where decoding starts, and after how many tokens it starts again. */
    @State(Scope.Benchmark)
    public static class Span {
        @Param("4")
        public int position;

        @Param("96")
        public int steps;
    }

    /** Sequences that decode together. Between two steps they go back to the first position if they are at the last. */
    @State(Scope.Benchmark)
    public static class Sequences {
        @Param({"1", "8"})
        public int sequences;

        List<KVCache> caches;
        Rows logits;

        @Setup
        public void create(Model model) {
            caches = List.of();
            int size = model.vocabularySize;
            logits = Rows.of(new float[sequences * size], size, sequences);
        }

        @Setup(Level.Invocation)
        public void goBack(Model model, Span span) {
            if (!caches.isEmpty() && caches.getFirst().length() < span.position + span.steps) {
                return;
            }
            caches.forEach(KVCache::close);
            caches = new ArrayList<>();
            for (int i = 0; i < sequences; i++) {
                KVCache cache = model.model.newCache();
                model.model.forward(Batch.of(cache, model.prompt(span.position)), model.activations);
                caches.add(cache);
            }
        }
    }

    /** A model of the naive loops. */
    public static class NaiveModel extends Shape {
        NaiveGPT2 model;

        @Setup
        public void create() {
            model = random().naive();
        }
    }

    /** Tokens prefilled or decoded, which JMH turns into a rate. */
    @State(Scope.Thread)
    @AuxCounters(AuxCounters.Type.OPERATIONS)
    public static class Work {
        public long tokens;
    }

    @Benchmark
    public float[] prefill(Model model, Prompt prompt, Work work) {
        work.tokens += prompt.prompt;
        try (KVCache cache = model.model.newCache()) {
            Batch batch = Batch.last(cache, model.prompt(prompt.prompt));
            return model.model.head().logits(model.model.forward(batch, model.activations), 0);
        }
    }

    @Benchmark
    public float[] naivePrefill(NaiveModel model, Prompt prompt, Work work) {
        model.model.clear();
        int tokens = Math.min(prompt.prompt, Naive.ROWS);
        float[] hidden = {};
        for (int token : model.prompt(tokens)) {
            hidden = model.model.forward(token);
        }
        work.tokens += tokens;
        return model.model.logits(hidden);
    }

    @Benchmark
    public float[] decode(Model model, Span span, Sequences sequences, Work work) {
        List<Batch.Chunk> chunks = new ArrayList<>();
        for (KVCache cache : sequences.caches) {
            chunks.add(new Batch.Chunk(cache, new int[] {model.token(cache.length())}));
        }
        Rows hidden = model.model.forward(new Batch(chunks), model.activations);
        model.model.head().logits(hidden, sequences.logits);
        work.tokens += sequences.sequences;
        return sequences.logits.data();
    }

    @Benchmark
    public float[] naiveDecode(NaiveModel model, Span span, Work work) {
        if (model.model.length() >= span.position + span.steps) {
            model.model.clear();
        }
        work.tokens++;
        return model.model.logits(model.model.forward(model.token(model.model.length())));
    }
}
