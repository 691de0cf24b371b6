package dev.causal4j.tokenizer;

import java.util.BitSet;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Cuts a stretch of text into the words that the model encodes one by one. Immutable and thread-safe. */
sealed interface Splitter {
    /** SentencePiece's mark for a space. */
    char MARK = '\u2581';

    /**
     * Passes on the words in order; none is empty.
     *
     * @param text not empty
     * @param first whether the text is the beginning of the whole text
     */
    void split(String text, boolean first, Consumer<String> words);

    /**
     * Splits into the matches of a pattern and the text between them, which {@link #VISIBLE} drops.
     *
     * @param source the pattern in the syntax of files
     */
    record Matches(String source, Pattern pattern) implements Splitter {
        static final String GPT2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
        static final String VISIBLE = "\\S+";

        // Unicode's White_Space, from which Java's own classes differ.
        private static final String SPACE =
                "\\t-\\r \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";

        /** Translates a pattern to Java's syntax, with Unicode's white space and letter case. */
        Matches(String source) {
            this(
                    source,
                    Pattern.compile(source.replace("[^\\s", "[^" + SPACE)
                            .replace("\\s", "[" + SPACE + "]")
                            .replace("\\S", "[^" + SPACE + "]")
                            .replace("(?i:", "(?iu:")));
        }

        @Override
        public void split(String text, boolean first, Consumer<String> words) {
            Matcher matcher = pattern.matcher(text);
            int from = 0;
            while (matcher.find()) {
                between(text, from, matcher.start(), words);
                words.accept(matcher.group());
                from = matcher.end();
            }
            between(text, from, text.length(), words);
        }

        private void between(String text, int from, int to, Consumer<String> words) {
            if (from < to && !source.equals(VISIBLE)) {
                words.accept(text.substring(from, to));
            }
        }
    }

    /**
     * Replaces each space by a mark, and puts one before a stretch that does not begin with one.
     *
     * @param mark may be a space
     * @param scheme when a mark is put before a stretch: always, first (at the beginning of the text) or never
     */
    record Marks(char mark, String scheme) implements Splitter {
        @Override
        public void split(String text, boolean first, Consumer<String> words) {
            String marked = text.replace(' ', mark);
            boolean prefixed = scheme.equals("always") || (scheme.equals("first") && first);
            words.accept(prefixed && marked.charAt(0) != mark ? mark + marked : marked);
        }
    }

    /**
     * Cuts before each mark, or only where no merge can cross: before a mark that follows a character which no piece
     * has before a mark.
     *
     * @param all whether to cut before each mark
     * @param crossed characters that stand before a mark in some piece
     */
    record BeforeMarks(boolean all, BitSet crossed) implements Splitter {
        @Override
        public void split(String text, boolean first, Consumer<String> words) {
            int from = 0;
            for (int at = text.indexOf(MARK, 1); at > 0; at = text.indexOf(MARK, at + 1)) {
                if (cuts(text.charAt(at - 1))) {
                    words.accept(text.substring(from, at));
                    from = at;
                }
            }
            words.accept(text.substring(from));
        }

        boolean cuts(char before) {
            return all || (before != MARK && !crossed.get(before));
        }
    }
}
