package dev.causal4j.generation;

import dev.causal4j.InputException;
import dev.causal4j.NonFiniteException;
import dev.causal4j.generation.Engine.Requester;
import dev.causal4j.generation.Generation.Constrained;
import dev.causal4j.generation.GenerationOptions.Setting;
import dev.causal4j.generation.friend.EngineControl;
import dev.causal4j.kernel.CounterRandom;
import dev.causal4j.model.CausalLM;
import dev.causal4j.tokenizer.Tokenizer;
import java.lang.ref.Cleaner;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * Generates text from prompts. Immutable and thread-safe.
 *
 * <p>A sequence's tokens depend on its prompt, options and seed alone, not on other sequences. It ends at the most new
 * tokens, an end-of-sequence token, a stop string, a full context (as {@link FinishReason#LENGTH}), a deadline, or
 * when the listener cancels it.
 */
public final class Generator {
    private static final Cleaner DROPPED = Cleaner.create();

    private static final int MOST_TRIES_AT_ONCE = 32;

    /** The stream of draws that accept a text; streams of tokens are below it. */
    private static final long ACCEPTANCE = 1L << 33;

    private final Engine engine;

    /** A generator for a model. All generators of a model share an engine. */
    public Generator(CausalLM model) {
        this(Engine.shared(model));
    }

    /** A generator that submits to an engine. */
    public Generator(Engine engine) {
        this.engine = engine;
    }

    /** The sizes of its model. */
    @Override
    public String toString() {
        return "Generator of " + engine.model();
    }

    /**
     * Generates from a text.
     *
     * @throws IllegalStateException if the model has no tokenizer
     * @throws InputException as {@link #generate(List, TokenListener)}
     */
    public Generation generate(String prompt, GenerationOptions options) {
        return generate(prompt, options, TokenListener.NONE);
    }

    /**
     * Generates from a text, and passes each token to a listener. Errors as of {@link #generate(String,
     * GenerationOptions)}.
     */
    public Generation generate(String prompt, GenerationOptions options, TokenListener listener) {
        return generate(List.of(request(prompt, options)), listener).getFirst();
    }

    /** Generates from token ids. */
    public Generation generate(int[] prompt, GenerationOptions options) {
        return generate(List.of(new GenerationRequest(prompt, options)), TokenListener.NONE)
                .getFirst();
    }

    /** Generates from several texts at once, with the same options and seed. */
    public List<Generation> generate(List<String> prompts, GenerationOptions options) {
        return generate(prompts.stream().map(prompt -> request(prompt, options)).toList(), TokenListener.NONE);
    }

    /**
     * Generates several sequences at once.
     *
     * @return one result for each request, in their order
     * @throws InputException if a prompt is empty and the model has no BOS token, a token is not in the vocabulary, or
     *     a prompt is longer than the context and {@link GenerationOptions#withTruncatePrompt} is off; its index is the
     *     request's
     * @throws IllegalStateException if stop strings are set for a model without a tokenizer, rules ban all tokens, or
     *     a listener calls this
     * @throws NonFiniteException if a hidden vector or logit is not a number, naming the first one seen and its
     *     position. An exception ends all sequences of the call
     * @throws CancellationException if this thread is interrupted (the flag stays set)
     */
    public List<Generation> generate(List<GenerationRequest> requests, TokenListener listener) {
        engine.checkCaller();
        Requester requester = Requester.of("");
        List<GeneratedSequence> sequences = new ArrayList<>();
        for (GenerationRequest request : requests) {
            try {
                sequences.add(engine.generating(request, requester, sequences.size(), listener));
            } catch (InputException e) {
                throw requests.size() == 1 ? e : e.at(sequences.size());
            }
        }
        engine.start(sequences);
        List<Generation> generations = new ArrayList<>();
        try {
            for (GeneratedSequence sequence : sequences) {
                generations.add(EngineControl.await(sequence.result));
            }
            return generations;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            long unfinished =
                    sequences.stream().filter(each -> !each.result.isDone()).count();
            throw new CancellationException(
                    "generation: cancelled with " + unfinished + " of " + sequences.size() + " sequences unfinished");
        } finally {
            sequences.forEach(sequence -> sequence.result.cancel(false)); // no effect on those that are done
            // the listener is not called later
            sequences.forEach(sequence -> sequence.result.handle((_, _) -> 0).join());
        }
    }

    /**
     * Draws from the model's distribution on the texts of a constraint: p(text) divided by the sum of p over all texts
     * that it allows within the most new tokens. Masks alone draw from another distribution. A text is accepted with
     * the probability {@link Generation.Constrained#weight}, or 0 if it was cut; otherwise another is drawn with the
     * next seed (rejection sampling; Park et al. 2024). The seed of the result gives the number of draws.
     *
     * <p>The end of a text counts, with the probability of EOS, only where the constraint allows another token: a text that
     * begins another one is rarely drawn. {@code Scorer.rankSpellings} counts no ends.
     *
     * @param request with a constraint, temperature 1, no filters, penalties, biases, rules, stop strings and mark
     * @throws IllegalArgumentException if its options draw from another distribution
     * @throws IllegalStateException if no text is accepted
     */
    public Generation drawExactly(GenerationRequest request, int mostTries) {
        GenerationOptions options = request.options();
        boolean plain = options.mark().isEmpty()
                && ContextRules.of(options).isEmpty()
                && Stream.of(Setting.values())
                        .filter(each -> each.isFilter() || each == Setting.TEMPERATURE)
                        .allMatch(each -> options.number(each).equals(each.standard()));
        if (!plain || options.constraint().isEmpty() || !options.stop().isEmpty()) {
            throw new IllegalArgumentException("exact sampling: expected a constraint, temperature 1, no filters,"
                    + " penalties, rules, biases, stop strings and mark, got " + options);
        }
        GenerationOptions recorded =
                options.withLogProbabilities(options.logProbabilities().orElse(0));
        double weights = 0;
        for (int from = 0, n; from < mostTries; from += n) {
            n = Math.min(Math.clamp(from, 1, MOST_TRIES_AT_ONCE), mostTries - from);
            List<GenerationRequest> tries = IntStream.range(from, from + n)
                    .mapToObj(i -> new GenerationRequest(request.prompt(), recorded.withSeed(options.seed() + i)))
                    .toList();
            List<Generation> drawn = generate(tries, TokenListener.NONE);
            for (Generation each : drawn) {
                Constrained met = each.constrained().orElseThrow();
                double weight = met.complete() ? met.weight().orElseThrow() : 0;
                if (CounterRandom.uniform(each.seed(), 0, ACCEPTANCE) < weight) {
                    return each;
                }
                weights += weight;
            }
        }
        throw new IllegalStateException("exact sampling: expected a text that is accepted in " + mostTries
                + " tries, got none, with weights of " + (float) (weights / mostTries)
                + " on average; allow more tries, or ask for this form in the prompt");
    }

    /** A request whose prompt is the tokens of a text. */
    public GenerationRequest request(String prompt, GenerationOptions options) {
        Tokenizer tokenizer = engine.model().requireTokenizer();
        int[] ids = tokenizer.encode(prompt, options.specialTokens());
        return new GenerationRequest(tokenizer.withPrefix(ids), options);
    }

    /**
     * Generates a sequence, with a listener on this thread that may be slow. The engine generates some tokens before
     * the listener takes them, then waits and computes others meanwhile. Errors as of {@link #generate(List,
     * TokenListener)}.
     *
     * @throws CancellationException if the listener returns false, or this thread is interrupted (the flag stays set)
     */
    public Generation relay(GenerationRequest request, TokenListener listener) {
        TokenQueue queue = new TokenQueue(engine, request);
        try {
            for (Optional<GeneratedToken> token = queue.next(); token.isPresent(); token = queue.next()) {
                if (!listener.accept(token.get())) {
                    throw new CancellationException("generation: cancelled by its listener");
                }
            }
            return queue.result.join();
        } finally {
            queue.end();
        }
    }

    /**
     * The tokens of one sequence as a stream. A few are generated before the consumer takes them. Close the stream,
     * which also ends an unfinished sequence; the sequence of a stream that is not closed ends when the garbage
     * collector finds it. Text that is held back for a stop string when a deadline ends it is in no token; {@link #relay}
     * returns it.
     *
     * @throws InputException as {@link #generate(List, TokenListener)}; the stream throws its other exceptions
     */
    public Stream<GeneratedToken> stream(GenerationRequest request) {
        TokenQueue queue = new TokenQueue(engine, request);
        Supplier<Optional<GeneratedToken>> next = new Supplier<>() { // the engine refers to the queue, not to this
                    @Override
                    public Optional<GeneratedToken> get() {
                        return queue.next();
                    }
                };
        var _ = DROPPED.register(next, () -> queue.result.cancel(false));
        return Stream.generate(next)
                .takeWhile(Optional::isPresent)
                .map(Optional::orElseThrow)
                .onClose(queue::end);
    }

    /** The tokens that continue a text, as a stream like {@link #stream(GenerationRequest)}. */
    public Stream<GeneratedToken> stream(String prompt, GenerationOptions options) {
        return stream(request(prompt, options));
    }
}
