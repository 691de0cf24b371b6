package dev.causal4j.generation;

import dev.causal4j.InputException;
import dev.causal4j.compute.Rows;
import dev.causal4j.decoder.Activations;
import dev.causal4j.decoder.Batch;
import dev.causal4j.generation.friend.EngineControl;
import dev.causal4j.head.Prediction;
import dev.causal4j.kernel.choice.Kernels;
import dev.causal4j.model.CausalLM;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.BooleanSupplier;
import java.util.function.LongSupplier;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Computes the sequences of all callers of a model together. Thread-safe.
 *
 * <p>A step feeds the last token of every decoding sequence and a bounded number of prompt tokens, which prompts share
 * in turn. Callers begin sequences in turn, and so do the requests of a caller. If slots or pages run out, a sequence
 * is set back and computed again later. A sequence that fails ends alone. No neighbour changes a bit of a sequence.
 * Engines of models with the same threads take turns by step.
 *
 * <p>The engine has a thread of its own, which ends when there is no work.
 */
public final class Engine implements AutoCloseable {
    /** Most bytes of logits at once, unless a single row needs more. */
    private static final int LOGITS_BYTES = 32 << 20;

    private static final long IDLE_MILLIS = 1000;
    private static final long REST_MILLIS = 100; // after which slow readers are asked again

    /**
     * The caller and the request of sequences.
     *
     * @param caller equal for all requests of a caller
     * @param begun whether a sequence of the request has run; one object for each request
     */
    public record Requester(Object caller, AtomicBoolean begun) {
        /** A caller's new request. */
        public static Requester of(Object caller) {
            return new Requester(caller, new AtomicBoolean());
        }
    }

    /** The requester of sequences without one. Each is a request of its own: they begin in order of arrival. */
    static final Requester ANYBODY = Requester.of("");

    LongSupplier clock = System::nanoTime; // for deadlines
    final Draft draft;
    final DraftLengths lengths;
    final int mostDrafted; // most rows after the last token of a sequence
    private final CausalLM model;
    private final boolean isShared;
    // guarded by this, like all fields up to the blank line
    private final List<Sequence<?>> arrived = new ArrayList<>();
    private final Admission admission;
    private int running;
    private boolean woken;
    private @Nullable Thread thread;
    // completed when the thread ends
    private CompletableFuture<@Nullable Void> ended = CompletableFuture.completedFuture(null);
    private volatile boolean closed; // written under the lock

    private final Schedule schedule; // used by the thread alone, like all below
    private final PrefixCache prefixes; // from which others may reclaim pages
    private final BooleanSupplier keeper;
    private final FilteredTokens candidates;
    private final Activations activations = new Activations();
    private float[] logits = {}; // [n, V], rows of a step
    private final Steps steps; // of all engines with the same threads
    private final StepCosts costs;

    /** An engine with the default options. */
    public Engine(CausalLM model) {
        this(model, EngineOptions.DEFAULT);
    }

    /** An engine, to be closed before its model. */
    public Engine(CausalLM model, EngineOptions options) {
        this(model, options, Draft.MOST, true, false);
    }

    /**
     * An engine that feeds whole drafts, whatever they cost.
     *
     * @param mostDrafted most rows after the last token of a sequence
     */
    Engine(CausalLM model, EngineOptions options, int mostDrafted) {
        this(model, options, mostDrafted, false, false);
    }

    private Engine(CausalLM model, EngineOptions options, int mostDrafted, boolean cutsDrafts, boolean isShared) {
        Kernels.require(); // fails here, not later, if the kernels that the property sets are missing
        this.model = model;
        this.admission = new Admission(options.queue());
        this.draft = options.draft();
        this.mostDrafted = mostDrafted;
        this.isShared = isShared;
        long least = options.store() == null ? 0 : PrefixCache.contextBytes(model);
        this.prefixes = new PrefixCache(model, Math.max(least, options.prefixBytes()), options.store());
        this.steps = Steps.of(model.head().compute());
        this.costs = new StepCosts(model.decoder().pool().stateBytes() > 0, steps);
        this.lengths = new DraftLengths(costs, cutsDrafts);
        this.schedule = new Schedule(model, options, prefixes, costs, lengths);
        this.candidates =
                new FilteredTokens(model.choosableTokens(), model.head().compute());
        this.keeper = prefixes::evictUnused;
        model.decoder().pool().addKeeper(keeper);
    }

    /**
     * The engine that callers without one of their own share, such as {@link Generator} and {@link Chat}. It has the
     * default options, but keeps pages of prompts for one context. It is closed with the model.
     *
     * @throws IllegalStateException if the model is closed
     */
    public static Engine shared(CausalLM model) {
        return shared(model, null);
    }

    /**
     * The {@linkplain #shared(CausalLM) shared} engine with a store of prompts. The first call for a model decides
     * whether it has one.
     */
    public static Engine shared(CausalLM model, @Nullable PrefixStore store) {
        EngineOptions options = EngineOptions.DEFAULT
                .withPrefixBytes(PrefixCache.contextBytes(model))
                .withPrefixStore(store);
        return model.owned(Engine.class, each -> new Engine(each, options, Draft.MOST, true, true), Engine::end);
    }

    /** The control for packages and modules of Causal4j. */
    @SuppressWarnings("exports")
    public EngineControl control() {
        return new EngineControl(this::wake, this::cancelWaiting, this::checkCaller);
    }

    private synchronized void cancelWaiting() {
        admission.cancel();
    }

    /** The model that it computes. */
    public CausalLM model() {
        return model;
    }

    /**
     * Generates a sequence. Cancelling the result ends the sequence before the next step.
     *
     * @param listener receives each token, on the engine's thread
     * @return completed on the engine's thread: with the sequence, also if its listener ended it, or with the exception
     *     of the listener, of a rule or of numbers that are not finite
     * @throws InputException as {@link Generator#generate(List, TokenListener)}
     * @throws RejectedExecutionException if the queue is full and this caller has most of it. If the sequence is
     *     dropped later for another caller's, the result ends with it
     * @throws IllegalStateException if the engine is closed, or stop strings are set for a model without a tokenizer
     */
    public CompletableFuture<Generation> submit(GenerationRequest request, TokenListener listener) {
        return submit(request, ANYBODY, listener);
    }

    /** Generates a sequence of a request, which takes turns with other requests. Errors as without a requester. */
    public CompletableFuture<Generation> submit(
            GenerationRequest request, Requester requester, TokenListener listener) {
        GeneratedSequence sequence = generating(request, requester, 0, listener);
        start(List.of(sequence));
        return sequence.result;
    }

    /**
     * Scores the last tokens of a sequence, each after all before it.
     *
     * @param tokens at most one more than the context length; copied
     * @param first the first token to score, at least 1
     * @param alternatives best candidates to return with each prediction
     * @return the predictions of the tokens from {@code tokens[first]} on, completed on the engine's thread
     * @throws InputException if a token is not in the vocabulary, or a number out of its range
     * @throws RejectedExecutionException if the queue is full
     */
    public CompletableFuture<List<Prediction>> score(int[] tokens, int first, int alternatives) {
        return score(tokens, first, alternatives, Optional.of(""), ANYBODY);
    }

    /**
     * Scores the last tokens of a sequence of a request, which takes turns with other requests.
     *
     * @param salt of the sequences that it may share pages with, as {@link GenerationOptions#withCacheSalt}; empty
     *     for none
     */
    public CompletableFuture<List<Prediction>> score(
            int[] tokens, int first, int alternatives, Optional<String> salt, Requester requester) {
        ScoredSequence sequence =
                new ScoredSequence(this, requester, tokens, first, alternatives, salt, tokens.length - 1, null);
        start(List.of(sequence));
        return sequence.result;
    }

    /**
     * Scores continuations of a prompt. Common prefixes are computed once.
     *
     * @param prompt at least one token; with a continuation at most one more than the context length
     * @return the predictions of each continuation's tokens, as {@link #score}
     */
    public List<CompletableFuture<List<Prediction>>> scoreContinuations(
            int[] prompt, List<int[]> continuations, int alternatives) {
        Continuations all = new Continuations(this, prompt, continuations, alternatives);
        if (!continuations.isEmpty()) {
            start(all.sequences);
        }
        return Arrays.stream(all.ends).map(each -> each.result).toList();
    }

    GeneratedSequence generating(GenerationRequest request, Requester requester, int index, TokenListener listener) {
        return new GeneratedSequence(this, requester, index, request, listener, candidates);
    }

    /** Adds sequences to the queue, all or none. */
    synchronized void start(List<? extends Sequence<?>> sequences) {
        if (closed) {
            throw new IllegalStateException("engine: expected an open one, got one that was closed");
        }
        if (model.decoder().config().bidirectional()) {
            sequences.stream().filter(each -> !each.isWhole()).forEach(each -> each.fail(EmbeddedSequence.alone()));
        }
        if (sequences.isEmpty()) {
            return;
        }
        admission.add(sequences);
        arrived.addAll(sequences);
        if (thread == null) {
            ended = new CompletableFuture<>();
            thread = Thread.ofPlatform().daemon().name("causal4j-engine").start(this::run);
        }
        wake();
    }

    synchronized void wake() {
        woken = true;
        notifyAll();
    }

    void checkCaller() {
        if (Thread.currentThread() == thread) {
            throw new IllegalStateException("engine: expected a call from another thread, got one from a listener");
        }
    }

    /** How many sequences are in the queue, having never run. */
    public synchronized int waiting() {
        return admission.count();
    }

    /** How many sequences are computed. */
    public synchronized int running() {
        return running;
    }

    /**
     * Cancels all sequences, waits for the current step, and returns all pages. Must not be called by a listener.
     *
     * @throws IllegalStateException if it is {@linkplain #shared shared}: others need it
     */
    @Override
    public void close() {
        if (isShared) {
            throw new IllegalStateException("engine: expected one of your own, got the shared one; close its model");
        }
        end();
    }

    private void end() {
        checkCaller();
        CompletableFuture<?> end;
        synchronized (this) {
            closed = true;
            notifyAll();
            end = ended;
        }
        end.join();
        prefixes.close();
        model.decoder().pool().removeKeeper(keeper);
    }

    private void run() {
        List<Sequence<?>> fed = List.of();
        try {
            while (takeIn(fed.isEmpty())) {
                schedule.ask();
                schedule.removeOver().forEach(this::end);
                schedule.begin();
                fed = schedule.plan();
                count();
                if (!fed.isEmpty()) {
                    step(fed);
                }
            }
        } catch (Throwable e) { // no caller may wait for a thread that has ended
            steps.rest(costs);
            List<Sequence<?>> all = schedule.all().collect(Collectors.toCollection(ArrayList::new));
            CompletableFuture<@Nullable Void> end;
            synchronized (this) {
                all.addAll(arrived);
                arrived.clear();
                all.forEach(sequence -> sequence.fail(e));
                schedule.removeOver().forEach(prefixes::release); // before another thread may use them
                count();
                thread = null;
                end = ended;
            }
            all.forEach(Sequence::close);
            end.complete(null);
        }
    }

    private synchronized void count() {
        admission.update();
        running = schedule.running();
    }

    /**
     * Moves the arrived sequences to the schedule.
     *
     * @param idle whether to wait for arrivals, or for another reason to continue
     * @return whether the thread is needed: false after a while without work
     */
    private synchronized boolean takeIn(boolean idle) {
        for (boolean rests = idle; rests && !woken && !closed; rests = false) {
            try {
                wait(schedule.isEmpty() ? IDLE_MILLIS : REST_MILLIS);
            } catch (InterruptedException e) {
                // Ignore: a listener interrupted the engine's thread.
            }
        }
        boolean isNeeded = woken || !schedule.isEmpty();
        woken = false;
        schedule.add(arrived);
        arrived.clear();
        count();
        if (closed) {
            schedule.all().forEach(sequence -> sequence.result.cancel(false));
            isNeeded = !schedule.isEmpty();
        }
        if (!isNeeded) {
            thread = null;
            ended.complete(null);
        }
        return isNeeded;
    }

    /** Runs one forward, chooses the next tokens and scores the tokens that are to be scored. */
    private void step(List<Sequence<?>> fed) {
        long asked = System.nanoTime();
        steps.begin(costs.owed());
        long start = System.nanoTime();
        Rows hidden; // the hidden vectors of the wanted rows
        try {
            hidden = model.forward(new Batch(fed.stream().map(Sequence::next).toList()), activations);
        } catch (RuntimeException | Error e) { // no cache has changed
            steps.end();
            if (fed.size() == 1) {
                fed.getFirst().fail(e);
            } else {
                fed.forEach(sequence -> step(List.of(sequence))); // so that the others do not fail
            }
            return;
        }
        try {
            int from = 0;
            for (List<Sequence<?>> alike : fed.stream()
                    .filter(each -> each.wanted > 0)
                    .collect(Collectors.groupingBy(each -> each.alternatives, TreeMap::new, Collectors.toList()))
                    .values()) {
                int rows = alike.stream().mapToInt(each -> each.wanted).sum();
                Rows own = hidden.rows(from, rows);
                switch (alike.getFirst()) {
                    case GeneratedSequence _ -> choose(alike, own);
                    case ScoredSequence _ -> score(alike, own);
                    case EmbeddedSequence _ -> EmbeddedSequence.add(alike, own);
                }
                from += rows;
            }
        } catch (RuntimeException | Error e) {
            fed.forEach(sequence -> sequence.fail(e));
        } finally {
            steps.end();
        }
        long end = System.nanoTime();
        costs.took(fed, (end - start) / 1e9);
        for (Sequence<?> sequence : fed) {
            sequence.took((end - asked) / 1e9);
            prefixes.add(sequence);
        }
    }

    /** A row from which a token may be chosen: its number among the rows of its sequence, and among all. */
    private record Row(GeneratedSequence sequence, int number, int index) {}

    /** Chooses tokens from the rows of each sequence, as far as the rows follow the chosen tokens. */
    private void choose(List<Sequence<?>> choosing, Rows hidden) {
        List<Row> rows = new ArrayList<>();
        for (Sequence<?> each : choosing) {
            for (int i = 0; i < each.wanted && each instanceof GeneratedSequence sequence; i++) {
                rows.add(new Row(sequence, i, rows.size()));
            }
        }
        int v = model.head().vocabularySize();
        int most = Math.max(1, LOGITS_BYTES / (4 * v));
        for (int from = 0; from < rows.size(); from += most) {
            List<Row> some = rows.subList(from, Math.min(from + most, rows.size()));
            if (some.stream().noneMatch(row -> row.sequence.reaches(row.number))) {
                continue; // all are after a wrong guess
            }
            logits = logits.length < some.size() * v ? new float[some.size() * v] : logits;
            model.head().logits(hidden.rows(from, some.size()), Rows.of(logits, v, some.size()));
            steps.end(); // listeners and rules come next, which may wait for another engine
            int first = from;
            some.stream() // one row of each sequence at a time
                    .collect(Collectors.groupingBy(Row::number, TreeMap::new, Collectors.toList()))
                    .values()
                    .forEach(each -> chooseOneEach(each, hidden, first));
        }
    }

    /** @param first the row with which the logits begin */
    private void chooseOneEach(List<Row> rows, Rows hidden, int first) {
        List<Row> reached =
                rows.stream().filter(row -> row.sequence.reaches(row.number)).toList();
        for (Row row : reached) {
            row.sequence.attempt(() -> {
                int position = row.sequence.cache.length() - row.sequence.wanted + row.number;
                Sequence.requireFinite(hidden.rows(row.index, 1), position);
                row.sequence.choose(model.head(), logits(row, first));
            });
        }
        List<Row> masked =
                reached.stream().filter(row -> row.sequence.mask != null).toList();
        model.head().compute().run(masked.size(), i -> {
            Row row = masked.get(i);
            row.sequence.attempt(() -> row.sequence.follow(logits(row, first)));
        });
        reached.forEach(row -> row.sequence.attempt(row.sequence::add));
    }

    private Rows logits(Row row, int first) {
        int v = model.head().vocabularySize();
        return new Rows(logits, (row.index - first) * v, v, 1);
    }

    private void score(List<Sequence<?>> scored, Rows hidden) {
        int[] targets = scored.stream()
                .flatMapToInt(sequence -> IntStream.of(sequence.targets()))
                .toArray();
        int from = 0;
        try {
            int row = 0;
            for (Sequence<?> sequence : scored) {
                Sequence.requireFinite(hidden.rows(row, sequence.wanted), sequence.cache.length() - sequence.wanted);
                row += sequence.wanted;
            }
            List<Prediction> predictions = model.head()
                    .logProbabilities(hidden, targets, false, scored.getFirst().alternatives)
                    .predictions();
            for (Sequence<?> sequence : scored) {
                sequence.predictions.addAll(predictions.subList(from, from + sequence.wanted));
                from += sequence.wanted;
            }
        } catch (RuntimeException | Error e) {
            if (scored.size() == 1) {
                scored.getFirst().fail(e);
                return;
            }
            for (Sequence<?> sequence : scored) { // one by one, so that the others do not fail
                score(List.of(sequence), hidden.rows(from, sequence.wanted));
                from += sequence.wanted;
            }
        }
    }

    /** Returns the pages and completes the result. */
    private void end(Sequence<?> sequence) {
        try {
            prefixes.end(sequence);
            sequence.close();
        } catch (RuntimeException | Error e) {
            sequence.result.completeExceptionally(e);
        }
    }
}
