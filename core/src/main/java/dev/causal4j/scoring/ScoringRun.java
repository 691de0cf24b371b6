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
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.stream.IntStream;

/**
 * Computes windows: cuts them into chunks, packs these into forwards, and scores the rows that predict. Not
 * thread-safe.
 */
final class ScoringRun {
    private record Open(Window window, KVCache cache) {}

    private final CausalLM model;
    private final ScoringOptions options;
    private final ScoringListener listener;
    private final KVCache start; // what precedes every window
    private final Activations activations = new Activations();
    private final Deque<Window> waiting;
    private final List<Open> open = new ArrayList<>();
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
     * Computes all windows.
     *
     * @throws CancellationException if this thread is interrupted or the listener wants no more
     */
    void run() {
        try {
            while (!open.isEmpty() || !waiting.isEmpty()) {
                if (Thread.currentThread().isInterrupted()) {
                    throw cancelled();
                }
                step();
                if (!listener.accept(done, total)) {
                    throw cancelled();
                }
            }
        } finally {
            open.forEach(each -> each.cache.close());
        }
    }

    private CancellationException cancelled() {
        return new CancellationException("scoring: cancelled after " + done + " of " + total + " tokens");
    }

    private void step() {
        List<Batch.Chunk> chunks = new ArrayList<>();
        int room = options.batchRows;
        for (int i = 0; room > 0 && (i < open.size() || admit()); i++) {
            Batch.Chunk chunk = open.get(i).window.chunk(open.get(i).cache, room);
            chunks.add(chunk);
            room -= chunk.tokens().length;
        }
        Batch batch = new Batch(chunks);
        Rows hidden = model.forward(batch, activations);
        batch.firstNotFinite(hidden).ifPresent(found -> {
            Window window = open.get(found.chunk()).window;
            throw found.error(window.offset() + found.position(), "text " + (window.text() + 1));
        });
        predict(chunks, hidden);
        done += batch.rows();
        while (!open.isEmpty() && open.getFirst().window.left(open.getFirst().cache) == 0) {
            open.removeFirst().cache.close();
        }
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

    /** The wanted rows predict the tokens that are scored. A window is fed after those before it, so texts grow in order. */
    private void predict(List<Batch.Chunk> chunks, Rows hidden) {
        if (hidden.count() == 0) {
            return;
        }
        int[] targets = IntStream.range(0, chunks.size())
                .flatMap(c -> Arrays.stream(open.get(c)
                        .window
                        .targets(open.get(c).cache, chunks.get(c).wanted())))
                .toArray();
        Iterator<Prediction> predictions = model.head()
                .logProbabilities(hidden, targets, false, options.alternatives)
                .predictions()
                .iterator();
        for (int c = 0; c < chunks.size(); c++) {
            for (int left = chunks.get(c).wanted(); left > 0; left--) {
                open.get(c).window.predictions().add(predictions.next());
            }
        }
    }
}
