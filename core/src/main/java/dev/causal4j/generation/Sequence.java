package dev.causal4j.generation;

import dev.causal4j.decoder.Batch;
import dev.causal4j.decoder.KVCache;
import dev.causal4j.decoder.PagePool;
import dev.causal4j.model.CausalLM;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/**
 * A sequence that the {@link Engine} computes. Used by its thread alone, but for the result.
 *
 * @param <R> type of the result
 */
abstract sealed class Sequence<R> permits GeneratedSequence, ScoredSequence {
    /** Completed when the pages are given back, also after it was cancelled, which ends it before its next step. */
    final CompletableFuture<R> result = new CompletableFuture<>() {
        @Override
        public boolean cancel(boolean interrupts) {
            cancelled |= !isDone();
            return cancelled;
        }
    };

    final String salt; // sequences of one salt share pages
    KVCache cache;
    Object root = ""; // what decides about keys and values besides tokens
    List<PrefixCache.Node> shared = new ArrayList<>(); // its full pages as the cache of prefixes has them
    int cachedTokens; // that came from others
    long served; // the number of its last step with prompt tokens
    int promptRows; // prompt tokens it feeds in this step
    int wanted; // its wanted rows in this step

    @Nullable
    Throwable failure;

    private volatile boolean cancelled;

    Sequence(CausalLM model, String salt) {
        this.salt = salt;
        this.cache = model.newCache();
    }

    /** The tokens; the first {@link #known} can be fed. */
    abstract int[] tokens();

    /** How many tokens can be fed. */
    abstract int known();

    /** The most positions its cache will hold. */
    abstract int positions();

    /** Whether it feeds back what it chose, one token a step. */
    abstract boolean decodes();

    /** The number of wanted rows of a chunk of tokens: its last ones. */
    abstract int wanted(int from, int to);

    /** Whether it can go on: its reader keeps up. Throws nothing. */
    boolean ready() {
        return true;
    }

    /** Whether nothing is left to compute. */
    abstract boolean finished();

    /** The result. Called once, after it has finished. */
    abstract R outcome();

    /** Whether it is over: finished, failed or cancelled. */
    boolean over() {
        return finished() || failure != null || cancelled || result.isDone();
    }

    /** The next chunk: its prompt tokens of this step, or the last token. */
    Batch.Chunk next() {
        int from = cache.length();
        int to = from + Math.max(1, promptRows);
        wanted = wanted(from, to);
        return new Batch.Chunk(cache, Arrays.copyOfRange(tokens(), from, to), wanted);
    }

    /** Adds the time of a step that fed it. */
    void took(double seconds) {}

    /** Tokens that can be fed now. */
    int left() {
        return known() - cache.length();
    }

    /** Whether this one computes full pages that another begins with, and has not computed them all yet. */
    boolean computesFor(Sequence<?> next) {
        int usable = next.known() - next.wanted(0, next.known());
        int differs = Arrays.mismatch(tokens(), 0, known(), next.tokens(), 0, usable);
        int common = (differs < 0 ? usable : differs) / PagePool.POSITIONS;
        return salt.equals(next.salt) && common > shared.size();
    }

    void fail(Throwable thrown) {
        failure = failure == null ? thrown : failure;
    }

    /** Gives its pages back and completes the result. */
    void close() {
        boolean finished = finished();
        cache.close();
        if (failure != null) {
            result.completeExceptionally(failure);
        } else if (finished) {
            result.complete(outcome());
        } else {
            result.completeExceptionally(new CancellationException("sequence: cancelled"));
        }
    }
}
