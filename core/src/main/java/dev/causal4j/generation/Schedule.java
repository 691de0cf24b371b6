package dev.causal4j.generation;

import dev.causal4j.decoder.KVCache;
import dev.causal4j.decoder.PagePool;
import dev.causal4j.generation.Engine.Requester;
import dev.causal4j.model.CausalLM;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Decides which sequences of an engine run and what they feed in a step. Callers begin sequences in turn, and so do the
 * requests of a caller; a request without a running sequence goes first. A sequence begins with pages for its tokens
 * and one more page, and takes others as it grows. If slots or pages run out, a sequence is set back: it returns both,
 * and computes its tokens again later, which changes no bit. The oldest running sequence is never set back for pages,
 * so there is always progress. Not thread-safe.
 */
final class Schedule {
    /** The sequences of one request: the waiting ones, in their order, and how many run. */
    private static final class Turn {
        private final Object caller;
        private final Deque<Sequence<?>> waiting = new ArrayDeque<>();
        private int running;
        private long order; // when its last sequence began, or else when it arrived
        private long fed; // when it last fed prompt tokens

        private Turn(Object caller, long now) {
            this.caller = caller;
            this.order = now;
        }
    }

    private final CausalLM model;
    private final EngineOptions options;
    private final PagePool pool;
    private final PrefixCache prefixes;
    private final StepCosts costs;
    private final DraftLengths lengths;
    private final Map<Requester, Turn> turns = new LinkedHashMap<>();
    private final Map<Object, Long> callers = new HashMap<>(); // callers with turns, and when their last sequence began
    private final List<Sequence<?>> running = new ArrayList<>(); // the oldest first
    private long clock; // counts beginnings and feedings

    Schedule(CausalLM model, EngineOptions options, PrefixCache prefixes, StepCosts costs, DraftLengths lengths) {
        this.model = model;
        this.options = options;
        this.pool = model.decoder().pool();
        this.prefixes = prefixes;
        this.costs = costs;
        this.lengths = lengths;
    }

    /** Adds sequences after the others of their requests. */
    void add(Collection<? extends Sequence<?>> sequences) {
        for (Sequence<?> sequence : sequences) {
            turn(sequence).waiting.add(sequence);
        }
    }

    private Turn turn(Sequence<?> sequence) {
        return turns.computeIfAbsent(sequence.requester, requester -> new Turn(requester.caller(), ++clock));
    }

    /** How many sequences run. */
    int running() {
        return running.size();
    }

    /** Whether there are no sequences. */
    boolean isEmpty() {
        return turns.isEmpty();
    }

    /** All sequences, the running ones first. */
    Stream<Sequence<?>> all() {
        return Stream.concat(running.stream(), waiting());
    }

    private Stream<Sequence<?>> waiting() {
        return turns.values().stream().flatMap(turn -> turn.waiting.stream());
    }

    /**
     * Requests masks that are not ready, checks deadlines, and asks the readers of sequences whether they keep up.
     * Calls listeners.
     */
    void ask() {
        all().forEach(Sequence::sitOut);
        all().forEach(Sequence::endLate);
        all().forEach(sequence -> sequence.isReady = !sequence.hasRun || sequence.ready());
    }

    /** Removes and returns the sequences that are over. */
    List<Sequence<?>> removeOver() {
        List<Sequence<?>> over = all().filter(Sequence::over).toList();
        over.forEach(this::remove);
        return over;
    }

    private void remove(Sequence<?> sequence) {
        Turn turn = turn(sequence);
        if (sequence.runs) {
            sequence.runs = !running.remove(sequence);
            turn.running--;
        } else {
            turn.waiting.remove(sequence);
        }
        if (turn.running == 0 && turn.waiting.isEmpty()) {
            turns.remove(sequence.requester);
            if (turns.values().stream().noneMatch(other -> other.caller.equals(turn.caller))) {
                callers.remove(turn.caller);
            }
        }
    }

    /** Begins sequences as far as there is room. */
    void begin() {
        for (Optional<Sequence<?>> next = next(); next.isPresent() && hasRoom(next.get()); next = next()) {
            Sequence<?> sequence = next.get();
            Turn turn = turn(sequence);
            turn.waiting.remove(sequence);
            turn.running++;
            turn.order = ++clock;
            callers.put(turn.caller, clock);
            sequence.runs = running.add(sequence);
            sequence.hasRun = true;
            sequence.requester.begun().set(true);
            sequence.fed = clock;
        }
    }

    /** The waiting sequence whose turn it is. */
    private Optional<Sequence<?>> next() {
        return turns.values().stream()
                .filter(turn -> !turn.waiting.isEmpty())
                .sorted(Comparator.comparing((Turn turn) -> turn.running > 0)
                        .thenComparingLong(turn -> callers.getOrDefault(turn.caller, 0L))
                        .thenComparingLong(turn -> turn.order))
                .flatMap(turn -> turn.waiting.stream())
                .filter(each ->
                        each.isReady && !each.sitsOut && !each.over() && !isBeingComputed(each) && !isBeingRead(each))
                .findFirst();
    }

    /** Whether another sequence is computing pages that this one can share; then this one waits for them. */
    private boolean isBeingComputed(Sequence<?> next) {
        Sequence<?> before = next.continued;
        return (before != null && !before.result.isDone())
                || (prefixes.keeps(next)
                        && running.stream()
                                .anyMatch(other ->
                                        other.shares && !other.decodes() && other.isReady && other.computesFor(next)));
    }

    /** Whether stored pages of a sequence are being read; the first call begins that. */
    private boolean isBeingRead(Sequence<?> next) {
        if (next.read == null) {
            next.read = prefixes.read(next, () -> root(next));
        }
        return !next.read.isDone();
    }

    private PrefixCache.Root root(Sequence<?> sequence) {
        return new PrefixCache.Root(sequence.salt, model.decoder().config().rotations(sequence.positions));
    }

    /** Finds a slot and pages for a sequence, perhaps by setting others back. */
    private boolean hasRoom(Sequence<?> next) {
        while (running.size() >= options.parallel() || !hasPages(next)) {
            Optional<Sequence<?>> other = givesWay(next);
            if (other.isEmpty()) {
                return false;
            }
            setBack(other.get());
        }
        return true;
    }

    /**
     * The sequence to set back for the next one: the youngest with a slow reader or a mask that is not ready; else the
     * youngest of the busiest caller, or else of the busiest request.
     */
    private Optional<Sequence<?>> givesWay(Sequence<?> next) {
        return youngest(sequence -> !sequence.isReady || sequence.sitsOut)
                .or(() -> ofMost(next, sequence -> sequence.requester.caller()))
                .or(() -> ofMost(next, sequence -> sequence.requester));
    }

    /**
     * The youngest sequence of the caller or request with the most running sequences, if these are at least two. Empty
     * if the caller or request of the next sequence has a running one.
     *
     * @param who gives the caller or the request of a sequence
     */
    private Optional<Sequence<?>> ofMost(Sequence<?> next, Function<Sequence<?>, Object> who) {
        Map<Object, Long> counts = running.stream().collect(Collectors.groupingBy(who, Collectors.counting()));
        long most = counts.values().stream().reduce(1L, Math::max);
        return most == 1 || counts.containsKey(who.apply(next))
                ? Optional.empty()
                : youngest(sequence -> counts.getOrDefault(who.apply(sequence), 0L) == most);
    }

    private Optional<Sequence<?>> youngest(Predicate<Sequence<?>> which) {
        return running.reversed().stream().filter(which).findFirst();
    }

    /** Takes a sequence's pages, and if it runs also its slot. */
    private void setBack(Sequence<?> sequence) {
        prefixes.release(sequence);
        sequence.giveBack();
        if (sequence.runs) {
            sequence.runs = !running.remove(sequence);
            Turn turn = turn(sequence);
            turn.running--;
            turn.waiting.addFirst(sequence);
        }
    }

    /** Gives a sequence the known pages, and reserves pages for its tokens and one more. */
    private boolean hasPages(Sequence<?> next) {
        next.shares = prefixes.keeps(next);
        if (next.shares) {
            next.root = root(next);
            prefixes.begin(next);
        }
        next.cache.declare(next.positions);
        next.cached(next.cache.length());
        int positions = Math.min(next.known + PagePool.POSITIONS, next.positions);
        while (!next.cache.reserve(positions, next.shares) || pool.freePages() < running.size()) {
            if (!evict()) {
                boolean alone = running.isEmpty();
                if (alone && prefixes.settle()) {
                    continue;
                }
                if (alone && next.cache.length() == 0) {
                    return true; // other caches hold them: it fails where there is none
                }
                setBack(next);
                if (!alone) {
                    return false;
                } // else the known pages that it was given can be evicted
            }
        }
        return true;
    }

    /** Evicts pages that no sequence uses, here or in another engine. Returns false if there are none. */
    private boolean evict() {
        return prefixes.evict() || pool.reclaim();
    }

    /**
     * Divides the prompt tokens and the claimed tokens of a step. Returns the sequences to feed: generated ones first,
     * then the others by their alternatives.
     */
    List<Sequence<?>> plan() {
        List<Sequence<?>> ready = running.stream()
                .filter(sequence -> sequence.isReady && !sequence.sitsOut)
                .toList();
        List<Sequence<?>> prompts = ready.stream()
                .filter(sequence -> !sequence.decodes() || sequence.claims())
                .sorted(Comparator.comparingLong((Sequence<?> sequence) -> turn(sequence).fed)
                        .thenComparingLong(sequence -> sequence.fed))
                .toList();
        int room = costs.rows(ready, options.promptRows());
        // Whole texts are faster than parts of many, and nobody waits for their first token.
        boolean embeds = prompts.stream().allMatch(EmbeddedSequence.class::isInstance);
        ready.forEach(sequence -> sequence.promptRows = 0);
        ready.forEach(sequence -> sequence.claimedRows = 0);
        for (int i = 0; i < prompts.size() && room > 0; i++) {
            Sequence<?> prompt = prompts.get(i);
            int part = embeds ? prompt.left() : room / (prompts.size() - i);
            int share = Math.min(room, Math.clamp(part, StepCosts.LEAST_ROWS, KVCache.STEP));
            if (prompt.isWhole() && i > 0 && prompt.left() > room) { // the first in any case: it would never begin
                continue;
            }
            share = prompt.isWhole() ? prompt.left() : share;
            prompt.promptRows = prompt.decodes() ? 0 : prompt.rows(share);
            boolean feedsAll = prompt.decodes() || prompt.promptRows == prompt.left();
            prompt.claimedRows = feedsAll && prompt.claims() ? share - prompt.promptRows : 0;
            prompt.fed = ++clock;
            turn(prompt).fed = clock;
            room -= prompt.promptRows + prompt.claimedRows;
        }
        ready.forEach(Sequence::guess);
        lengths.cut(ready);
        return ready.stream()
                .filter(sequence -> (sequence.decodes() || sequence.promptRows > 0) && grow(sequence))
                .sorted(Comparator.comparingInt(sequence -> sequence.alternatives))
                .toList();
    }

    /**
     * Reserves the pages of a sequence's rows, and sets younger sequences back for them. Returns whether it still runs.
     */
    private boolean grow(Sequence<?> sequence) {
        if (sequence.runs && !sequence.cache.reserve(sequence.fedTo(), sequence.shares)) {
            sequence.draft = new int[0]; // no sequence is set back for a guess
        }
        while (sequence.runs && !sequence.cache.reserve(sequence.fedTo(), sequence.shares)) {
            if (!evict()) {
                if (running.size() == 1 && prefixes.settle()) {
                    continue;
                }
                if (running.size() == 1) {
                    return true; // other caches hold them: it fails where there is none
                }
                setBack(youngest(each -> !each.isReady).orElse(running.getLast()));
            }
        }
        return sequence.runs;
    }
}
