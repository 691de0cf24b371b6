package dev.causal4j.constraint;

import dev.causal4j.tokenizer.Tokenizer;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A constraint for the tokens of one tokenizer. Thread-safe: its matchers share what they find out. */
final class Compiled {
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

    private void renew() {
        automaton.terms.budget().renew();
        if (automaton.forgets()) {
            masks.forget();
        }
    }

    private synchronized void mask(Configuration at, boolean begins, long[] allowed) {
        renew();
        masks.mask(at, begins, allowed);
    }

    private synchronized Configuration next(Configuration from, int token, byte @Nullable [] text) {
        renew();
        return automaton.next(from, token, text);
    }

    private synchronized Configuration next(Configuration from, byte b) {
        renew();
        return automaton.next(from, b & 255);
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
            Compiled.this.mask(at, begins, allowed);
        }

        @Override
        public void accept(int token) {
            byte[] inside = token < lexicon.size ? lexicon.text(token) : null;
            Configuration then = next(at, token, begins && inside != null ? tokenizer.firstBytes(token) : inside);
            if (then.isDead()) {
                throw new IllegalArgumentException("token: expected one that the constraint allows, got " + token);
            }
            at = then;
            begins = false;
        }

        @Override
        public int accept(byte[] text) {
            for (int i = 0; i < text.length; i++) {
                Configuration then = next(at, text[i]);
                if (then.isDead()) {
                    return i;
                }
                at = then;
                begins = false;
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
