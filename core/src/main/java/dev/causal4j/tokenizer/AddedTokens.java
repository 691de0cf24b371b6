package dev.causal4j.tokenizer;

import java.util.Comparator;
import java.util.HashMap;
import java.util.Map;
import java.util.NavigableSet;
import java.util.TreeSet;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** Finds tokens in a text that are matched before it is split: the leftmost, of those the longest. Thread-safe. */
final class AddedTokens {
    /**
     * A token that is matched in the text.
     *
     * @param special whether it steers a model, and decoding may skip it
     * @param singleWord whether it has no word character beside it
     * @param stripsLeft whether it takes white space before it
     * @param stripsRight whether it takes white space behind it
     * @param normalized whether it is matched in the normalized text
     */
    record Token(
            int id,
            String content,
            boolean special,
            boolean singleWord,
            boolean stripsLeft,
            boolean stripsRight,
            boolean normalized) {
        /** Whether a text must not spell it unasked. Some files do not call all of these special. */
        boolean isControl() {
            return special || content.startsWith("<|") || content.startsWith("<\uff5c") || content.equals("</s>");
        }
    }

    /** Where a text may spell control tokens. */
    interface Trust {
        boolean covers(int from, int to);
    }

    /** Receives tokens, and the text between them with null. */
    interface Parts {
        void part(int from, int to, @Nullable Token token);
    }

    private final Map<String, Token> byForm = new HashMap<>();
    private final Map<Character, NavigableSet<Integer>> lengths = new HashMap<>(); // by first character

    /** @param spelling what stands in the text for a token's content */
    AddedTokens(Stream<Token> tokens, UnaryOperator<String> spelling) {
        tokens.forEach(token -> byForm.put(spelling.apply(token.content()), token));
        for (String form : byForm.keySet()) {
            lengths.computeIfAbsent(form.charAt(0), _ -> new TreeSet<>(Comparator.reverseOrder()))
                    .add(form.length());
        }
    }

    /** Gives out the whole text in order. */
    void find(String text, Trust trust, Parts parts) {
        int done = 0;
        for (int at = 0; at < text.length() && !byForm.isEmpty(); ) {
            int from = at;
            int to = at + length(text, at);
            at = Math.max(at + 1, to); // also behind a match that is not taken, and in space that a token takes
            Token token = byForm.get(text.substring(from, to));
            if (token == null
                    || (token.isControl() && !trust.covers(from, to))
                    || (token.singleWord && (isWordBefore(text, from) || isWordBehind(text, to)))) {
                continue;
            }
            while (token.stripsLeft && from > done && isSpace(text.charAt(from - 1))) {
                from--;
            }
            while (token.stripsRight && to < text.length() && isSpace(text.charAt(to))) {
                to++;
            }
            if (from > done) {
                parts.part(done, from, null);
            }
            parts.part(Math.min(Math.max(from, done), to), to, token);
            done = to;
        }
        if (done < text.length()) {
            parts.part(done, text.length(), null);
        }
    }

    /** The length of the longest token at a place, or 0. */
    private int length(String text, int at) {
        NavigableSet<Integer> possible = lengths.get(text.charAt(at));
        if (possible != null) {
            for (int length : possible) {
                if (length <= text.length() - at && byForm.containsKey(text.substring(at, at + length))) {
                    return length;
                }
            }
        }
        return 0;
    }

    private static boolean isWordBefore(String text, int at) {
        return at > 0 && isWord(text.codePointBefore(at));
    }

    private static boolean isWordBehind(String text, int at) {
        return at < text.length() && isWord(text.codePointAt(at));
    }

    private static boolean isWord(int c) {
        return Character.isLetterOrDigit(c) || c == '_' || Character.getType(c) == Character.NON_SPACING_MARK;
    }

    /** Unicode's White_Space, from which Java's isWhitespace and isSpaceChar both differ. */
    private static boolean isSpace(char c) {
        return Character.isSpaceChar(c) || (c >= '\t' && c <= '\r') || c == '\u0085';
    }
}
