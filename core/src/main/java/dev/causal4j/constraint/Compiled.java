package dev.causal4j.constraint;

import dev.causal4j.tokenizer.Tokenizer;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.WeakHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * A constraint for the tokens of one tokenizer. Thread-safe: its matchers share what they find out. One finds out at a
 * time, under a lock; what is known is read without it.
 */
final class Compiled {
    private static final int NO_TOKEN = Integer.MAX_VALUE; // a byte of no token
    private static final int COUNTED = 8; // all are counted when they have found this part of the limit

    /** Bytes that were found out since all were counted. */
    private static final AtomicLong FOUND = new AtomicLong();

    /** All that are in use or kept, since what they find out is bounded together. */
    private static final Set<Compiled> LIVING =
            Collections.synchronizedSet(Collections.newSetFromMap(new WeakHashMap<>()));

    private final Lexicon lexicon;
    private final Budget budget = new Budget();
    private final Automaton automaton;
    private final Masks masks;
    final ReentrantLock lock = new ReentrantLock();
    private volatile long bytes;
    private volatile long grown; // bytes since the compilation

    /** @param key bytes of what it is known by */
    Compiled(Source source, Tokenizer tokenizer, Lexicon lexicon, List<String> ignored, long key) {
        budget.keep(key);
        Terms terms = new Terms(lexicon.spellable, budget);
        this.lexicon = lexicon;
        this.automaton = new Automaton(terms, source.compile(terms, tokenizer, ignored));
        this.masks = new Masks(automaton, lexicon);
        find(automaton.start(), () -> masks.find(automaton.start(), true)); // what cannot be held is refused at once
        terms.seal();
        grown = 0;
        LIVING.add(this);
    }

    /** A text that has just begun. */
    Matcher start(Tokenizer tokenizer) {
        return new TextMatcher(tokenizer, automaton.start(), true);
    }

    /** Roughly its bytes. */
    long bytes() {
        return bytes;
    }

    /**
     * Works on a configuration, under the lock. The same limit is met whether it was tried before or not, and by all who
     * come here; errors name the place in the grammar.
     */
    private <T> T work(Configuration at, int steps, Supplier<T> work) {
        if (at.failure != null) {
            throw at.failure;
        }
        budget.renew(steps, at.tried);
        try {
            return work.get();
        } catch (ConstraintException e) {
            if (steps == Limits.TOKEN_STEPS) {
                String place = automaton.place(at);
                at.failure = new ConstraintException(place.isEmpty() ? "answer" : "answer in " + place, e);
                throw at.failure;
            }
            at.tried = Limits.TRIED_STEPS;
            throw e;
        } finally {
            long found = FOUND.addAndGet(Math.max(0, budget.grown() - grown));
            count();
            if (found > Limits.GROWN_BYTES / COUNTED) {
                forgetMuch();
            }
        }
    }

    private <T> T find(Configuration at, Supplier<T> work) {
        lock.lock();
        try {
            return work(at, Limits.TOKEN_STEPS, work);
        } finally {
            lock.unlock();
        }
    }

    /** Null if somebody else works, or it takes longer. */
    private <T> @Nullable T tryToFind(Configuration at, Supplier<T> work) {
        if (at.tried > 0 || !lock.tryLock()) {
            return null;
        }
        try {
            return work(at, Limits.TRIED_STEPS, work);
        } catch (ConstraintException _) {
            return null; // who may wait meets it again
        } finally {
            lock.unlock();
        }
    }

    private void count() {
        bytes = budget.bytes();
        grown = budget.grown();
    }

    /** Forgets what was found out if all have too much: of each that has more than its share, and in which nobody works. */
    private static void forgetMuch() {
        synchronized (LIVING) {
            FOUND.set(0);
            long share = Limits.GROWN_BYTES / Math.max(1, LIVING.size());
            boolean much = LIVING.stream().mapToLong(each -> each.grown).sum() > Limits.GROWN_BYTES;
            for (Compiled each : much ? LIVING : Set.<Compiled>of()) {
                if (each.grown > share && each.lock.tryLock()) {
                    each.forget();
                }
            }
        }
    }

    /** Forgets, and gives the lock back. */
    private void forget() {
        try {
            automaton.forget();
            masks.forget();
            count();
        } finally {
            lock.unlock();
        }
    }

    /** One text. */
    private final class TextMatcher implements Matcher {
        private final Tokenizer tokenizer;
        private Configuration at;
        private boolean begins;

        TextMatcher(Tokenizer tokenizer, Configuration at, boolean begins) {
            this.tokenizer = tokenizer;
            this.at = at;
            this.begins = begins;
        }

        @Override
        public void mask(long[] allowed) {
            Masks.Allowed known = masks.known(at, begins);
            masks.set(known != null ? known : find(at, () -> masks.find(at, begins)), allowed);
        }

        @Override
        public boolean tryMask(long[] allowed) {
            Masks.Allowed known = masks.known(at, begins);
            Masks.Allowed tokens = known != null ? known : tryToFind(at, () -> masks.find(at, begins));
            if (tokens != null) {
                masks.set(tokens, allowed);
            }
            return tokens != null;
        }

        @Override
        public void accept(int token) {
            byte[] text = text(token);
            Configuration known = Automaton.known(at, token, text);
            add(token, known != null ? known : find(at, () -> automaton.next(at, token, text)));
        }

        @Override
        public boolean tryAccept(int token) {
            byte[] text = text(token);
            Configuration known = Automaton.known(at, token, text);
            Configuration then = known != null ? known : tryToFind(at, () -> automaton.next(at, token, text));
            if (then != null) {
                add(token, then);
            }
            return then != null;
        }

        private byte @Nullable [] text(int token) {
            byte[] inside = token < lexicon.size ? lexicon.text(tokenizer, token) : null;
            return begins && inside != null ? tokenizer.firstBytes(token) : inside;
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
                Configuration then = find(at, () -> automaton.next(at, NO_TOKEN, next));
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
        public Matcher copy() {
            return new TextMatcher(tokenizer, at, begins);
        }
    }
}
