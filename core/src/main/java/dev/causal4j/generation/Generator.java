package dev.causal4j.generation;

import dev.causal4j.backbone.Activations;
import dev.causal4j.backbone.Batch;
import dev.causal4j.head.CausalLMHead;
import dev.causal4j.kernel.Kernels;
import dev.causal4j.kernel.Rows;
import dev.causal4j.model.CausalLM;
import java.util.ArrayList;
import java.util.List;

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
    private final ScreeningTrial trial;

    /** A generator for a model, with {@link Screening#AUTO}; any number may share the model. */
    public Generator(CausalLM model) {
        this(model, Screening.AUTO);
    }

    /** A generator that screens the head or not, which changes its speed and memory alone. */
    public Generator(CausalLM model, Screening screening) {
        this.model = model;
        Kernels.name(); // a choice of kernels that cannot be had fails here, not in the middle
        trial = new ScreeningTrial(model.head(), screening);
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
     * @throws ArithmeticException if a hidden vector or logit is not a number, naming the first and its position. An
     *     exception ends all sequences of the call
     */
    public List<Generation> generate(List<GenerationRequest> requests, TokenListener listener) {
        List<Sequence> sequences = new ArrayList<>();
        for (GenerationRequest request : requests) {
            sequences.add(new Sequence(model, sequences.size(), prompt(request.prompt()), request.options()));
        }
        long start = System.nanoTime();
        Activations activations = new Activations();
        HeadStep headStep = new HeadStep(model.head(), trial);
        prefill(sequences, activations, headStep, listener);
        long middle = System.nanoTime();
        int decoded = 0;
        for (List<Sequence> running = running(sequences); !running.isEmpty(); running = running(sequences)) {
            decoded += running.size();
            decode(running, activations, headStep, listener);
        }
        long end = System.nanoTime();
        int prompts = sequences.stream().mapToInt(Sequence::cachedPrompt).sum();
        Generation.Timing timing =
                new Generation.Timing(prompts, (middle - start) / 1e9, decoded, (end - middle) / 1e9);
        return sequences.stream()
                .map(sequence -> sequence.result(timing, headStep.counts()))
                .toList();
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
        int contextLength = model.backbone().shape().contextLength();
        if (prompt.length > contextLength) {
            throw new IllegalArgumentException("prompt: expected at most " + contextLength
                    + " tokens, the context length, got " + prompt.length + "; shorten it");
        }
        return prompt;
    }

    /** Feeds the prompts, several in one forward, in chunks; chooses each sequence's first token after its last chunk. */
    private void prefill(List<Sequence> sequences, Activations activations, HeadStep headStep, TokenListener listener) {
        for (List<Sequence> waiting = waiting(sequences); !waiting.isEmpty(); waiting = waiting(sequences)) {
            List<Batch.Chunk> chunks = new ArrayList<>();
            for (Sequence sequence : waiting) {
                int room = CHUNK
                        - chunks.stream()
                                .mapToInt(chunk -> chunk.tokens().length)
                                .sum();
                if (room > 0) {
                    chunks.add(new Batch.Chunk(sequence.cache(), sequence.nextPromptTokens(room)));
                }
            }
            Batch batch = new Batch(chunks);
            Rows hidden = model.forward(batch, activations);
            requireFinite(batch, hidden);
            for (int i = 0; i < chunks.size(); i++) {
                Sequence sequence = waiting.get(i);
                if (sequence.promptIsCached()) {
                    int row = batch.lastRow(i);
                    int token = sequences.size() == 1
                            ? headStep.choose(sequence, hidden, row)
                            : sequence.choose(model.head().logits(hidden, row), 0);
                    sequence.append(token, listener);
                }
            }
        }
    }

    private void decode(List<Sequence> running, Activations activations, HeadStep headStep, TokenListener listener) {
        List<Batch.Chunk> chunks = new ArrayList<>();
        for (Sequence sequence : running) {
            chunks.add(new Batch.Chunk(sequence.cache(), new int[] {sequence.lastToken()}));
        }
        CausalLMHead head = model.head();
        Batch batch = new Batch(chunks);
        Rows hidden = model.forward(batch, activations);
        requireFinite(batch, hidden);
        if (running.size() == 1) {
            Sequence alone = running.getFirst();
            alone.append(headStep.choose(alone, hidden, 0), listener);
            return;
        }
        float[] logits = new float[Math.multiplyExact(running.size(), head.vocabularySize())];
        head.logits(hidden, Rows.of(logits, head.vocabularySize(), running.size()));
        for (int i = 0; i < running.size(); i++) {
            Sequence sequence = running.get(i);
            sequence.append(sequence.choose(logits, i * head.vocabularySize()), listener);
        }
    }

    /** Names the first position whose hidden vector, and so every logit, is not a number. */
    private static void requireFinite(Batch batch, Rows hidden) {
        int row = 0;
        for (Batch.Chunk chunk : batch.chunks()) {
            int first = chunk.cache().length() - chunk.tokens().length;
            for (int t = 0; t < chunk.tokens().length; t++, row++) {
                int start = hidden.start(row);
                for (int i = start; i < start + hidden.stride(); i++) {
                    if (!Float.isFinite(hidden.data()[i])) {
                        throw new ArithmeticException("logits: expected finite numbers, got a hidden vector with "
                                + hidden.data()[i] + " at position " + (first + t)
                                + "; the weights are damaged or overflow");
                    }
                }
            }
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
