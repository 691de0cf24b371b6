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
 * A sequence that the {@link Engine} computes. Used by the engine's thread alone, except the result.
 *
 * @param <R> the type of the result
 */
abstract sealed class Sequence<R> permits GeneratedSequence, ScoredSequence, EmbeddedSequence {
    /**
     * Completed when the pages are returned, also after a cancellation, which ends the sequence before its next step.
     */
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
    final Optional<String> salt; // sequences with equal salts share pages; with an empty one they share none
    final KVCache cache;
    int[] tokens = {};
    int known; // how many of the first tokens are known and can be fed
    int positions; // the most positions that its cache will hold
    boolean hasRun;
    boolean runs;
    boolean isReady = true; // whether its reader kept up when it was last asked
    boolean sitsOut; // sits steps out until a mask is made in the background
    boolean shares; // whether it shares its pages since it began
    /** Determines keys and values together with the tokens. */
    PrefixCache.Root root = new PrefixCache.Root(Optional.empty(), List.of());

    @Nullable
    CompletableFuture<?> read; // done when its stored pages are read; null if nobody has asked for them

    final List<CachedPage> chain = new ArrayList<>(); // its first pages in the prefix cache
    final @Nullable Sequence<?> continued; // the sequence that is its prefix and is computed first
    int followers = -1; // sequences that continue it and are not over; -1 if there were never any
    int cachedTokens; // computed by other sequences
    int first = Integer.MAX_VALUE; // the first token that is scored; none unless set
    int alternatives = -1; // alternatives of each prediction; below 0 if no token is scored
    final List<Prediction> predictions = new ArrayList<>(); // predictions of the scored or chosen tokens
    long fed; // when it last fed prompt tokens
    int promptRows; // prompt tokens it feeds in this step
    int claimedRows; // claimed tokens that it may feed in this step
    int[] draft = {}; // guessed tokens that it feeds after its known ones in this step
    int wanted; // its wanted rows in this step
    int rows; // its rows in this step

    @Nullable
    Throwable failure;

    private volatile @Nullable RuntimeException ended; // the reason if it was ended from outside

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

    /** Whether it feeds its chosen tokens back. */
    boolean decodes() {
        return false;
    }

    /** Whether its draft claims to know the next tokens. */
    boolean claims() {
        return false;
    }

    /** The number of wanted rows of a chunk of tokens: its last ones. */
    abstract int wanted(int from, int to);

    /** Whether it can continue because its reader keeps up. Throws nothing. */
    boolean ready() {
        return true;
    }

    /** Starts the work for which it sits steps out, or continues if the work is done. Throws nothing. */
    void sitOut() {}

    /** Ends it with the tokens so far if its deadline has passed. Throws nothing. */
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
            draft = new int[0]; // a wrong guess could not be undone
        }
        int from = cache.length();
        int to = fedTo() - draft.length;
        wanted = wanted(from, to) + draft.length;
        int[] fed = Arrays.copyOfRange(tokens, from, to + draft.length);
        System.arraycopy(draft, 0, fed, to - from, draft.length);
        rows = fed.length;
        return new Batch.Chunk(cache, fed, wanted);
    }

    /** The tokens that the wanted rows of this step predict. */
    int[] targets() {
        int to = cache.length() + 1;
        return Arrays.copyOfRange(tokens, to - wanted, to);
    }

    /** Guesses the tokens after this step's, if the step feeds all known tokens. Throws nothing. */
    void guess() {}

    /** The prediction of a token, if it was scored. */
    @Nullable
    Prediction prediction(int token) {
        int index = token - first;
        return index < 0 || index >= predictions.size() ? null : predictions.get(index);
    }

    /** Whether a cached token can be skipped. A scored token also needs a cached prediction. */
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

    /** Returns all pages. Their content is computed again, with the same bits. */
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

    /** How many of its first tokens another sequence can have from this one. */
    final int common(Sequence<?> next) {
        boolean scores = next.alternatives <= PrefixCache.MOST_ALTERNATIVES
                && first <= next.first
                && alternatives >= next.alternatives;
        int usable = scores ? next.known : Math.min(next.known, next.first);
        int differs = Arrays.mismatch(tokens, 0, known, next.tokens, 0, usable);
        return !salt.equals(next.salt) ? 0 : differs < 0 ? usable : differs;
    }

    /** Whether this one has still to compute pages with which another begins. */
    boolean computesFor(Sequence<?> next) {
        int after = chain.size() * PagePool.POSITIONS;
        return common(next) >= (isRecurrent() ? snapshotAfter(after) : after + PagePool.POSITIONS);
    }

    boolean isRecurrent() {
        return engine.model().decoder().pool().stateBytes() > 0;
    }

    /** The next position after this one where the states of recurrent layers are kept; steps are cut there. */
    int snapshotAfter(int position) {
        int next = (position / PrefixCache.DISTANCE + 1) * PrefixCache.DISTANCE;
        int last = (known - 1) / PagePool.POSITIONS * PagePool.POSITIONS; // the last token's row is computed again
        return position < last && !decodes() ? Math.min(next, last) : next;
    }

    /** The known tokens to feed in a step, at most {@code most}. */
    int rows(int most) {
        return Math.min(Math.min(most, left()), mostRows());
    }

    /** Whether one step must feed it whole. */
    final boolean isWhole() {
        return this instanceof EmbeddedSequence
                && engine.model().decoder().config().bidirectional();
    }

    /** The most rows of a step. */
    int mostRows() {
        return isWhole()
                ? known
                : shares && isRecurrent() ? snapshotAfter(cache.length()) - cache.length() : KVCache.STEP;
    }

    void fail(Throwable thrown) {
        failure = failure == null ? thrown : failure;
    }

    /** Runs a part of its work; an exception fails this sequence alone. */
    void attempt(Runnable part) {
        try {
            if (failure == null) {
                part.run();
            }
        } catch (Throwable e) { // other languages also throw checked exceptions
            fail(e);
        }
    }

    /** Returns its pages and completes the result. */
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

    /** @param position the position of the first hidden vector */
    static void requireFinite(Rows hidden, int position) {
        for (int i = 0; i < hidden.count() * hidden.stride(); i++) {
            float value = hidden.data()[hidden.offset() + i];
            if (!Float.isFinite(value)) {
                throw NonFiniteException.inHidden(value, position + i / hidden.stride(), "");
            }
        }
    }
}
