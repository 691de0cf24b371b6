package dev.causal4j.constraint;

import dev.causal4j.tokenizer.Vocabulary;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.Set;
import java.util.WeakHashMap;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * A constraint for the tokens of one vocabulary. Thread-safe: its matchers share transitions and masks. One thread computes
 * them at a time, under a lock; computed ones are read without it.
 */
final class Compiled {
    private static final int NO_TOKEN = Integer.MAX_VALUE; // a byte of no token

    /** All that are not collected yet, since one bound holds for their transitions and masks; guards the fields below. */
    private static final Set<Compiled> LIVING = Collections.newSetFromMap(new WeakHashMap<>());

    private static long allGrown; // bytes, also of what was collected since they were counted
    private static long uses;

    private final Lexicon lexicon;
    private final Budget budget = new Budget();
    private final Automaton automaton;
    private volatile Masks masks;
    final ReentrantLock lock = new ReentrantLock();
    private volatile long bytes;
    private long grown; // bytes since the compilation
    private long used; // the latest use

    /** @param key what it is known by, which counts as its text */
    Compiled(GrammarSource source, Vocabulary vocabulary, Lexicon lexicon, Object key) {
        budget.keep(key.toString().length());
        Terms terms = new Terms(lexicon.spellable, budget);
        this.lexicon = lexicon;
        this.automaton = new Automaton(terms, source.compile(terms, vocabulary, new ArrayList<>()));
        this.masks = new Masks(automaton, lexicon);
        synchronized (LIVING) {
            LIVING.add(this);
        }
        find(automaton.start(), () -> masks.find(automaton.start(), true)); // refuses what cannot be held
        terms.seal();
    }

    /** A text that has just begun. */
    Matcher start(Vocabulary vocabulary) {
        return new TextMatcher(vocabulary, automaton.start(), true, Automaton.Kept.NOTHING);
    }

    /** Roughly its bytes. */
    long bytes() {
        return bytes;
    }

    private <T> T find(Configuration at, Supplier<T> work) {
        lock.lock();
        return work(at, Limits.TOKEN_STEPS, work);
    }

    /** Null if another thread works on it, or it takes longer. */
    private <T> @Nullable T tryToFind(Configuration at, Supplier<T> work) {
        try {
            return at.tried == 0 && lock.tryLock() ? work(at, Limits.TRIED_STEPS, work) : null;
        } catch (ConstraintException unused) {
            return null; // a caller that may wait meets it again
        }
    }

    /**
     * Works on a configuration, then unlocks. The same limit is met whether it was tried before or not, and by all who
     * come here; errors name the place in the grammar.
     */
    private <T> T work(Configuration at, int steps, Supplier<T> work) {
        try {
            if (at.failure != null) {
                throw at.failure;
            }
            budget.renew(steps, at.tried);
            return work.get();
        } catch (ConstraintException e) {
            at.tried = Limits.TRIED_STEPS;
            if (steps == Limits.TOKEN_STEPS && at.failure == null) {
                String place = automaton.place(at);
                at.failure = new ConstraintException(place.isEmpty() ? "answer" : "answer in " + place, e);
            }
            throw at.failure == null ? e : at.failure;
        } finally {
            count();
            lock.unlock();
        }
    }

    /** Counts new transitions and masks, under the lock. Above the bound large constraints drop theirs, the longest unused first. */
    private void count() {
        bytes = budget.bytes();
        synchronized (LIVING) {
            used = ++uses;
            allGrown += budget.grown() - grown;
            grown = budget.grown();
            if (allGrown > Limits.KEPT_BYTES) {
                allGrown = LIVING.stream().mapToLong(each -> each.grown).sum();
                long half = allGrown / LIVING.size() / 2; // the smaller ones together have less than a half
                LIVING.stream()
                        .filter(each -> each.grown >= half)
                        .sorted(Comparator.comparingLong(each -> each.used))
                        .takeWhile(unused -> allGrown > Limits.KEPT_BYTES / 16 * 15)
                        .forEach(Compiled::forget);
            }
        }
    }

    /** Drops transitions and masks, unless another thread works on it. */
    private void forget() {
        if (lock.tryLock()) {
            try {
                automaton.forget();
                budget.renew(Limits.TOKEN_STEPS, 0);
                masks = new Masks(automaton, lexicon);
                allGrown -= grown;
                grown = 0;
                bytes = budget.bytes();
            } finally {
                lock.unlock();
            }
        }
    }

    /** One text. */
    private final class TextMatcher implements Matcher {
        private final Vocabulary vocabulary;
        private Configuration at;
        private boolean begins;
        private Automaton.Kept kept;

        TextMatcher(Vocabulary vocabulary, Configuration at, boolean begins, Automaton.Kept kept) {
            this.vocabulary = vocabulary;
            this.at = at;
            this.begins = begins;
            this.kept = kept;
        }

        /** The same work, after what the text keeps is counted. */
        private <T> Supplier<T> counted(Supplier<T> work) {
            return () -> {
                kept = automaton.kept(at, kept);
                return work.get();
            };
        }

        @Override
        public void mask(long[] allowed) {
            Masks.Allowed known = masks.known(at, begins);
            masks.set(known != null ? known : find(at, counted(() -> masks.find(at, begins))), allowed);
        }

        @Override
        public boolean tryMask(long[] allowed) {
            Masks.Allowed known = masks.known(at, begins);
            Masks.Allowed tokens = known != null ? known : tryToFind(at, counted(() -> masks.find(at, begins)));
            if (tokens != null) {
                masks.set(tokens, allowed);
            }
            return tokens != null;
        }

        @Override
        public void accept(int token) {
            byte[] text = text(token);
            Configuration known = Automaton.known(at, token, text);
            add(token, known != null ? known : find(at, counted(() -> automaton.next(at, token, text))));
        }

        @Override
        public boolean tryAccept(int token) {
            byte[] text = text(token);
            Configuration known = Automaton.known(at, token, text);
            Configuration then = known != null ? known : tryToFind(at, counted(() -> automaton.next(at, token, text)));
            if (then != null) {
                add(token, then);
            }
            return then != null;
        }

        private byte @Nullable [] text(int token) {
            byte[] inside = token < lexicon.size ? lexicon.text(vocabulary, token) : null;
            return begins && inside != null ? vocabulary.firstBytes(token) : inside;
        }

        private void add(int token, Configuration then) {
            if (then.isDead()) {
                throw new IllegalArgumentException("token: expected one that the constraint allows, got " + token);
            }
            at = then;
            begins = false;
        }

        @Override
        public int accept(byte[] text) {
            for (int read = 0; read < text.length; read++) {
                byte[] next = {text[read]};
                Configuration then = find(at, counted(() -> automaton.next(at, NO_TOKEN, next)));
                if (then.isDead()) {
                    return read;
                }
                add(NO_TOKEN, then);
            }
            return text.length;
        }

        @Override
        public boolean isAccepting() {
            return at.accepts;
        }

        @Override
        public long bytes() {
            return kept.bytes();
        }

        @Override
        public Matcher copy() {
            return new TextMatcher(vocabulary, at, begins, kept);
        }
    }
}
