package dev.causal4j.generation;

import dev.causal4j.NonFiniteException;
import dev.causal4j.compute.Rows;
import dev.causal4j.decoder.Batch;
import dev.causal4j.decoder.KVCache;
import dev.causal4j.decoder.PagePool;
import dev.causal4j.generation.Engine.Requester;
import dev.causal4j.head.Prediction;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
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
            if (!isDone()) {
                end(new CancellationException("sequence: cancelled"));
            }
            engine.wake();
            return ended != null;
        }
    };

    final Engine engine;
    final Requester requester;
    final Optional<String> salt; // sequences with equal salts share pages; empty shares none
    final KVCache cache;
    int[] tokens = {};
    int known; // the first tokens, which can be fed
    int positions; // the most that its cache will hold
    boolean hasRun;
    boolean runs;
    boolean isReady = true; // its reader kept up when it was asked
    boolean sitsOut; // of steps, until a mask is made in the background
    boolean shares; // its pages, since it began
    Object root = ""; // decides keys and values together with the tokens
    final List<PrefixCache.Node> chain = new ArrayList<>(); // its first pages in the prefix cache
    final @Nullable Sequence<?> continued; // the sequence that it begins with, computed first
    int followers = -1; // sequences that continue it and are not over; -1 if there were never any
    int cachedTokens; // computed by other sequences
    int first = Integer.MAX_VALUE; // the first token that is scored; none unless set
    int alternatives = -1; // of each of their predictions; -1 where none is scored
    final List<Prediction> predictions = new ArrayList<>(); // of the tokens that were scored or chosen
    long fed; // when it last fed prompt tokens
    int promptRows; // prompt tokens it feeds in this step
    int[] draft = {}; // guessed tokens that it feeds behind its known ones in this step
    int wanted; // its wanted rows in this step
    int extra; // rows in this step besides the one of a sequence that decodes

    @Nullable
    Throwable failure;

    private volatile @Nullable RuntimeException ended; // by others

    Sequence(Engine engine, Requester requester, Optional<String> salt, @Nullable Sequence<?> continued) {
        this.engine = engine;
        this.requester = requester;
        this.salt = salt;
        this.continued = continued;
        if (continued != null) {
            continued.followers = Math.max(1, continued.followers + 1);
        }
        this.cache = engine.model().newCache();
    }

    /** Whether it feeds back what it chose. */
    boolean decodes() {
        return false;
    }

    /** The number of wanted rows of a chunk of tokens: its last ones. */
    abstract int wanted(int from, int to);

    /** Whether it can go on: its reader keeps up. Throws nothing. */
    boolean ready() {
        return true;
    }

    /** Begins what it sits steps out for, or goes on if that is done. Throws nothing. */
    void sitOut() {}

    /** Ends it with what is there, if its deadline has passed. Throws nothing. */
    void endLate() {}

    /** Whether nothing is left to compute. */
    abstract boolean finished();

    /** The result. Called once, after it has finished. */
    abstract R outcome();

    /** Ends it before its next step. May be called by any thread. */
    void end(RuntimeException reason) {
        ended = ended == null ? reason : ended;
    }

    /** Whether it is over: finished, failed or ended. */
    boolean over() {
        return finished() || failure != null || ended != null || result.isDone() || followers == 0;
    }

    /** Known tokens that it feeds in this step. */
    int knownRows() {
        return decodes() ? rows(left()) : promptRows;
    }

    /** How many positions its cache has after this step, with the draft. */
    int fedTo() {
        return cache.length() + knownRows() + draft.length;
    }

    /** The next chunk: its prompt tokens of this step, or the last tokens; then the draft. */
    Batch.Chunk next() {
        if (draft.length > 0 && !cache.keepState()) {
            draft = new int[0]; // it could not be taken back
        }
        int from = cache.length();
        int to = fedTo() - draft.length;
        wanted = wanted(from, to) + draft.length;
        int[] fed = Arrays.copyOfRange(tokens, from, to + draft.length);
        System.arraycopy(draft, 0, fed, to - from, draft.length);
        extra = fed.length - (decodes() ? 1 : 0);
        return new Batch.Chunk(cache, fed, wanted);
    }

    /** The tokens that the wanted rows of this step predict. */
    int[] targets() {
        int to = cache.length() + 1;
        return Arrays.copyOfRange(tokens, to - wanted, to);
    }

    /** Guesses the tokens behind those of this step, if it feeds all that are known. Throws nothing. */
    void guess() {}

    /** The prediction of a token, if it was scored. */
    @Nullable
    Prediction prediction(int token) {
        int index = token - first;
        return index < 0 || index >= predictions.size() ? null : predictions.get(index);
    }

    /** Whether a cached token can be skipped. A scored token needs a cached prediction too. */
    boolean takes(int token, @Nullable Prediction known) {
        return token < first || (known != null && known.alternatives().size() >= alternatives);
    }

    /** Skips a cached token, whose prediction may be known. */
    void take(int token, @Nullable Prediction known) {
        if (token >= first && known != null) {
            predictions.add(new Prediction(
                    known.token(), known.logProbability(), known.rank(), known.alternatives(alternatives)));
        }
    }

    /** Gives all pages back. What they hold is computed again, with the same bits. */
    void giveBack() {
        cache.release();
        cached(0);
    }

    /** Sets how many of its tokens other sequences have computed. */
    void cached(int tokens) {
        cachedTokens = tokens;
    }

    /** Adds the time of a step that fed it. */
    abstract void took(double seconds);

    /** Tokens that can be fed now. */
    int left() {
        return known - cache.length();
    }

    /** How many tokens another begins with that it can have from this one. */
    final int common(Sequence<?> next) {
        boolean scores = next.alternatives <= PrefixCache.MOST_ALTERNATIVES
                && first <= next.first
                && alternatives >= next.alternatives;
        int usable = scores ? next.known : Math.min(next.known, next.first);
        int differs = Arrays.mismatch(tokens, 0, known, next.tokens, 0, usable);
        return !salt.equals(next.salt) ? 0 : differs < 0 ? usable : differs;
    }

    /** Whether this one computes pages that another begins with, and has not computed them all yet. */
    boolean computesFor(Sequence<?> next) {
        int behind = chain.size() * PagePool.POSITIONS;
        return common(next) >= (isRecurrent() ? snapshotBehind(behind) : behind + PagePool.POSITIONS);
    }

    boolean isRecurrent() {
        return engine.model().decoder().pool().stateBytes() > 0;
    }

    /** The next position, behind one, where recurrent layers' states are kept; steps are cut there. */
    int snapshotBehind(int position) {
        int next = (position / PrefixCache.DISTANCE + 1) * PrefixCache.DISTANCE;
        int last = (known - 1) / PagePool.POSITIONS * PagePool.POSITIONS; // the last token's row is computed again
        return position < last && !decodes() ? Math.min(next, last) : next;
    }

    /** Known tokens to feed in a step, at most so many. */
    int rows(int most) {
        return Math.min(Math.min(most, left()), mostRows());
    }

    /** Most rows of a step. */
    int mostRows() {
        return shares && isRecurrent() ? snapshotBehind(cache.length()) - cache.length() : KVCache.STEP;
    }

    void fail(Throwable thrown) {
        failure = failure == null ? thrown : failure;
    }

    /** Does a part of its work, which fails this sequence alone. */
    void attempt(Runnable part) {
        try {
            if (failure == null) {
                part.run();
            }
        } catch (Throwable e) { // other languages throw checked ones, too
            fail(e);
        }
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
            result.completeExceptionally(
                    Objects.requireNonNullElseGet(ended, () -> new CancellationException("sequence: cancelled")));
        }
    }

    /** @param position of the first hidden vector */
    static void requireFinite(Rows hidden, int position) {
        for (int i = 0; i < hidden.count() * hidden.stride(); i++) {
            float value = hidden.data()[hidden.offset() + i];
            if (!Float.isFinite(value)) {
                throw NonFiniteException.inHidden(value, position + i / hidden.stride(), "");
            }
        }
    }
}
