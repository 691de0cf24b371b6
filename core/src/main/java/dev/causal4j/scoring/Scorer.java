package dev.causal4j.scoring;

import dev.causal4j.decoder.Activations;
import dev.causal4j.decoder.Batch;
import dev.causal4j.decoder.KVCache;
import dev.causal4j.generation.Prediction;
import dev.causal4j.kernel.Kernels;
import dev.causal4j.model.CausalLM;
import dev.causal4j.tokenizer.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import org.jspecify.annotations.Nullable;

/**
 * Scores texts token by token. Immutable and thread-safe.
 *
 * <p>A text's score has the same bits alone and among others, for every number of threads and every {@link
 * ScoringOptions#batchRows}. No BOS token is added: without a prefix the first token is context only. Prefix, prompt,
 * text and choice are encoded separately, so a continuation begins with the space that separates it.
 */
public final class Scorer {
    private final CausalLM model;

    /** A scorer for a model. Scorers may share a model. */
    public Scorer(CausalLM model) {
        this.model = model;
        Kernels.name(); // a choice of kernels that cannot be had fails here, not in the middle
    }

    /**
     * Scores one text.
     *
     * @throws IllegalStateException if the model has no tokenizer
     * @throws IllegalArgumentException as {@link #score(List, ScoringOptions, ScoringListener)}
     */
    public Score score(String text) {
        return score(text, ScoringOptions.DEFAULT);
    }

    /** The same with options. */
    public Score score(String text, ScoringOptions options) {
        return score(List.of(request("", text)), options, ScoringListener.NONE).getFirst();
    }

    /**
     * Encodes a text and a prefix, which is context only; an empty prefix means none.
     *
     * @throws IllegalStateException if the model has no tokenizer
     * @throws IllegalArgumentException if there is nothing to score
     */
    public ScoringRequest request(String prefix, String text) {
        Tokenizer tokenizer = model.requireTokenizer();
        return new ScoringRequest(tokenizer.encode(prefix), tokenizer.encode(text));
    }

    /**
     * Scores texts, packing several into one forward. A text longer than the context is scored in full windows, each
     * token once: the first window scores all its tokens but the first, each later one {@link ScoringOptions#stride}
     * tokens, the last what remains.
     *
     * @return one result for each request, in their order
     * @throws IllegalArgumentException if a token is not in the vocabulary, a prefix is longer than the context, or the
     *     stride is
     * @throws ArithmeticException if a hidden vector or logit is not a number, naming the text, from 1, and the
     *     position
     * @throws CancellationException if this thread is interrupted (the flag stays set) or the listener returns false
     */
    public List<Score> score(List<ScoringRequest> requests, ScoringOptions options, ScoringListener listener) {
        List<Window> windows = new ArrayList<>();
        List<@Nullable Prediction[]> predictions = new ArrayList<>();
        for (ScoringRequest request : requests) {
            predictions.add(addWindows(predictions.size(), request, options, windows));
        }
        new ScoringRun(model, options, model.newCache(), windows, listener).run();
        List<Score> scores = new ArrayList<>(requests.size());
        for (int i = 0; i < predictions.size(); i++) {
            scores.add(score(requests.get(i).tokens(), predictions.get(i)));
        }
        return scores;
    }

    private @Nullable Prediction[] addWindows(
            int text, ScoringRequest request, ScoringOptions options, List<Window> windows) {
        int contextLength = model.decoder().config().contextLength();
        int stride = options.strideFor(contextLength);
        int[] prefix = request.prefix();
        if (prefix.length > contextLength) {
            throw new IllegalArgumentException("prefix: expected at most " + contextLength
                    + " tokens, the context length, got " + prefix.length + "; shorten it");
        }
        int[] sequence = joined(prefix, request.tokens());
        model.head().checkTokens(sequence);
        int scored = Math.max(1, prefix.length);
        @Nullable Prediction[] predictions = new Prediction[sequence.length - scored];
        // A full context predicts one more token, which is not fed.
        int end = Math.min(sequence.length, contextLength + 1);
        windows.add(new Window(text, sequence, 0, scored, end, scored, predictions));
        while (end < sequence.length) {
            int target = end;
            end = Math.min(sequence.length, end + stride);
            windows.add(new Window(text, sequence, end - 1 - contextLength, target, end, scored, predictions));
        }
        return predictions;
    }

    /** Ranks texts as continuations of a prompt; as {@link #rank(int[], List, ScoringOptions, ScoringListener)}. */
    public Ranking rank(String prompt, List<String> choices) {
        Tokenizer tokenizer = model.requireTokenizer();
        return rank(
                tokenizer.encode(prompt),
                choices.stream().map(tokenizer::encode).toList(),
                ScoringOptions.DEFAULT,
                ScoringListener.NONE);
    }

    /**
     * Scores each choice as the continuation of a prompt, which is computed once.
     *
     * @param prompt at least one token; together with a choice at most one more than the context length
     * @param choices each at least one token
     * @throws IllegalArgumentException if prompt or a choice is empty or too long, naming the choice, from 1, or a
     *     token is not in the vocabulary
     * @throws ArithmeticException as {@link #score(List, ScoringOptions, ScoringListener)}
     * @throws CancellationException as there
     */
    public Ranking rank(int[] prompt, List<int[]> choices, ScoringOptions options, ScoringListener listener) {
        int most = model.decoder().config().contextLength() + 1;
        if (prompt.length == 0) {
            throw new IllegalArgumentException("prompt: expected at least one token, got none");
        }
        model.head().checkTokens(prompt);
        List<Window> windows = new ArrayList<>();
        List<@Nullable Prediction[]> predictions = new ArrayList<>();
        for (int[] choice : choices) {
            int number = predictions.size() + 1;
            if (choice.length == 0) {
                throw new IllegalArgumentException("choice " + number + ": expected at least one token, got none");
            }
            int[] sequence = joined(prompt, choice);
            if (sequence.length > most) {
                throw new IllegalArgumentException("choice " + number + ": expected at most " + most
                        + " tokens with its prompt, got " + sequence.length + "; shorten one of them");
            }
            model.head().checkTokens(choice);
            @Nullable Prediction[] own = new Prediction[choice.length];
            // The prompt's last token is fed with each choice: it predicts the choice's first.
            int from = prompt.length - 1;
            windows.add(new Window(number - 1, sequence, from, prompt.length, sequence.length, prompt.length, own));
            predictions.add(own);
        }
        try (KVCache start = model.newCache()) {
            prefill(prompt, windows.isEmpty() ? 0 : prompt.length - 1, options, start);
            new ScoringRun(model, options, start, windows, listener).run();
        }
        List<Score> scores = new ArrayList<>();
        for (int i = 0; i < predictions.size(); i++) {
            scores.add(score(choices.get(i), predictions.get(i)));
        }
        return new Ranking(scores);
    }

    private void prefill(int[] prompt, int length, ScoringOptions options, KVCache cache) {
        Activations activations = new Activations();
        while (cache.length() < length) {
            int to = Math.min(length, cache.length() + options.batchRows());
            Batch batch = Batch.last(cache, Arrays.copyOfRange(prompt, cache.length(), to));
            batch.firstNotFinite(model.forward(batch, activations)).ifPresent(found -> {
                throw found.error(found.position(), "the prompt");
            });
        }
    }

    private static int[] joined(int[] first, int[] second) {
        int[] both = Arrays.copyOf(first, Math.addExact(first.length, second.length));
        System.arraycopy(second, 0, both, first.length, second.length);
        return both;
    }

    private Score score(int[] tokens, @Nullable Prediction[] predicted) {
        List<Prediction> predictions = new ArrayList<>(predicted.length);
        double nll = 0;
        long bytes = 0;
        for (Prediction each : predicted) {
            Prediction prediction = Objects.requireNonNull(each);
            predictions.add(prediction);
            nll -= prediction.logProbability();
            bytes += byteCount(prediction.token());
        }
        return new Score(tokens.clone(), predictions, new Totals(nll, predicted.length, bytes));
    }

    /** Ids beyond the tokenizer belong to a padded vocabulary and have no bytes. */
    private int byteCount(int token) {
        Optional<Tokenizer> tokenizer = model.tokenizer();
        return tokenizer.isPresent() && token < tokenizer.get().vocabularySize()
                ? tokenizer.get().bytes(token).length
                : 0;
    }
}
