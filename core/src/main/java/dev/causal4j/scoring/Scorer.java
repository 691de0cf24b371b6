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
import dev.causal4j.tokenizer.StreamingDecoder;
import dev.causal4j.tokenizer.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import java.util.function.Supplier;
import java.util.stream.IntStream;
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
        Kernels.name(); // fails here if the kernels that the property sets are missing
    }

    /**
     * Scores one text.
     *
     * @throws IllegalStateException if the model has no tokenizer
     * @throws InputException as {@link #score(List, ScoringOptions, ScoringListener)}
     */
    public Score score(String text) {
        return score(text, ScoringOptions.DEFAULT);
    }

    /** The same with options. */
    public Score score(String text, ScoringOptions options) {
        return score(List.of(text), options).getFirst();
    }

    /** Scores several texts; an {@link InputException} has the index of its text. */
    public List<Score> score(List<String> texts, ScoringOptions options) {
        List<ScoringRequest> requests = new ArrayList<>(texts.size());
        for (String text : texts) {
            requests.add(named(texts.size(), requests.size(), () -> request("", text, options)));
        }
        return score(requests, options, ScoringListener.NONE);
    }

    /**
     * Encodes a text and a prefix, which is context only; an empty prefix means none.
     *
     * @throws IllegalStateException if the model has no tokenizer
     * @throws InputException if there is nothing to score; {@link ScoringRequest#scorable} tells beforehand
     */
    public ScoringRequest request(String prefix, String text, ScoringOptions options) {
        return new ScoringRequest(encode(prefix, options), encode(text, options));
    }

    private int[] encode(String text, ScoringOptions options) {
        return model.requireTokenizer().encode(text, options.specialTokens);
    }

    private static <T> T named(int inputs, int index, Supplier<T> work) {
        try {
            return work.get();
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
        List<Window> windows = new ArrayList<>();
        List<@Nullable Prediction[]> predictions = new ArrayList<>();
        for (ScoringRequest request : requests) {
            int text = predictions.size();
            predictions.add(named(requests.size(), text, () -> addWindows(text, request, options, windows)));
        }
        new ScoringRun(model, options, model.newCache(), windows, listener).run();
        return scores(requests.stream().map(ScoringRequest::tokens).toList(), predictions);
    }

    private @Nullable Prediction[] addWindows(
            int text, ScoringRequest request, ScoringOptions options, List<Window> windows) {
        int contextLength = model.decoder().config().contextLength();
        int stride = options.strideFor(contextLength);
        int[] prefix = request.prefix();
        if (prefix.length > contextLength) {
            throw new InputException("prefix: expected at most " + contextLength + " tokens, the context length, got "
                    + prefix.length + "; shorten it");
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
        return rank(prompt, choices, ScoringOptions.DEFAULT);
    }

    /** The same with options. */
    public Ranking rank(String prompt, List<String> choices, ScoringOptions options) {
        List<int[]> encoded =
                choices.stream().map(choice -> encode(choice, options)).toList();
        return rank(encode(prompt, options), encoded, options, ScoringListener.NONE);
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
        List<Window> windows = new ArrayList<>();
        List<@Nullable Prediction[]> predictions = new ArrayList<>();
        for (int[] choice : choices) {
            int number = predictions.size() + 1;
            if (choice.length == 0) {
                throw new InputException("choice " + number + ": expected at least one token, got none", number - 1);
            }
            int[] sequence = joined(prompt, choice);
            if (sequence.length > most) {
                throw new InputException(
                        "choice " + number + ": expected at most " + most + " tokens with its prompt, got "
                                + sequence.length + "; shorten one of them",
                        number - 1);
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
        return new Ranking(scores(choices, predictions));
    }

    private void prefill(int[] prompt, int length, ScoringOptions options, KVCache cache) {
        Activations activations = new Activations();
        while (cache.length() < length) {
            int to = Math.min(length, cache.length() + options.batchRows);
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

    private List<Score> scores(List<int[]> texts, List<@Nullable Prediction[]> predictions) {
        return IntStream.range(0, texts.size())
                .mapToObj(i -> score(texts.get(i), predictions.get(i)))
                .toList();
    }

    private Score score(int[] tokens, @Nullable Prediction[] predicted) {
        List<Prediction> predictions = new ArrayList<>(predicted.length);
        double nll = 0;
        long bytes = 0;
        for (Prediction each : predicted) {
            Prediction prediction = Objects.requireNonNull(each);
            predictions.add(prediction);
            nll -= prediction.logProbability();
            bytes += known(prediction.token())
                    .map(t -> t.bytes(prediction.token()).length)
                    .orElse(0);
        }
        return new Score(tokens.clone(), pieces(tokens), predictions, new Totals(nll, predicted.length, bytes));
    }

    private List<String> pieces(int[] tokens) {
        Optional<StreamingDecoder> decoder = model.tokenizer().map(Tokenizer::decoder);
        List<String> pieces = new ArrayList<>(tokens.length);
        for (int token : tokens) {
            pieces.add(
                    known(token).flatMap(_ -> decoder).map(d -> d.accept(token)).orElse(""));
        }
        decoder.ifPresent(d -> pieces.add(pieces.removeLast() + d.finish()));
        return pieces;
    }

    /** The tokenizer, if it has this token: ids beyond it belong to a padded vocabulary and have no bytes. */
    private Optional<Tokenizer> known(int token) {
        return model.tokenizer().filter(tokenizer -> token < tokenizer.vocabularySize());
    }
}
