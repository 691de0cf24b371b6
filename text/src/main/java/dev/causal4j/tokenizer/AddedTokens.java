package dev.causal4j.tokenizer;

import dev.causal4j.json.Json;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.NavigableSet;
import java.util.Set;
import java.util.TreeSet;
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

    private final Map<String, Token> byForm = new HashMap<>();
    private final Map<Character, NavigableSet<Integer>> lengths = new HashMap<>(); // by first character

    AddedTokens(Stream<Token> tokens) {
        tokens.forEach(token -> {
            byForm.put(token.form, token);
            lengths.computeIfAbsent(token.form.charAt(0), unused -> new TreeSet<>(Comparator.reverseOrder()))
                    .add(token.form.length());
        });
    }

    /** Passes on the whole text in order. */
    void find(String text, Trust trust, Parts parts) {
        int done = 0;
        // A match that is not taken is skipped as a whole. A token in white space that one before took takes as much.
        for (int at = 0, spaces = 0, next; at < text.length(); at = next) {
            Token token = longest(text, at, lengths.get(text.charAt(at)));
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

    private @Nullable Token longest(String text, int at, @Nullable NavigableSet<Integer> lengths) {
        Token found = null;
        for (int length : lengths == null ? List.<Integer>of() : lengths) {
            if (found == null && length <= text.length() - at) {
                found = byForm.get(text.substring(at, at + length));
            }
        }
        return found;
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
