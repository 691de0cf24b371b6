package dev.causal4j.constraint;

import dev.causal4j.tokenizer.Tokenizer;
import java.util.List;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/** A constraint for the tokens of one tokenizer. Thread-safe: its matchers share what they find out. */
final class Compiled {
    private static final int NO_TOKEN = Integer.MAX_VALUE; // a byte of no token

    private final Lexicon lexicon;
    private final Automaton automaton;
    private final Masks masks;

    Compiled(Source source, Tokenizer tokenizer, Lexicon lexicon, List<String> ignored) {
        Budget budget = new Budget();
        Terms terms = new Terms(lexicon.spellable, budget);
        this.lexicon = lexicon;
        this.automaton = new Automaton(terms, source.compile(terms, tokenizer, ignored));
        this.masks = new Masks(automaton, lexicon);
    }

    /** A text that has just begun. */
    Matcher start(Tokenizer tokenizer) {
        return new TextMatcher(tokenizer, automaton.start(), true);
    }

    /** Roughly its bytes. */
    synchronized long bytes() {
        return automaton.bytes() + masks.bytes();
    }

    /** Works for a text; errors name its place in the grammar. */
    private synchronized boolean within(TextMatcher text, BooleanSupplier work) {
        automaton.terms.budget().renew(Limits.TOKEN_STEPS);
        if (automaton.forgets()) {
            masks.forget();
        }
        try {
            return work.getAsBoolean();
        } catch (ConstraintException e) {
            String place = automaton.place(text.at);
            throw new ConstraintException(place.isEmpty() ? "answer" : "answer in " + place, e);
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
            within(this, () -> {
                masks.mask(at, begins, allowed);
                return true;
            });
        }

        @Override
        public void accept(int token) {
            byte[] inside = token < lexicon.size ? lexicon.text(tokenizer, token) : null;
            if (!follow(token, begins && inside != null ? tokenizer.firstBytes(token) : inside)) {
                throw new IllegalArgumentException("token: expected one that the constraint allows, got " + token);
            }
        }

        @Override
        public int accept(byte[] text) {
            int read = 0;
            while (read < text.length && follow(NO_TOKEN, new byte[] {text[read]})) {
                read++;
            }
            return read;
        }

        /** @return whether the text can be completed behind a token; if not, nothing is changed */
        private boolean follow(int token, byte @Nullable [] inside) {
            return within(this, () -> {
                Configuration then = automaton.next(at, token, inside);
                if (then.isDead()) {
                    return false;
                }
                at = then;
                begins = false;
                return true;
            });
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
