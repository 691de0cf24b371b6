package dev.causal4j.generation;

import dev.causal4j.InputException;
import dev.causal4j.NonFiniteException;
import dev.causal4j.compute.Rows;
import dev.causal4j.decoder.Activations;
import dev.causal4j.decoder.Batch;
import dev.causal4j.decoder.KVCache;
import dev.causal4j.model.CausalLM;
import dev.causal4j.tokenizer.Tokenizer;
import java.util.Arrays;
import java.util.List;

/**
 * Turns texts into vectors: it pools the hidden vectors of a text's tokens, which the head would turn into logits.
 * Immutable and thread-safe.
 *
 * <p>A model that was trained to embed expects the pooling of its training. The vectors of other causal models compare
 * texts badly.
 *
 * @param pooling how the tokens' vectors become one vector
 * @param normalized whether the vector has the length 1, so that a dot product is the cosine
 */
public record Embedder(CausalLM model, Pooling pooling, boolean normalized) {
    /** How the tokens' vectors become one vector. */
    public enum Pooling {
        /** Their mean. */
        MEAN,
        /** The vector of the last token, which has seen all others. */
        LAST
    }

    /** An embedder with the mean of the tokens' vectors, normalized. */
    public static Embedder of(CausalLM model) {
        return new Embedder(model, Pooling.MEAN, true);
    }

    /**
     * Embeds a text, with the tokens that the model's files put before and after it.
     *
     * @return a vector of the model's hidden size
     * @throws IllegalStateException if the model has no tokenizer
     * @throws InputException as {@link #embed(int[])}
     */
    public float[] embed(String text) {
        Tokenizer tokenizer = model.requireTokenizer();
        return embed(tokenizer.whole(tokenizer.encode(text)));
    }

    /**
     * Embeds a sequence of tokens.
     *
     * @throws InputException if there is no token, one is not in the vocabulary, or they do not fit the context
     * @throws NonFiniteException if a hidden vector is not a number
     */
    public float[] embed(int[] tokens) {
        int context = model.contextLength();
        if (tokens.length == 0 || tokens.length > context) {
            throw new InputException(
                    "text: expected 1 to " + context + " tokens, the context length, got " + tokens.length);
        }
        model.head().checkTokens(tokens);
        double[] sum = new double[model.head().hiddenSize()];
        Activations activations = new Activations();
        try (KVCache cache = model.newCache()) {
            // without a page the forward throws
            while (!cache.reserve(tokens.length) && model.decoder().pool().reclaim()) {}
            for (int from = 0; from < tokens.length; from += KVCache.STEP) {
                int to = Math.min(from + KVCache.STEP, tokens.length);
                int wanted = pooling == Pooling.MEAN ? to - from : to == tokens.length ? 1 : 0;
                Batch batch = new Batch(List.of(new Batch.Chunk(cache, Arrays.copyOfRange(tokens, from, to), wanted)));
                Rows hidden = model.forward(batch, activations);
                Sequence.requireFinite(hidden, to - wanted);
                for (int row = 0; row < wanted; row++) {
                    for (int d = 0; d < sum.length; d++) {
                        sum[d] += hidden.data()[hidden.start(row) + d];
                    }
                }
            }
        }
        double length = Math.sqrt(Arrays.stream(sum).map(x -> x * x).sum());
        double divisor = !normalized ? pooling == Pooling.MEAN ? tokens.length : 1 : length == 0 ? 1 : length;
        float[] vector = new float[sum.length];
        for (int d = 0; d < sum.length; d++) {
            vector[d] = (float) (sum[d] / divisor);
        }
        return vector;
    }
}
