package dev.causal4j.constraint;

import dev.causal4j.FormatException;
import dev.causal4j.tokenizer.Tokenizer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/** A constraint for the tokens of one tokenizer. Thread-safe: its matchers share what they find out. */
final class Compiled {
    private static final int NO_TOKEN = Integer.MAX_VALUE; // but a text
    private static final int END = 40; // bytes of an answer that tell where it is

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
        return new TextMatcher(tokenizer, automaton.start(), true, new byte[0]);
    }

    /** Roughly its bytes. */
    synchronized long bytes() {
        return automaton.bytes() + masks.bytes();
    }

    private void renew(TextMatcher of, int more) {
        if (of.length + more > of.text.length) {
            of.text = Arrays.copyOf(of.text, 2 * (of.length + more));
        }
        automaton.text = of.text;
        automaton.read = of.length;
        automaton.terms.budget().renew(Limits.TOKEN_STEPS);
        if (automaton.forgets()) {
            masks.forget();
        }
    }

    /** Works on a text of which {@code more} bytes may be read; errors name its end. */
    private synchronized boolean within(TextMatcher of, int more, BooleanSupplier work) {
        renew(of, more);
        try {
            return work.getAsBoolean();
        } catch (ConstraintException e) {
            int begin = Math.max(0, automaton.read - END);
            String end = new String(automaton.text, begin, automaton.read - begin, StandardCharsets.UTF_8);
            String place = automaton.place(of.at);
            String in = place.isEmpty() ? "" : " in " + place;
            throw new ConstraintException("answer behind " + FormatException.quote(end) + in, e);
        }
    }

    /** One text. */
    private final class TextMatcher implements Matcher {
        private final Tokenizer tokenizer;
        private Configuration at;
        private boolean begins;
        private byte[] text;
        private int length;

        TextMatcher(Tokenizer tokenizer, Configuration at, boolean begins, byte[] text) {
            this.tokenizer = tokenizer;
            this.at = at;
            this.begins = begins;
            this.text = text;
            this.length = text.length;
        }

        @Override
        public void mask(long[] allowed) {
            within(this, masks.deepest, () -> {
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
            return within(this, inside == null ? 0 : inside.length, () -> {
                Configuration then = automaton.next(at, token, inside);
                if (then.isDead()) {
                    return false;
                }
                at = then;
                length = automaton.read;
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
            return new TextMatcher(tokenizer, at, begins, Arrays.copyOf(text, length));
        }
    }
}
