package dev.causal4j.generation;

import org.jspecify.annotations.Nullable;

/**
 * Options of an {@link Engine}; none of them changes a result. Immutable.
 *
 * @param parallel most sequences that run at once; fewer run if there are no pages for them
 * @param queue most sequences that wait
 * @param promptRows most prompt tokens in a step
 * @param prefixBytes most bytes of keys and values kept for prompts that begin like earlier ones; 0 to keep none
 * @param draft where guesses of the next tokens come from, unless a request says so
 * @param store where the kept pages of prompts are also written and read, which raises their bytes to those of a
 *     context; null for none
 */
public record EngineOptions(
        int parallel,
        int queue,
        int promptRows,
        long prefixBytes,
        Draft draft,
        @Nullable PrefixStore store) {
    /**
     * As many sequences as there are pages for, an unbounded queue, 512 prompt tokens a step, no kept pages, and no
     * guesses.
     */
    public static final EngineOptions DEFAULT =
            new EngineOptions(Integer.MAX_VALUE, Integer.MAX_VALUE, 512, 0, Draft.OFF, null);

    /** @throws IllegalArgumentException if a number is less than 1, or the bytes are negative */
    public EngineOptions {
        if (Math.min(Math.min(parallel, queue), promptRows) < 1 || prefixBytes < 0) {
            throw new IllegalArgumentException("engine: expected at least 1 sequence at once, 1 in the queue, 1 prompt"
                    + " token and 0 bytes, got " + parallel + ", " + queue + ", " + promptRows + " and "
                    + prefixBytes);
        }
    }

    /** These options with another bound of sequences at once. */
    public EngineOptions withParallel(int sequences) {
        return new EngineOptions(sequences, queue, promptRows, prefixBytes, draft, store);
    }

    /** These options with another bound of waiting sequences. */
    public EngineOptions withQueue(int sequences) {
        return new EngineOptions(parallel, sequences, promptRows, prefixBytes, draft, store);
    }

    /** These options with another bound of prompt tokens in a step. */
    public EngineOptions withPromptRows(int tokens) {
        return new EngineOptions(parallel, queue, tokens, prefixBytes, draft, store);
    }

    /** These options with another bound of kept bytes. */
    public EngineOptions withPrefixBytes(long bytes) {
        return new EngineOptions(parallel, queue, promptRows, bytes, draft, store);
    }

    /** These options with another source of guesses. */
    public EngineOptions withDraft(Draft source) {
        return new EngineOptions(parallel, queue, promptRows, prefixBytes, source, store);
    }

    /**
     * These options with a store of prompts; null for none. The model must have been loaded {@linkplain
     * dev.causal4j.model.LoadOptions#withDigests with digests}.
     */
    public EngineOptions withPrefixStore(@Nullable PrefixStore folder) {
        return new EngineOptions(parallel, queue, promptRows, prefixBytes, draft, folder);
    }
}
