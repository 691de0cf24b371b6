package dev.causal4j.server;

import dev.causal4j.generation.Engine;
import dev.causal4j.generation.Engine.Requester;
import dev.causal4j.generation.FinishReason;
import dev.causal4j.generation.GeneratedToken;
import dev.causal4j.generation.Generation;
import dev.causal4j.generation.TokenListener;
import dev.causal4j.generation.friend.EngineControl;
import dev.causal4j.head.Candidate;
import dev.causal4j.head.Prediction;
import dev.causal4j.tokenizer.StreamingDecoder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * The sequences of a request in the engine. A stream reads the tokens of all of them from one queue, in the order in which
 * they come. Thread-safe.
 */
final class Sequences implements AutoCloseable {
    /** A token of a sequence, or its end. */
    record Event(int sequence, Optional<GeneratedToken> token) {}

    private final List<CompletableFuture<List<Prediction>>> scores = new ArrayList<>();
    private final List<CompletableFuture<Generation>> generations = new ArrayList<>();
    private final List<Future<?>> submitted = new CopyOnWriteArrayList<>();
    private final List<AtomicInteger> waiting = new ArrayList<>();
    private final BlockingQueue<Event> events = new LinkedBlockingQueue<>();
    private final Engine engine;
    private final Requester requester;
    private final Call call;
    private final Shares bytes;
    private long kept; // of them, -1 once they are given back
    private volatile boolean full;
    private volatile boolean cancelled;

    /**
     * Submits the sequences of a request.
     *
     * @param call the engine is fair between its callers; counts the tokens
     * @param bytes the shares that each new token is charged to
     * @throws java.util.concurrent.RejectedExecutionException if too many sequences wait
     */
    Sequences(Engine engine, TextRequest ask, Metrics metrics, Call call, Shares bytes) {
        this.engine = engine;
        this.bytes = bytes;
        this.call = call;
        this.requester = Requester.of(call.caller);
        try {
            for (int i = 0; i < ask.sequences(); i++) {
                if (i % ask.candidates() == 0 && ask.scores() && !ask.isScoring()) {
                    scores.add(score(ask, ask.prompt(i).tokens(), ask.alternatives()));
                }
                if (ask.isScoring()) {
                    addScored(ask, i, metrics);
                } else {
                    addGenerated(ask, i, metrics);
                }
            }
        } catch (RuntimeException | Error e) {
            close();
            throw e;
        }
    }

    private <T> CompletableFuture<T> kept(CompletableFuture<T> result) {
        submitted.add(result);
        if (cancelled) {
            result.cancel(true);
        }
        return result;
    }

    private CompletableFuture<List<Prediction>> score(TextRequest ask, int[] tokens, int alternatives) {
        return kept(engine.score(tokens, 1, alternatives, ask.options().cacheSalt(), requester));
    }

    private void addGenerated(TextRequest ask, int index, Metrics metrics) {
        Metrics.Sequence times = metrics.new Sequence(System.nanoTime());
        AtomicInteger unsent = new AtomicInteger();
        waiting.add(unsent);
        TokenListener listener = new TokenListener() {
            private long constraintBytes; // the most so far

            @Override
            public boolean accept(GeneratedToken token) {
                times.token(System.nanoTime());
                call.token();
                long more = Math.max(0, token.constraintBytes() - constraintBytes);
                constraintBytes += more;
                keep(ask.tokenBytes() + more);
                if (ask.format().stream()) {
                    unsent.incrementAndGet();
                    events.add(new Event(index, Optional.of(token)));
                }
                return true;
            }

            @Override
            public boolean ready() {
                return unsent.get() < Limits.UNSENT_TOKENS;
            }
        };
        CompletableFuture<Generation> result = kept(engine.submit(ask.request(index), requester, listener));
        generations.add(result);
        var _ = result.thenAccept(made -> times.end(System.nanoTime(), made.timing()));
        var _ = result.whenComplete((_, failure) -> {
            if (failure instanceof CancellationException
                    && !cancelled) { // the server shuts down: the others are useless
                cancel();
            }
        });
        if (ask.format().stream()) {
            var _ = result.whenComplete((_, _) -> events.add(new Event(index, Optional.empty())));
        }
    }

    /**
     * Scores a prompt and the token after it in one pass. The likeliest token is what greedy choice takes, with the same
     * bits; a vocabulary padded beyond the tokenizer may have a likelier one that cannot be chosen.
     */
    private void addScored(TextRequest ask, int index, Metrics metrics) {
        int[] prompt = ask.prompt(index).tokens();
        int[] tokens = Arrays.copyOf(prompt, prompt.length + 1); // the last is not fed
        long start = System.nanoTime();
        Metrics.Sequence times = metrics.new Sequence(start);
        CompletableFuture<List<Prediction>> all = score(ask, tokens, Math.max(1, ask.alternatives()));
        scores.add(all.thenApply(predictions -> predictions.subList(0, prompt.length - 1)));
        generations.add(all.thenCompose(predictions -> {
            Candidate best = predictions.getLast().alternatives().getFirst();
            if (best.token() >= ask.format().names().tokenizer().vocabularySize()) {
                return kept(engine.submit(ask.request(index), requester, TokenListener.NONE));
            }
            times.token(System.nanoTime());
            call.token();
            boolean ends = ask.options().eos().orElseThrow().contains(best.token());
            Prediction chosen = new Prediction(
                    best.token(),
                    best.logProbability(),
                    0,
                    predictions.getLast().alternatives());
            Generation.Timing timing = new Generation.Timing(
                    0, prompt.length, (System.nanoTime() - start) / 1e9, 0, 0, Generation.Drafted.NONE);
            times.end(System.nanoTime(), timing);
            return CompletableFuture.completedFuture(new Generation(
                    prompt,
                    new int[] {best.token()},
                    List.of(ends ? "" : text(ask, prompt, best.token())),
                    List.of(chosen),
                    ends ? FinishReason.EOS : FinishReason.LENGTH,
                    ask.seed(index),
                    timing,
                    Optional.empty()));
        }));
    }

    private static String text(TextRequest ask, int[] prompt, int token) {
        StreamingDecoder decoder = ask.format().names().tokenizer().decoderBehind(prompt);
        return decoder.accept(token) + decoder.finish();
    }

    /** Waits for the scores of a prompt; empty if the request has none. */
    List<Prediction> scores(int prompt) throws InterruptedException {
        return scores.isEmpty() ? List.of() : await(scores.get(prompt));
    }

    /** Waits for the end of a sequence. Throws what ended it otherwise. */
    Generation generation(int index) throws InterruptedException {
        return await(generations.get(index));
    }

    private <T> T await(CompletableFuture<T> result) throws InterruptedException {
        try {
            return EngineControl.await(result);
        } catch (CancellationException e) {
            throw full ? ApiError.bytesFull() : e;
        }
    }

    /** Tokens and ends of a stream, as they come. */
    BlockingQueue<Event> events() {
        return events;
    }

    /** Called when a token was sent. */
    void sent(int sequence) {
        if (waiting.get(sequence).decrementAndGet() == Limits.UNSENT_TOKENS - 1) {
            engine.control().wake().run();
        }
    }

    /** Takes the bytes of a token, or ends all if there are none left. */
    private synchronized void keep(long more) {
        if (kept >= 0 && bytes.take(call.caller, more)) {
            kept += more;
        } else {
            full = true;
            cancel();
        }
    }

    /** Ends all that is not done, and gives back its bytes. */
    @Override
    public void close() {
        cancel();
        synchronized (this) {
            bytes.give(call.caller, Math.max(0, kept));
            kept = -1;
        }
    }

    /** Ends all that is not done. */
    void cancel() {
        cancelled = true;
        submitted.forEach(each -> each.cancel(true));
    }
}
