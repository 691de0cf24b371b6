package dev.causal4j.scoring;

import dev.causal4j.InputException;
import dev.causal4j.NonFiniteException;
import dev.causal4j.decoder.Activations;
import dev.causal4j.decoder.Batch;
import dev.causal4j.decoder.KVCache;
import dev.causal4j.head.Prediction;
import dev.causal4j.kernel.Kernels;
import dev.causal4j.model.CausalLM;
import dev.causal4j.scoring.Score.Totals;
import dev.causal4j.scoring.ScoringRun.Window;
import dev.causal4j.tokenizer.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import java.util.stream.IntStream;

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
        Kernels.name(); // fails here if the kernels that the property sets are missing
    }

    /**
     * Scores one text.
     *
     * @throws IllegalStateException if the model has no tokenizer
     * @throws InputException as {@link #score(List, ScoringOptions, ScoringListener)}
     */
    public Score score(String text) {
        return score(List.of(text), ScoringOptions.DEFAULT).getFirst();
    }

    /** Scores several texts; an {@link InputException} has the index of its text. */
    public List<Score> score(List<String> texts, ScoringOptions options) {
        List<ScoringRequest> requests = new ArrayList<>();
        for (String text : texts) {
            named(texts.size(), requests.size(), () -> requests.add(request("", text, options)));
        }
        return score(requests, options, ScoringListener.NONE);
    }

    /**
     * Encodes a text and a prefix, which is context only; an empty prefix means none.
     *
     * @throws IllegalStateException if the model has no tokenizer
     * @throws InputException if there is nothing to score
     */
    public ScoringRequest request(String prefix, String text, ScoringOptions options) {
        Tokenizer tokenizer = model.requireTokenizer();
        if (prefix.isEmpty()) {
            int[] ids = tokenizer.withPrefix(tokenizer.encode(text, options.specialTokens()));
            return new ScoringRequest(new int[0], ids);
        }
        return new ScoringRequest(
                tokenizer.withPrefix(tokenizer.encode(prefix, options.specialTokens())),
                tokenizer.encodeContinuation(text, options.specialTokens()));
    }

    private static void named(int inputs, int index, Runnable work) {
        try {
            work.run();
        } catch (InputException e) {
            throw inputs == 1 ? e : e.at(index);
        }
    }

    /**
     * Scores texts, packing several into one forward. A text longer than the context is scored in full windows, each
     * token once: the first window scores all its tokens but the first, each later one {@link ScoringOptions#stride}
     * tokens, the last what remains.
     *
     * @return one result for each request, in their order
     * @throws InputException if a token is not in the vocabulary or a prefix is longer than the context; its index is
     *     that of the request
     * @throws IllegalArgumentException if the stride is longer than the context
     * @throws NonFiniteException if a hidden vector or logit is not a number, naming the text, from 1, and the
     *     position
     * @throws CancellationException if this thread is interrupted (the flag stays set) or the listener returns false
     */
    public List<Score> score(List<ScoringRequest> requests, ScoringOptions options, ScoringListener listener) {
        int stride = options.strideFor(model.decoder().config().contextLength());
        return score(requests, stride, model.newCache(), options, listener);
    }

    /** @param start the cache before the first token of every window */
    private List<Score> score(
            List<ScoringRequest> requests,
            int stride,
            KVCache start,
            ScoringOptions options,
            ScoringListener listener) {
        List<Window> windows = new ArrayList<>();
        for (int i = 0; i < requests.size(); i++) {
            int text = i;
            named(requests.size(), i, () -> addWindows(text, requests.get(text), stride, windows));
        }
        Iterator<Prediction> predictions =
                new ScoringRun(model, options, start, windows, listener).run().iterator();
        return requests.stream().map(request -> score(request, predictions)).toList();
    }

    /** Cuts a text into windows. */
    private void addWindows(int text, ScoringRequest request, int stride, List<Window> windows) {
        int contextLength = model.decoder().config().contextLength();
        int[] prefix = request.prefix();
        if (prefix.length > contextLength) {
            throw new InputException("prefix: expected at most " + contextLength + " tokens, the context length, got "
                    + prefix.length + "; shorten it");
        }
        int[] sequence = IntStream.concat(Arrays.stream(prefix), Arrays.stream(request.tokens()))
                .toArray();
        model.head().checkTokens(sequence);
        // A full context predicts one more token, which is not fed.
        int end = Math.min(sequence.length, contextLength + 1);
        windows.add(new Window(text, sequence, 0, Math.max(1, prefix.length), end));
        while (end < sequence.length) {
            int target = end;
            end = Math.min(sequence.length, end + stride);
            windows.add(new Window(text, sequence, end - 1 - contextLength, target, end));
        }
    }

    /** Ranks texts as continuations of a prompt; as {@link #rank(int[], List, ScoringOptions, ScoringListener)}. */
    public Ranking rank(String prompt, List<String> choices) {
        Tokenizer tokenizer = model.requireTokenizer();
        ScoringOptions options = ScoringOptions.DEFAULT;
        List<int[]> encoded = choices.stream()
                .map(choice -> tokenizer.encodeContinuation(choice, options.specialTokens()))
                .toList();
        return rank(tokenizer.withPrefix(tokenizer.encode(prompt)), encoded, options, ScoringListener.NONE);
    }

    /**
     * Scores each choice as the continuation of a prompt, which is computed once.
     *
     * @param prompt at least one token; together with a choice at most one more than the context length
     * @param choices each at least one token
     * @throws InputException if prompt or a choice is empty or too long, naming the choice, from 1, or a token is not
     *     in the vocabulary
     * @throws NonFiniteException as {@link #score(List, ScoringOptions, ScoringListener)}
     * @throws CancellationException as there
     */
    public Ranking rank(int[] prompt, List<int[]> choices, ScoringOptions options, ScoringListener listener) {
        int most = model.decoder().config().contextLength() + 1;
        if (prompt.length == 0) {
            throw new InputException("prompt: expected at least one token, got none");
        }
        model.head().checkTokens(prompt);
        List<ScoringRequest> requests = new ArrayList<>();
        for (int[] choice : choices) {
            int index = requests.size();
            String name = "choice " + (index + 1);
            if (choice.length == 0) {
                throw new InputException(name + ": expected at least one token, got none", index);
            }
            int length = prompt.length + choice.length;
            if (length > most) {
                throw new InputException(
                        name + ": expected at most " + most + " tokens with its prompt, got " + length
                                + "; shorten one of them",
                        index);
            }
            model.head().checkTokens(choice);
            requests.add(new ScoringRequest(prompt, choice));
        }
        try (KVCache start = model.newCache()) {
            prefill(prompt, requests.isEmpty() ? 0 : prompt.length - 1, options, start);
            return new Ranking(score(requests, most, start, options, listener));
        }
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

    /** The score of one text; takes its predictions. */
    private Score score(ScoringRequest request, Iterator<Prediction> predictions) {
        int[] tokens = request.tokens().clone();
        List<Prediction> own = new ArrayList<>();
        double nll = 0;
        long bytes = 0;
        for (int i = request.firstScored(); i < tokens.length; i++) {
            own.add(predictions.next());
            nll -= own.getLast().logProbability();
            int token = tokens[i];
            bytes +=
                    known(token).map(tokenizer -> tokenizer.bytes(token).length).orElse(0);
        }
        return new Score(tokens, pieces(tokens), own, new Totals(nll, own.size(), bytes));
    }

    private List<String> pieces(int[] tokens) {
        String[] pieces = new String[tokens.length];
        Arrays.fill(pieces, "");
        model.tokenizer().map(Tokenizer::decoder).ifPresent(decoder -> {
            Arrays.setAll(pieces, i -> known(tokens[i]).isPresent() ? decoder.accept(tokens[i]) : decoder.finish());
            pieces[tokens.length - 1] += decoder.finish();
        });
        return List.of(pieces);
    }

    /** The tokenizer, if it has this token: ids beyond it belong to a padded vocabulary and have no bytes. */
    private Optional<Tokenizer> known(int token) {
        return model.tokenizer().filter(tokenizer -> token < tokenizer.vocabularySize());
    }
}
