package dev.causal4j.generation;

import dev.causal4j.InputException;
import dev.causal4j.compute.Rows;
import dev.causal4j.decoder.Activations;
import dev.causal4j.decoder.Batch;
import dev.causal4j.head.CausalLMHead;
import dev.causal4j.model.CausalLM;
import dev.causal4j.tokenizer.Tokenizer;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.CancellationException;

/**
 * The sequences of one call: as many run as there are key/value pages for, the others wait in order. A step feeds the
 * last token of every decoding sequence and some prompt tokens of the others. Not thread-safe.
 */
final class GenerationRun implements AutoCloseable {
    /** Prompt tokens in one step: enough to use the tiles, few enough that activations stay small. */
    private static final int PROMPT_ROWS = 256;

    /** Most bytes of logits at once, unless a single row needs more. */
    private static final int LOGITS_BYTES = 32 << 20;

    private final CausalLM model;
    private final TokenListener listener;
    private final List<Sequence> sequences = new ArrayList<>();
    private final Deque<Sequence> waiting = new ArrayDeque<>();
    private final List<Sequence> running = new ArrayList<>();
    private final Activations activations = new Activations();
    private float[] logits = {}; // of some rows [n, V]
    private Generation.Timing timing = new Generation.Timing(0, 0, 0, 0);

    GenerationRun(CausalLM model, List<GenerationRequest> requests, TokenListener listener) {
        this.model = model;
        this.listener = listener;
        // Ids beyond the tokenizer belong to a padded vocabulary and are never chosen.
        int size = model.head().vocabularySize();
        int choosable =
                Math.min(size, model.tokenizer().map(Tokenizer::vocabularySize).orElse(size));
        Candidates candidates = new Candidates(choosable, model.head().compute());
        for (GenerationRequest request : requests) {
            try {
                sequences.add(new Sequence(model, sequences.size(), request, candidates));
            } catch (InputException e) {
                throw requests.size() == 1 ? e : e.at(sequences.size());
            }
        }
        sequences.stream().filter(Sequence::running).forEach(waiting::add);
    }

    /**
     * Chooses a token for each running sequence whose prompt is computed.
     *
     * @return whether there was anything to do
     * @throws CancellationException if this thread is interrupted (the flag stays set)
     */
    boolean step() {
        admit();
        if (running.isEmpty()) {
            return false;
        }
        if (Thread.currentThread().isInterrupted()) {
            throw new CancellationException("generation: cancelled with " + (running.size() + waiting.size()) + " of "
                    + sequences.size() + " sequences unfinished");
        }
        long start = System.nanoTime();
        int room = PROMPT_ROWS;
        List<Batch.Chunk> chunks = new ArrayList<>();
        for (Sequence each : running) {
            boolean prefilled = each.prefilled();
            if (prefilled || room > 0) {
                chunks.add(each.next(room));
                room -= prefilled ? 0 : chunks.getLast().tokens().length;
            }
        }
        int chosen = forward(new Batch(chunks));
        running.removeIf(each -> !each.running());
        double seconds = (System.nanoTime() - start) / 1e9;
        timing = room < PROMPT_ROWS
                ? timing.plus(PROMPT_ROWS - room, seconds, 0, 0)
                : timing.plus(0, 0, chosen, seconds);
        return true;
    }

    /** Starts as many of the waiting sequences as there are pages for, in their order. */
    private void admit() {
        while (!waiting.isEmpty() && (waiting.element().reserve() || running.isEmpty())) {
            running.add(waiting.remove());
        }
    }

    /** One forward, and a token for each sequence whose prompt is computed; returns how many. */
    private int forward(Batch batch) {
        Rows hidden = model.forward(batch, activations); // the last row of each
        batch.firstNotFinite(hidden).ifPresent(found -> {
            throw found.error(found.position(), "");
        });
        List<Sequence> choosing = running.stream().filter(Sequence::prefilled).toList();
        CausalLMHead head = model.head();
        int v = head.vocabularySize();
        int most = Math.max(1, LOGITS_BYTES / (4 * v));
        for (int from = 0; from < choosing.size(); from += most) {
            int n = Math.min(most, choosing.size() - from);
            logits = logits.length < n * v ? new float[n * v] : logits;
            head.logits(hidden.rows(from, n), Rows.of(logits, v, n));
            for (int i = 0; i < n; i++) {
                choosing.get(from + i).choose(head, new Rows(logits, i * v, v, 1), listener);
            }
        }
        return choosing.size();
    }

    /** The results, in the order of the requests. */
    List<Generation> results() {
        return sequences.stream().map(sequence -> sequence.result(timing)).toList();
    }

    /** Ends all sequences and gives their caches back. */
    @Override
    public void close() {
        waiting.clear();
        running.forEach(Sequence::close);
        running.clear();
    }
}
