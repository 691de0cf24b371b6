package dev.causal4j.scoring;

import dev.causal4j.compute.Rows;
import dev.causal4j.decoder.Activations;
import dev.causal4j.decoder.Batch;
import dev.causal4j.decoder.KVCache;
import dev.causal4j.head.Prediction;
import dev.causal4j.model.CausalLM;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.stream.IntStream;

/**
 * Computes windows: cuts them into chunks, packs these into forwards, and scores the rows that predict. A chunk ends
 * before its window does only where the forward is full, so windows are computed in their order. Not thread-safe.
 */
final class ScoringRun {
    /**
     * A window of a sequence, computed in one cache: tokens up to {@code end - 2} are fed and predict tokens
     * {@code target} to {@code end - 1}.
     *
     * @param text index of the text, for messages
     * @param sequence prefix and text
     * @param offset the token at the first position of the cache
     */
    record Window(int text, int[] sequence, int offset, int target, int end) {
        /** Tokens still to be fed. */
        int left(KVCache cache) {
            return end - 1 - offset - cache.length();
        }
    }

    private record Open(Window window, KVCache cache) {}

    private final CausalLM model;
    private final ScoringOptions options;
    private final ScoringListener listener;
    private final KVCache start; // what precedes every window
    private final Activations activations = new Activations();
    private final Deque<Window> waiting;
    private final List<Open> open = new ArrayList<>();
    private final List<Prediction> predictions = new ArrayList<>();
    private final long total;
    private long done;

    /**
     * @param start the cache before the first token of every window, copied for each
     * @param listener receives progress in tokens
     */
    ScoringRun(
            CausalLM model,
            ScoringOptions options,
            KVCache start,
            Collection<Window> windows,
            ScoringListener listener) {
        this.model = model;
        this.options = options;
        this.start = start;
        this.listener = listener;
        this.waiting = new ArrayDeque<>(windows);
        this.total = windows.stream().mapToLong(each -> each.left(start)).sum();
    }

    /**
     * Computes all windows and returns the predictions of their scored tokens, in order.
     *
     * @throws CancellationException if this thread is interrupted or the listener wants no more
     */
    List<Prediction> run() {
        try {
            while (!open.isEmpty() || !waiting.isEmpty()) {
                if (Thread.currentThread().isInterrupted() || !step()) {
                    throw new CancellationException("scoring: cancelled after " + done + " of " + total + " tokens");
                }
            }
            return predictions;
        } finally {
            open.forEach(each -> each.cache.close());
        }
    }

    /** One forward; returns whether the listener wants more. */
    private boolean step() {
        List<Batch.Chunk> chunks = new ArrayList<>();
        IntStream.Builder targets = IntStream.builder();
        int room = options.batchRows();
        for (int i = 0; room > 0 && (i < open.size() || admit()); i++) {
            Window window = open.get(i).window;
            KVCache cache = open.get(i).cache;
            int from = window.offset + cache.length();
            int to = from + Math.min(room, window.left(cache));
            int wanted = Math.clamp(to + 1 - window.target, 0, to - from);
            chunks.add(new Batch.Chunk(cache, Arrays.copyOfRange(window.sequence, from, to), wanted));
            Arrays.stream(window.sequence, to + 1 - wanted, to + 1).forEach(targets::add);
            room -= to - from;
        }
        Batch batch = new Batch(chunks);
        Rows hidden = model.forward(batch, activations);
        batch.firstNotFinite(hidden).ifPresent(found -> {
            Window window = open.get(found.chunk()).window;
            throw found.error(window.offset + found.position(), "text " + (window.text + 1));
        });
        predictions.addAll(model.head()
                .logProbabilities(hidden, targets.build().toArray(), false, options.alternatives())
                .predictions());
        done += batch.rows();
        while (!open.isEmpty() && open.getFirst().window.left(open.getFirst().cache) == 0) {
            open.removeFirst().cache.close();
        }
        return listener.accept(done, total);
    }

    /** Opens the next window, if there is one and pages for it. */
    private boolean admit() {
        if (waiting.isEmpty()) {
            return false;
        }
        KVCache cache = start.copy();
        if (!cache.reserve(start.length() + waiting.element().left(start)) && !open.isEmpty()) {
            cache.close();
            return false;
        }
        return open.add(new Open(waiting.remove(), cache));
    }
}
