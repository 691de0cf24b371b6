package dev.causal4j.generation;

import dev.causal4j.InputException;
import dev.causal4j.NonFiniteException;
import dev.causal4j.generation.Engine.Requester;
import dev.causal4j.generation.friend.EngineControl;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.EmbeddingConfig;
import dev.causal4j.model.EmbeddingConfig.Pooling;
import dev.causal4j.tokenizer.Tokenizer;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.RejectedExecutionException;
import java.util.stream.IntStream;

/**
 * Turns texts into vectors: it pools the hidden vectors of a text's tokens, which the head would turn into logits, and
 * applies the linear layers that the model's files have for this. A vector has the same bits alone and in a list.
 * Immutable and thread-safe.
 *
 * <p>A model that was trained to embed says its pooling in its files. The vectors of other causal models compare texts
 * badly.
 *
 * @param pooling how the tokens' vectors become one vector
 * @param normalized whether the vector has the length 1, so that a dot product is the cosine
 * @param dimensions the first numbers of a vector that are kept, before it gets the length 1; 0 for all
 */
public record Embedder(CausalLM model, Pooling pooling, boolean normalized, int dimensions) {
    /** Texts that are submitted before the first has ended: enough for full steps, few beside others in the queue. */
    private static final int AHEAD = 32;

    /** @throws IllegalArgumentException if a vector has fewer numbers */
    public Embedder {
        int all = size(model);
        if (dimensions < 0 || dimensions > all) {
            throw new IllegalArgumentException("dimensions: expected 1 to " + all + ", or 0, got " + dimensions);
        }
    }

    /** An embedder with all numbers. */
    public Embedder(CausalLM model, Pooling pooling, boolean normalized) {
        this(model, pooling, normalized, 0);
    }

    /** An embedder with the pooling of the model's files, by default the mean, and vectors of length 1. */
    public static Embedder of(CausalLM model) {
        return new Embedder(
                model, model.embedding().map(EmbeddingConfig::pooling).orElse(Pooling.MEAN), true);
    }

    /** This embedder with the first numbers of vectors alone; 0 for all. */
    public Embedder withDimensions(int first) {
        return new Embedder(model, pooling, normalized, first);
    }

    private static int size(CausalLM model) {
        int hidden = model.head().hiddenSize();
        return model.embedding().map(config -> config.size(hidden)).orElse(hidden);
    }

    /** How many numbers a vector has. */
    public int size() {
        return dimensions == 0 ? size(model) : dimensions;
    }

    /**
     * The text with a prompt of the model's files before it, such as {@code query} or {@code document}; the text alone
     * if they have none of this name.
     */
    public String prompted(String prompt, String text) {
        return model.embedding()
                        .map(config -> config.prompts().getOrDefault(prompt, ""))
                        .orElse("")
                + text;
    }

    /**
     * Embeds a text, with the tokens that the model's files put before and after it.
     *
     * @return a vector of {@link #size} numbers
     * @throws IllegalStateException if the model has no tokenizer
     * @throws InputException as {@link #embed(int[])}
     */
    public float[] embed(String text) {
        return embedAll(List.of(text)).getFirst();
    }

    /** Embeds texts, several in one forward. Errors as of {@link #embed(List, Engine, Requester)}. */
    public List<float[]> embedAll(List<String> texts) {
        return embedTokens(texts.stream().map(this::tokens).toList());
    }

    /** Embeds sequences of tokens, several in one forward. Errors as of {@link #embed(List, Engine, Requester)}. */
    public List<float[]> embedTokens(List<int[]> texts) {
        return embed(texts, Engine.shared(model), Requester.of(""));
    }

    /**
     * The tokens of a text, with those that the model's files put before and after it.
     *
     * @throws IllegalStateException if the model has no tokenizer
     */
    public int[] tokens(String text) {
        Tokenizer tokenizer = model.requireTokenizer();
        return tokenizer.whole(tokenizer.encode(text));
    }

    /** The first tokens of a text that is longer than the context, with those that the model's files put after it. */
    public int[] cut(int[] tokens) {
        int more = tokens.length - model.contextLength();
        int[] none = {};
        int after = model.tokenizer()
                .map(each -> each.whole(none).length - each.withPrefix(none).length)
                .orElse(0);
        return more <= 0
                ? tokens
                : IntStream.range(0, model.contextLength())
                        .map(i -> tokens[i < model.contextLength() - after ? i : i + more])
                        .toArray();
    }

    /**
     * Embeds a sequence of tokens.
     *
     * @throws InputException if there is no token, one is not in the vocabulary, or they do not fit the context
     * @throws NonFiniteException if a hidden vector or the text's has a number that is not finite
     */
    public float[] embed(int[] tokens) {
        return embedTokens(List.of(tokens)).getFirst();
    }

    /**
     * Embeds sequences of tokens in an engine of the model, whose queue needs room for one.
     *
     * @param requester takes turns with the other requests of the engine
     * @return the vectors, in the order of the texts
     * @throws IllegalArgumentException if the engine is of another model
     * @throws InputException as {@link #embed(int[])}, before anything is computed; its index is the text's
     * @throws NonFiniteException as there
     * @throws RejectedExecutionException if the queue is full
     * @throws CancellationException if this thread is interrupted (the flag stays set), or the engine is closed
     */
    public List<float[]> embed(List<int[]> texts, Engine engine, Requester requester) {
        engine.checkCaller();
        if (!engine.model().equals(model)) {
            throw new IllegalArgumentException("engine: expected one of the embedder's model, got another's");
        }
        for (int i = 0; i < texts.size(); i++) {
            try {
                int[] _ = checked(texts.get(i)); // all, before anything is computed
            } catch (InputException e) {
                throw texts.size() == 1 ? e : e.at(i);
            }
        }
        List<float[]> vectors = new ArrayList<>();
        Deque<EmbeddedSequence> ahead = new ArrayDeque<>();
        try {
            while (vectors.size() < texts.size()) {
                submit(texts, vectors.size() + ahead.size(), ahead, engine, requester);
                EmbeddedSequence next = ahead.getFirst();
                vectors.add(vector(EngineControl.await(next.result), next.known));
                ahead.removeFirst();
            }
            return vectors;
        } catch (NonFiniteException e) {
            throw texts.size() == 1 ? e : e.at(0, "text " + (vectors.size() + 1));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CancellationException(
                    "embedding: cancelled after " + vectors.size() + " of " + texts.size() + " texts");
        } finally {
            ahead.forEach(each -> each.result.cancel(false));
            ahead.forEach(each -> each.result.handle((_, _) -> 0).join());
        }
    }

    /** These tokens, if they can be embedded. Errors as of {@link #embed(int[])}. */
    public int[] checked(int[] tokens) {
        int context = model.contextLength();
        if (tokens.length == 0 || tokens.length > context) {
            throw new InputException(
                    "text: expected 1 to " + context + " tokens, the context length, got " + tokens.length);
        }
        model.head().checkTokens(tokens);
        return tokens;
    }

    /** Submits the next texts. If the queue is full, it is enough that one is there. */
    private void submit(
            List<int[]> texts, int from, Deque<EmbeddedSequence> ahead, Engine engine, Requester requester) {
        for (int i = from; i < texts.size() && ahead.size() < AHEAD; i++) {
            EmbeddedSequence next = new EmbeddedSequence(engine, requester, texts.get(i), pooling);
            try {
                engine.start(List.of(next));
            } catch (RejectedExecutionException e) {
                if (ahead.isEmpty()) {
                    throw e;
                }
                return;
            }
            ahead.add(next);
        }
    }

    /** @param tokens how many vectors the sum has, if it is one */
    private float[] vector(double[] sum, int tokens) {
        double[] pooled = model.embedding().map(config -> config.apply(sum)).orElse(sum);
        float[] vector = new float[size()];
        double length = Math.sqrt(
                Arrays.stream(pooled).limit(vector.length).map(x -> x * x).sum());
        double divisor = !normalized ? pooling == Pooling.MEAN ? tokens : 1 : length == 0 ? 1 : length;
        for (int d = 0; d < vector.length; d++) {
            vector[d] = (float) (pooled[d] / divisor);
            if (!Float.isFinite(vector[d])) {
                throw new NonFiniteException("vector: expected finite numbers, got " + vector[d] + " at " + d
                        + "; the layers after the pooling are damaged or overflow");
            }
        }
        return vector;
    }
}
