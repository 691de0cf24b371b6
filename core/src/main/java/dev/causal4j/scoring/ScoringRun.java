package dev.causal4j.scoring;

import dev.causal4j.compute.Rows;
import dev.causal4j.decoder.Activations;
import dev.causal4j.decoder.Batch;
import dev.causal4j.decoder.KVCache;
import dev.causal4j.generation.Prediction;
import dev.causal4j.model.CausalLM;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.CancellationException;

/**
 * Computes windows: cuts them into chunks, packs these into forwards, and scores the rows that predict. Not
 * thread-safe.
 */
final class ScoringRun {
    /** Bytes of caches in one forward; a single window may need more. */
    private static final long CACHE_BYTES = 256L << 20;

    private record Open(Window window, KVCache cache) {}

    private final CausalLM model;
    private final ScoringOptions options;
    private final ScoringListener listener;
    private final KVCache start; // what precedes every window
    private final Activations activations = new Activations();
    private final Deque<Window> waiting;
    private final List<Open> open = new ArrayList<>();
    private final Deque<KVCache> free = new ArrayDeque<>();
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
        this.total = windows.stream().mapToLong(Window::left).sum();
    }

    /**
     * Computes all windows.
     *
     * @throws CancellationException if this thread is interrupted or the listener wants no more
     */
    void run() {
        while (!open.isEmpty() || !waiting.isEmpty()) {
            if (Thread.currentThread().isInterrupted()) {
                throw cancelled();
            }
            step();
            if (!listener.accept(done, total)) {
                throw cancelled();
            }
        }
    }

    private CancellationException cancelled() {
        return new CancellationException("scoring: cancelled after " + done + " of " + total + " tokens");
    }

    private void step() {
        List<Batch.Chunk> chunks = new ArrayList<>();
        int room = options.batchRows();
        for (int i = 0; i < open.size() && room > 0; i++) {
            room -= add(open.get(i), room, chunks);
        }
        long bytes = open.stream().mapToLong(o -> bytes(o.window, o.cache)).sum();
        while (room > 0 && !waiting.isEmpty()) {
            bytes += bytes(waiting.element(), start);
            if (bytes > CACHE_BYTES && !open.isEmpty()) {
                break;
            }
            open.add(new Open(waiting.remove(), free.isEmpty() ? start.copy() : free.pop()));
            room -= add(open.getLast(), room, chunks);
        }
        Batch batch = new Batch(chunks);
        Rows hidden = model.forward(batch, activations);
        batch.firstNotFinite(hidden).ifPresent(found -> {
            throw notFinite(found, open.get(found.chunk()));
        });
        predict(chunks, hidden);
        done += batch.rows();
        close();
    }

    private static int add(Open open, int room, List<Batch.Chunk> chunks) {
        int count = Math.min(room, open.window.left());
        chunks.add(open.window.chunk(open.cache, count));
        return count;
    }

    /** Bytes of a cache once the window is done. */
    private static long bytes(Window window, KVCache cache) {
        return cache.bytes(cache.length() + window.left());
    }

    private static ArithmeticException notFinite(Batch.NotFinite found, Open open) {
        int position = open.window.position(open.cache.length() - found.position());
        return found.error(position, "text " + (open.window.text + 1));
    }

    /** The head sees only rows that predict a token that is scored. */
    private void predict(List<Batch.Chunk> chunks, Rows hidden) {
        int[] counts = new int[chunks.size()];
        int predicting = 0;
        for (int c = 0; c < counts.length; c++) {
            counts[c] = open.get(c).window.predicting(chunks.get(c).tokens().length);
            predicting += counts[c];
        }
        if (predicting == 0) {
            return;
        }
        int[] rows = new int[predicting];
        int[] targets = new int[predicting];
        int filled = 0;
        int row = 0;
        for (int c = 0; c < counts.length; c++) {
            row += chunks.get(c).tokens().length;
            for (int i = 0; i < counts[c]; i++) {
                rows[filled + i] = row - counts[c] + i;
            }
            System.arraycopy(open.get(c).window.targets(counts[c]), 0, targets, filled, counts[c]);
            filled += counts[c];
        }
        Rows x = hidden.chosen(hidden.stride(), rows); // [M, D]
        List<Prediction> predictions = Prediction.of(model.head(), x, targets, options.alternatives());
        int taken = 0;
        for (int c = 0; c < counts.length; c++) {
            for (int i = 0; i < counts[c]; i++) {
                open.get(c).window.accept(i, counts[c], predictions.get(taken++));
            }
        }
    }

    /** Caches of finished windows are reused, unless they are large. */
    private void close() {
        long kept = free.stream().mapToLong(KVCache::bytes).sum();
        for (Open each : open) {
            if (each.window.left() == 0 && kept + each.cache.bytes() <= CACHE_BYTES) {
                each.cache.truncate(start.length());
                free.push(each.cache);
                kept += each.cache.bytes();
            }
        }
        open.removeIf(each -> each.window.left() == 0);
    }
}
