package dev.causal4j.generation;

import dev.causal4j.compute.Rows;
import dev.causal4j.decoder.Activations;
import dev.causal4j.decoder.Batch;
import dev.causal4j.head.CausalLMHead;
import dev.causal4j.kernel.Kernels;
import dev.causal4j.model.CausalLM;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * The loop from prompts to texts: prefill, then one token of every sequence at a time. Thread-safe: what changes belongs
 * to a call.
 *
 * <p>A sequence's tokens depend on its prompt, its options and its seed alone, not on what else is generated with it.
 */
public final class Generator {
    /** Prompt tokens in one forward: enough to use the tiles, few enough that activations stay small. */
    private static final int CHUNK = 256;

    private final CausalLM model;

    /** A generator for a model; any number may share the model. */
    public Generator(CausalLM model) {
        this.model = model;
        Kernels.name(); // a choice of kernels that cannot be had fails here, not in the middle
    }

    /**
     * Generates from a text.
     *
     * @throws IllegalStateException if the model has no tokenizer
     * @throws IllegalArgumentException as {@link #generate(List, TokenListener)}
     */
    public Generation generate(String prompt, GenerationOptions options) {
        return generate(prompt, options, TokenListener.NONE);
    }

    /** The same, telling a listener of each token. */
    public Generation generate(String prompt, GenerationOptions options, TokenListener listener) {
        int[] tokens = model.requireTokenizer().encode(prompt);
        return generate(List.of(new GenerationRequest(tokens, options)), listener)
                .getFirst();
    }

    /** Generates from token ids. */
    public Generation generate(int[] prompt, GenerationOptions options) {
        return generate(List.of(new GenerationRequest(prompt, options)), TokenListener.NONE)
                .getFirst();
    }

    /**
     * Generates several sequences at once: one forward a step for all that still run. A sequence ends with its last
     * token, an end-of-sequence token, a stop string, a full context (as {@link FinishReason#LENGTH}), or when the
     * listener or an interrupt of this thread cancels it.
     *
     * @return one result for each request, in their order
     * @throws IllegalArgumentException if a prompt is empty and the model has no BOS token, a token is not in the
     *     vocabulary, or a prompt is longer than the context
     * @throws IllegalStateException if stop strings are asked of a model without a tokenizer
     * @throws ArithmeticException if a hidden vector or logit is not a number, naming the first that is seen and its
     *     position (what the last block makes of a prompt's earlier tokens is not computed). An exception ends all
     *     sequences of the call
     */
    public List<Generation> generate(List<GenerationRequest> requests, TokenListener listener) {
        List<Sequence> sequences = new ArrayList<>();
        for (GenerationRequest request : requests) {
            sequences.add(new Sequence(model, sequences.size(), prompt(request.prompt()), request.options()));
        }
        try {
            return run(sequences, listener);
        } finally {
            sequences.forEach(sequence -> sequence.cache().close());
        }
    }

    private List<Generation> run(List<Sequence> sequences, TokenListener listener) {
        long start = System.nanoTime();
        Activations activations = new Activations();
        prefill(sequences, activations, listener);
        long middle = System.nanoTime();
        int decoded = 0;
        for (List<Sequence> running = running(sequences); !running.isEmpty(); running = running(sequences)) {
            decoded += running.size();
            decode(running, activations, listener);
        }
        long end = System.nanoTime();
        int prompts = sequences.stream().mapToInt(Sequence::cachedPrompt).sum();
        Generation.Timing timing =
                new Generation.Timing(prompts, (middle - start) / 1e9, decoded, (end - middle) / 1e9);
        return sequences.stream().map(sequence -> sequence.result(timing)).toList();
    }

    private int[] prompt(int[] given) {
        int[] prompt = given.clone();
        if (prompt.length == 0) {
            prompt = new int[] {
                model.bos()
                        .orElseThrow(() -> new IllegalArgumentException("prompt: expected at least one token, got none;"
                                + " this model has no BOS token to start from"))
            };
        }
        model.head().checkTokens(prompt);
        int contextLength = model.decoder().config().contextLength();
        if (prompt.length > contextLength) {
            throw new IllegalArgumentException("prompt: expected at most " + contextLength
                    + " tokens, the context length, got " + prompt.length + "; shorten it");
        }
        return prompt;
    }

    /** Feeds the prompts, several in one forward, in chunks; chooses each sequence's first token after its last chunk. */
    private void prefill(List<Sequence> sequences, Activations activations, TokenListener listener) {
        for (List<Sequence> waiting = waiting(sequences); !waiting.isEmpty(); waiting = waiting(sequences)) {
            List<Batch.Chunk> chunks = new ArrayList<>();
            for (Sequence sequence : waiting) {
                int room = CHUNK
                        - chunks.stream()
                                .mapToInt(chunk -> chunk.tokens().length)
                                .sum();
                if (room > 0) {
                    chunks.add(sequence.nextPromptTokens(room));
                }
            }
            forward(waiting.subList(0, chunks.size()), new Batch(chunks), activations, listener);
        }
    }

    private void decode(List<Sequence> running, Activations activations, TokenListener listener) {
        List<Batch.Chunk> chunks = new ArrayList<>();
        for (Sequence sequence : running) {
            chunks.add(new Batch.Chunk(sequence.cache(), new int[] {sequence.lastToken()}));
        }
        forward(running, new Batch(chunks), activations, listener);
    }

    /** One forward of a chunk for each sequence, and the next token of those whose prompt is cached. */
    private void forward(List<Sequence> sequences, Batch batch, Activations activations, TokenListener listener) {
        Rows hidden = model.forward(batch, activations);
        batch.firstNotFinite(hidden).ifPresent(found -> {
            throw found.error(found.position(), "");
        });
        List<Sequence> choosing =
                sequences.stream().filter(Sequence::promptIsCached).toList();
        if (!choosing.isEmpty()) {
            accept(choosing, hidden, choose(choosing, hidden), listener);
        }
    }

    /** A token for each sequence from the hidden vector of its last one, [N, D]. */
    private int[] choose(List<Sequence> sequences, Rows hidden) {
        CausalLMHead head = model.head();
        int n = sequences.size();
        float[] logits = new float[Math.multiplyExact(n, head.vocabularySize())];
        head.logits(hidden, Rows.of(logits, head.vocabularySize(), n));
        int[] tokens = new int[n];
        for (int i = 0; i < n; i++) {
            tokens[i] = sequences.get(i).choose(logits, i * head.vocabularySize());
        }
        return tokens;
    }

    /** Gives each sequence its token, with what the model predicted if it asks for that. */
    private void accept(List<Sequence> sequences, Rows hidden, int[] tokens, TokenListener listener) {
        int alternatives = -1; // the most that a sequence asks for; none asks for its predictions
        for (Sequence sequence : sequences) {
            alternatives = Math.max(alternatives, sequence.alternatives());
        }
        List<Prediction> predictions =
                alternatives < 0 ? List.of() : Prediction.of(model.head(), hidden, tokens, alternatives);
        for (int i = 0; i < tokens.length; i++) {
            Sequence sequence = sequences.get(i);
            Optional<Prediction> prediction = sequence.alternatives() < 0
                    ? Optional.empty()
                    : Optional.of(predictions.get(i).withAlternatives(sequence.alternatives()));
            sequence.accept(tokens[i], prediction, listener);
        }
    }

    private static List<Sequence> waiting(List<Sequence> sequences) {
        return running(sequences).stream()
                .filter(sequence -> !sequence.promptIsCached())
                .toList();
    }

    /** Sequences that still run. An interrupt of this thread cancels them all. */
    private static List<Sequence> running(List<Sequence> sequences) {
        if (Thread.currentThread().isInterrupted()) {
            sequences.forEach(Sequence::cancel);
        }
        return sequences.stream().filter(Sequence::running).toList();
    }
}
