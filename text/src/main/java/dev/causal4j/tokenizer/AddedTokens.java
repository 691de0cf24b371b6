package dev.causal4j.tokenizer;

import dev.causal4j.json.Json;
import java.util.BitSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** Finds added tokens in a text before it is split: the leftmost, of those the longest. Thread-safe. */
final class AddedTokens {
    /**
     * An added token.
     *
     * @param form its spelling in the text that it is matched in
     * @param flags of {@link #FLAGS}: it is matched only without a word character beside it; it takes the white space
     *     before it; after it; it is matched in the normalized text; it steers the model, and decoding may skip it
     */
    record Token(int id, String content, String form, Set<String> flags) {
        static final String NORMALIZED = "normalized";
        static final String SPECIAL = "special";
        static final List<String> FLAGS = List.of("single_word", "lstrip", "rstrip", NORMALIZED, SPECIAL);

        boolean has(String flag) {
            return flags.contains(flag);
        }

        /** The token as an entry of {@code added_tokens}. */
        Map<String, Object> json() {
            Map<String, Object> json = Json.object("id", id, "content", content);
            FLAGS.forEach(flag -> json.put(flag, has(flag)));
            return json;
        }

        /** Whether untrusted text must not produce it. Some files do not call all such tokens special. */
        boolean isControl() {
            return has(SPECIAL) || content.startsWith("<|") || content.startsWith("<\uff5c") || content.equals("</s>");
        }
    }

    /** Says where a text may spell control tokens. */
    interface Trust {
        boolean covers(int from, int to);
    }

    /** Receives each token, and with null the text between tokens. */
    interface Parts {
        void part(int from, int to, @Nullable Token token);
    }

    private final Map<Long, Integer> next = new HashMap<>(); // state << 16 | character, to state
    private final BitSet lasts = new BitSet(); // characters
    private final int[] rests; // by state: of the longest beginning of its text that is a state too
    private final @Nullable Token[] longest; // by state: that begins its text
    private int states = 1;

    /** Makes the automaton of Aho and Corasick (1975) that reads a text from its end. A state is the end of a form. */
    AddedTokens(Stream<Token> tokens) {
        List<Token> all = tokens.toList();
        int most = 1 + all.stream().mapToInt(token -> token.form.length()).sum();
        rests = new int[most];
        longest = new Token[most];
        int[] reached = new int[all.size()];
        int depth = 1;
        for (int before = 0; before < states; depth++) { // until a round adds no state
            before = states;
            for (int i = 0; i < reached.length; i++) {
                Token token = all.get(i);
                int at = token.form.length() - depth;
                reached[i] = at < 0 ? reached[i] : add(reached[i], token.form.charAt(at));
                longest[reached[i]] = at == 0 ? token : longest[reached[i]];
            }
        }
        all.forEach(token -> lasts.set(token.form.charAt(token.form.length() - 1)));
    }

    private int add(int state, char before) {
        return next.computeIfAbsent((long) state << 16 | before, unused -> {
            rests[states] = step(rests[state], before);
            longest[states] = longest[rests[states]];
            return states++;
        });
    }

    private int step(int from, char before) {
        int state = from;
        while (state > 0 && !next.containsKey((long) state << 16 | before)) {
            state = rests[state];
        }
        return next.getOrDefault((long) state << 16 | before, 0);
    }

    /** Passes on the whole text in order. */
    void find(String text, Trust trust, Parts parts) {
        @Nullable Token[] found = new Token[text.length()]; // the longest from each character on
        for (int at = text.length() - 1, state = 0; at >= 0; at--) {
            state = state > 0 || lasts.get(text.charAt(at)) ? step(state, text.charAt(at)) : 0;
            found[at] = longest[state];
        }
        int done = 0;
        // A match that is not taken is skipped as a whole. A token in white space that one before took takes as much.
        for (int at = 0, spaces = 0, next; at < text.length(); at = next) {
            Token token = found[at];
            next = token == null ? at + 1 : at + token.form.length();
            if (token != null && isTaken(token, text, at, next, trust)) {
                int from = at;
                int to = token.has("rstrip") ? Math.max(next, spaces) : next;
                while (token.has("lstrip") && from > done && isSpace(text.charAt(from - 1))) {
                    from--;
                }
                while (token.has("rstrip") && to < text.length() && isSpace(text.charAt(to))) {
                    to++;
                }
                if (from > done) {
                    parts.part(done, from, null);
                }
                parts.part(Math.clamp(done, from, to), to, token); // an earlier token may have taken its space
                done = to;
                spaces = Math.max(spaces, to);
            }
        }
        if (done < text.length()) {
            parts.part(done, text.length(), null);
        }
    }

    private static boolean isTaken(Token token, String text, int from, int to, Trust trust) {
        boolean alone = (from == 0 || !isWord(text.codePointBefore(from)))
                && (to == text.length() || !isWord(text.codePointAt(to)));
        return (alone || !token.has("single_word")) && (!token.isControl() || trust.covers(from, to));
    }

    private static boolean isWord(int c) {
        return Character.isLetterOrDigit(c) || c == '_' || Character.getType(c) == Character.NON_SPACING_MARK;
    }

    /** Unicode's White_Space, from which Java's isWhitespace and isSpaceChar both differ. */
    private static boolean isSpace(char c) {
        return Character.isSpaceChar(c) || (c >= '\t' && c <= '\r') || c == '\u0085';
    }
}
