package dev.causal4j.generation;

import dev.causal4j.InputException;
import dev.causal4j.NonFiniteException;
import dev.causal4j.compute.Rows;
import dev.causal4j.decoder.Activations;
import dev.causal4j.decoder.Batch;
import dev.causal4j.decoder.KVCache;
import dev.causal4j.head.CausalLMHead;
import dev.causal4j.head.Prediction;
import dev.causal4j.kernel.Kernels;
import dev.causal4j.model.CausalLM;
import dev.causal4j.tokenizer.Tokenizer;
import java.lang.ref.WeakReference;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Deque;
import java.util.Iterator;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.WeakHashMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.RejectedExecutionException;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Computes the sequences of all callers of a model together. Thread-safe.
 *
 * <p>A step feeds the last token of every decoding sequence and a bounded number of prompt tokens, shared among the
 * prompts in turn. Sequences begin in the order in which they came, when there are pages for all that they may need; one
 * that fails ends alone. Nothing that a neighbour does changes a bit of a sequence.
 *
 * <p>The work is done on a thread of its own, which ends when there is none.
 */
public final class Engine implements AutoCloseable {
    /** Most bytes of logits at once, unless a single row needs more. */
    private static final int LOGITS_BYTES = 32 << 20;

    private static final long IDLE_MILLIS = 1000;
    private static final long REST_MILLIS = 2; // until sequences whose readers are slow are looked at again

    private static final Map<CausalLM, WeakReference<Engine>> SHARED = new WeakHashMap<>();

    private final CausalLM model;
    private final EngineOptions options;
    private final Deque<Sequence<?>> waiting = new ArrayDeque<>(); // guarded by this, as the next three
    private @Nullable Thread thread;
    private CompletableFuture<@Nullable Void> ended = CompletableFuture.completedFuture(null); // of the thread
    private boolean closed;

    private final List<Sequence<?>> running = new ArrayList<>(); // the thread's alone, as all below
    private final PrefixCache prefixes;
    private final Candidates candidates;
    private final Activations activations = new Activations();
    private float[] logits = {}; // of some rows [n, V]
    private final StepBudget budget = new StepBudget();
    private volatile int atWork; // the size of running
    private long served;

    /** An engine with the default options. */
    public Engine(CausalLM model) {
        this(model, EngineOptions.DEFAULT);
    }

    /** An engine, to be closed before its model. */
    public Engine(CausalLM model, EngineOptions options) {
        Kernels.name(); // fails here if the kernels that the property sets are missing
        this.model = model;
        this.options = options;
        this.prefixes = new PrefixCache(model.decoder().pool(), options.prefixBytes());
        // Ids beyond the tokenizer belong to a padded vocabulary and are never chosen.
        int size = model.head().vocabularySize();
        int choosable =
                Math.min(size, model.tokenizer().map(Tokenizer::vocabularySize).orElse(size));
        this.candidates = new Candidates(choosable, model.head().compute());
    }

    /** The engine that callers without one of their own share. It has the default options and needs no closing. */
    public static Engine shared(CausalLM model) {
        synchronized (SHARED) {
            WeakReference<Engine> known = SHARED.get(model);
            Engine engine = known == null ? null : known.get();
            if (engine == null || engine.isClosed()) {
                engine = new Engine(model);
                SHARED.put(model, new WeakReference<>(engine));
            }
            return engine;
        }
    }

    /** The model it computes. */
    public CausalLM model() {
        return model;
    }

    /**
     * Generates a sequence. Cancelling the result ends it before the next step; then it is completed.
     *
     * @param listener receives each token, on the engine's thread
     * @return completed on the engine's thread: with the sequence, also one that its listener ended, or with what the
     *     listener, a rule or numbers that are not finite threw
     * @throws InputException as {@link Generator#generate(List, TokenListener)}
     * @throws RejectedExecutionException if the queue is full
     * @throws IllegalStateException if the engine is closed, or stop strings are set for a model without a tokenizer
     */
    public CompletableFuture<Generation> submit(GenerationRequest request, TokenListener listener) {
        GeneratedSequence sequence = generating(request, 0, listener);
        start(List.of(sequence));
        return sequence.result;
    }

    /**
     * Scores the last tokens of a sequence, each after all before it.
     *
     * @param tokens at most one more than the context length; copied
     * @param first the first token to score, at least 1
     * @param alternatives best candidates to return with each prediction
     * @return the predictions of {@code tokens[first]} and those after it, on the engine's thread
     * @throws InputException if a token is not in the vocabulary, or a number out of its range
     * @throws RejectedExecutionException if the queue is full
     */
    public CompletableFuture<List<Prediction>> score(int[] tokens, int first, int alternatives) {
        return score(tokens, first, alternatives, Optional.of(""));
    }

    /** The same among those of a {@link GenerationOptions.Builder#cacheSalt}, or without what others computed. */
    public CompletableFuture<List<Prediction>> score(int[] tokens, int first, int alternatives, Optional<String> salt) {
        ScoredSequence sequence = new ScoredSequence(model, tokens, first, alternatives, salt);
        start(List.of(sequence));
        return sequence.result;
    }

    /**
     * Scores continuations of a prompt, which is computed once.
     *
     * @param prompt at least one token; with a continuation at most one more than the context length
     * @return the predictions of each continuation's tokens, as {@link #score}
     */
    public List<CompletableFuture<List<Prediction>>> scoreContinuations(
            int[] prompt, List<int[]> continuations, int alternatives) {
        Optional<String> salt = Optional.of("");
        ScoredSequence whole = new ScoredSequence(model, prompt, prompt.length, 0, salt);
        for (int[] continuation : continuations) {
            int[] tokens = Arrays.copyOf(prompt, prompt.length + continuation.length);
            System.arraycopy(continuation, 0, tokens, prompt.length, continuation.length);
            whole.continuations.add(new ScoredSequence(model, tokens, prompt.length, alternatives, salt));
        }
        List<CompletableFuture<List<Prediction>>> results =
                whole.continuations.stream().map(each -> each.result).toList();
        if (!results.isEmpty()) {
            start(List.of(whole));
        }
        return results;
    }

    GeneratedSequence generating(GenerationRequest request, int index, TokenListener listener) {
        return new GeneratedSequence(model, index, request, listener, candidates);
    }

    /** Adds sequences to the queue, all or none. */
    synchronized void start(List<? extends Sequence<?>> sequences) {
        if (closed) {
            throw new IllegalStateException("engine: expected an open one, got one that was closed");
        }
        if (sequences.size() > options.queue() - waiting.size()) {
            throw new RejectedExecutionException("queue: expected at most " + options.queue()
                    + " waiting sequences, got " + (waiting.size() + sequences.size()) + "; try again later");
        }
        waiting.addAll(sequences);
        if (thread == null) {
            ended = new CompletableFuture<>();
            thread = Thread.ofPlatform().daemon().name("causal4j-engine").start(this::run);
        }
        notifyAll();
    }

    /**
     * Checks that a caller may wait for results.
     *
     * @throws IllegalStateException on the engine's own thread, which would wait for itself
     */
    public void checkCaller() {
        if (Thread.currentThread() == thread) {
            throw new IllegalStateException("engine: expected a call from another thread, got one from a listener");
        }
    }

    /**
     * Waits for a result and throws what ended its sequence.
     *
     * @throws InterruptedException if this thread is interrupted, also when the result is there
     */
    public static <T> T await(CompletableFuture<T> result) throws InterruptedException {
        if (Thread.interrupted()) {
            throw new InterruptedException();
        }
        try {
            return result.get();
        } catch (ExecutionException e) {
            throw switch (e.getCause()) {
                case RuntimeException cause -> cause;
                case Error cause -> throw cause;
                case null, default -> new IllegalStateException(e.getCause());
            };
        }
    }

    /** How many sequences are in the queue. */
    public synchronized int waiting() {
        return waiting.size();
    }

    /** How many sequences are computed. */
    public int running() {
        return atWork;
    }

    /** Cancels the sequences that are in the queue. */
    public synchronized void cancelWaiting() {
        waiting.forEach(sequence -> sequence.result.cancel(false));
    }

    private synchronized boolean isClosed() {
        return closed;
    }

    /** Cancels all sequences, waits for the step under way, and gives all pages back. Not to be called by a listener. */
    @Override
    public void close() {
        checkCaller();
        CompletableFuture<?> end;
        synchronized (this) {
            closed = true;
            notifyAll();
            end = ended;
        }
        end.join();
        synchronized (this) {
            while (prefixes.evict()) {}
        }
    }

    private void run() {
        try {
            while (admit()) {
                over().forEach(this::end);
                List<Sequence<?>> fed = plan();
                if (!fed.isEmpty()) {
                    step(fed);
                }
            }
        } catch (Throwable e) { // nobody may wait for a thread that is gone
            List<Sequence<?>> all = new ArrayList<>(running);
            synchronized (this) {
                all.addAll(waiting);
                running.clear();
                waiting.clear();
                thread = null;
            }
            all.forEach(sequence -> sequence.fail(e));
            all.forEach(Sequence::close);
            ended.complete(null);
        }
    }

    /** Removes and returns the sequences that are over. */
    private synchronized Set<Sequence<?>> over() {
        Set<Sequence<?>> over = Stream.concat(running.stream(), waiting.stream())
                .filter(Sequence::over)
                .collect(Collectors.toCollection(LinkedHashSet::new));
        running.removeAll(over);
        waiting.removeAll(over);
        atWork = running.size();
        return over;
    }

    /** Waits for work and begins the sequences that there is room for. Returns false after a while without work. */
    private synchronized boolean admit() {
        boolean waited = false;
        while (true) {
            if (closed) {
                waiting.forEach(sequence -> sequence.result.cancel(false));
                running.forEach(sequence -> sequence.result.cancel(false));
            }
            beginWaiting();
            if (running.stream().anyMatch(sequence -> sequence.ready() || sequence.over())
                    || waiting.stream().anyMatch(Sequence::over)) {
                return true;
            }
            if (running.isEmpty() && (closed || waited)) {
                thread = null;
                ended.complete(null);
                return false;
            }
            waited = running.isEmpty() && waiting.isEmpty();
            try {
                wait(waited ? IDLE_MILLIS : REST_MILLIS);
            } catch (InterruptedException e) {
                // A listener did that to its own thread: the engine belongs to others, too.
            }
        }
    }

    private void beginWaiting() {
        for (Iterator<Sequence<?>> all = waiting.iterator(); all.hasNext() && running.size() < options.parallel(); ) {
            Sequence<?> next = all.next();
            if (!next.over() && !isBeingComputed(next)) {
                if (!begin(next)) {
                    return;
                }
                all.remove();
                running.add(next);
                atWork = running.size();
                next.served = ++served;
            }
        }
    }

    /** Whether a running sequence is computing pages that this one can share. Then this one waits for them. */
    private boolean isBeingComputed(Sequence<?> next) {
        return prefixes.keeps(next)
                && next.cache.length() == 0 // else it has a copy, and takes no pages
                && running.stream().anyMatch(other -> !other.decodes() && other.ready() && other.computesFor(next));
    }

    /** Gives a sequence the pages that are known, and reserves all others that it may need. */
    private boolean begin(Sequence<?> next) {
        boolean copied = next.cache.length() > 0;
        boolean shares = prefixes.keeps(next);
        if (!copied && shares) {
            next.root = List.of(next.salt, model.decoder().config().rotations(next.positions()));
            prefixes.begin(next);
        }
        next.cachedTokens = next.cache.length();
        while (!next.cache.reserve(next.positions(), shares)) {
            if (!prefixes.evict()) {
                boolean alone = running.isEmpty();
                if (alone && (copied || next.cache.length() == 0)) {
                    return true; // other caches hold them: it fails where there is none
                }
                if (!copied) {
                    next.giveBack();
                    next.cachedTokens = 0;
                }
                if (!alone) {
                    return false;
                } // else the pages that it was given can go
            }
        }
        return true;
    }

    /** Runs one forward, chooses the next tokens and scores the tokens that are to be scored. */
    private void step(List<Sequence<?>> fed) {
        long start = System.nanoTime();
        Batch batch;
        Rows hidden; // the wanted rows
        try {
            batch = new Batch(fed.stream().map(Sequence::next).toList());
            hidden = model.forward(batch, activations);
        } catch (RuntimeException | Error e) { // no cache has changed
            if (fed.size() == 1) {
                fed.getFirst().fail(e);
            } else {
                fed.forEach(sequence -> step(List.of(sequence))); // so that the others do not fail
            }
            return;
        }
        try {
            batch.notFinite(hidden)
                    .forEach(found -> fed.get(found.chunk())
                            .fail(NonFiniteException.inHidden(found.value(), found.position(), "")));
            List<GeneratedSequence> choosing = wanting(GeneratedSequence.class, fed);
            choose(choosing, hidden);
            int from = choosing.size();
            for (List<ScoredSequence> alike : wanting(ScoredSequence.class, fed).stream()
                    .collect(Collectors.groupingBy(each -> each.alternatives, TreeMap::new, Collectors.toList()))
                    .values()) {
                int rows = alike.stream().mapToInt(each -> each.wanted).sum();
                score(alike, hidden.rows(from, rows));
                from += rows;
            }
        } catch (RuntimeException | Error e) {
            fed.forEach(sequence -> sequence.fail(e));
        }
        double seconds = (System.nanoTime() - start) / 1e9;
        budget.took(fed, seconds);
        for (Sequence<?> sequence : fed) {
            sequence.took(seconds);
            prefixes.add(sequence);
        }
    }

    /** Divides the prompt tokens of a step. Returns the sequences to feed: those that generate first, then by alternatives. */
    private List<Sequence<?>> plan() {
        List<Sequence<?>> ready = running.stream().filter(Sequence::ready).toList();
        List<Sequence<?>> prompts = ready.stream()
                .filter(sequence -> !sequence.decodes())
                .sorted(Comparator.comparingLong(sequence -> sequence.served))
                .toList();
        int room = budget.rows(ready, options.promptRows());
        ready.forEach(sequence -> sequence.promptRows = 0);
        for (int i = 0; i < prompts.size() && room > 0; i++) {
            Sequence<?> prompt = prompts.get(i);
            int share = Math.clamp(room / (prompts.size() - i), StepBudget.LEAST_ROWS, KVCache.STEP);
            prompt.promptRows = Math.min(Math.min(share, room), prompt.left());
            prompt.served = ++served;
            room -= prompt.promptRows;
        }
        return ready.stream()
                .filter(sequence -> sequence.decodes() || sequence.promptRows > 0)
                .sorted(Comparator.comparingInt(sequence -> sequence instanceof ScoredSequence s ? s.alternatives : -1))
                .toList();
    }

    /** The sequences of one kind that have wanted rows. */
    private static <S extends Sequence<?>> List<S> wanting(Class<S> kind, List<Sequence<?>> fed) {
        return fed.stream()
                .filter(sequence -> kind.isInstance(sequence) && sequence.wanted > 0)
                .map(kind::cast)
                .toList();
    }

    private void choose(List<GeneratedSequence> choosing, Rows hidden) {
        CausalLMHead head = model.head();
        int v = head.vocabularySize();
        int most = Math.max(1, LOGITS_BYTES / (4 * v));
        for (int from = 0; from < choosing.size(); from += most) {
            int n = Math.min(most, choosing.size() - from);
            logits = logits.length < n * v ? new float[n * v] : logits;
            head.logits(hidden.rows(from, n), Rows.of(logits, v, n));
            for (int i = 0; i < n; i++) {
                GeneratedSequence sequence = choosing.get(from + i);
                if (!sequence.over()) {
                    try {
                        sequence.choose(head, new Rows(logits, i * v, v, 1));
                    } catch (RuntimeException | Error e) {
                        sequence.fail(e);
                    }
                }
            }
        }
    }

    private void score(List<ScoredSequence> scored, Rows hidden) {
        int[] targets = scored.stream()
                .flatMapToInt(sequence -> IntStream.of(sequence.targets()))
                .toArray();
        int from = 0;
        try {
            List<Prediction> predictions = model.head()
                    .logProbabilities(hidden, targets, false, scored.getFirst().alternatives)
                    .predictions();
            for (ScoredSequence sequence : scored) {
                sequence.take(predictions.subList(from, from + sequence.wanted));
                from += sequence.wanted;
            }
        } catch (RuntimeException | Error e) {
            if (scored.size() == 1) {
                scored.getFirst().fail(e);
                return;
            }
            for (ScoredSequence sequence : scored) { // each alone, so that the others do not fail
                score(List.of(sequence), hidden.rows(from, sequence.wanted));
                from += sequence.wanted;
            }
        }
    }

    /** Adds continuations to the queue, gives the pages back and completes the result. */
    private void end(Sequence<?> sequence) {
        try {
            if (sequence instanceof ScoredSequence scoring) {
                List<ScoredSequence> continued = scoring.continued();
                synchronized (this) {
                    continued.reversed().forEach(waiting::addFirst);
                }
            }
            if (sequence.failure == null) {
                prefixes.addRest(sequence);
            }
            sequence.close();
        } catch (RuntimeException | Error e) {
            sequence.result.completeExceptionally(e);
        }
    }
}
