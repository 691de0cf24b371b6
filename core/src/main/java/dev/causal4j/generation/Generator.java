package dev.causal4j.generation;

import dev.causal4j.InputException;
import dev.causal4j.NonFiniteException;
import dev.causal4j.kernel.Kernels;
import dev.causal4j.model.CausalLM;
import dev.causal4j.tokenizer.Tokenizer;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.stream.Stream;

/**
 * Generates text from prompts. Immutable and thread-safe.
 *
 * <p>A sequence's tokens depend on its prompt, options and seed alone, not on other sequences. It ends at the most new
 * tokens, an end-of-sequence token, a stop string, a full context (as {@link FinishReason#LENGTH}), or when the
 * listener cancels it.
 */
public final class Generator {
    private final CausalLM model;

    /** A generator for a model. Generators may share a model. */
    public Generator(CausalLM model) {
        this.model = model;
        Kernels.name(); // fails here if the kernels that the property sets are missing
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

    /** The same with a listener. */
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
     * Generates several sequences at once, with one forward a step. As many run as there are key/value pages for; the
     * others wait in order.
     *
     * @return one result for each request, in their order
     * @throws InputException if a prompt is empty and the model has no BOS token, a token is not in the vocabulary, or
     *     a prompt is longer than the context and {@link GenerationOptions.Builder#truncatePrompt} is off; its index is
     *     that of the request
     * @throws IllegalStateException if stop strings are set for a model without a tokenizer, or rules ban all tokens
     * @throws NonFiniteException if a hidden vector or logit is not a number, naming the first that is seen and its
     *     position. An exception ends all sequences of the call
     * @throws CancellationException if this thread is interrupted (the flag stays set)
     */
    public List<Generation> generate(List<GenerationRequest> requests, TokenListener listener) {
        try (GenerationRun run = new GenerationRun(model, requests, listener)) {
            while (run.step()) {}
            return run.results();
        }
    }

    /** A request with the tokens of a text. */
    public GenerationRequest request(String prompt, GenerationOptions options) {
        Tokenizer tokenizer = model.requireTokenizer();
        int[] ids = tokenizer.encode(prompt, options.settings.specialTokens);
        return new GenerationRequest(tokenizer.withPrefix(ids), options);
    }

    /**
     * The tokens of one sequence as a lazy stream, computed on the consuming thread. Close the stream, which also ends
     * an unfinished sequence.
     *
     * @throws InputException as {@link #generate(List, TokenListener)}; the stream throws what else it names
     */
    public Stream<GeneratedToken> stream(GenerationRequest request) {
        Deque<GeneratedToken> made = new ArrayDeque<>();
        GenerationRun run = new GenerationRun(model, List.of(request), made::add);
        return Stream.iterate(true, _ -> run.step())
                .takeWhile(more -> more)
                .flatMap(_ -> Stream.ofNullable(made.poll())) // a step of the prompt makes none, others make one
                .onClose(run::close);
    }

    /** The same from a text. */
    public Stream<GeneratedToken> stream(String prompt, GenerationOptions options) {
        return stream(request(prompt, options));
    }
}
