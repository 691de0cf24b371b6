package dev.causal4j.tokenizer;

import java.util.BitSet;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Cuts a stretch of text into the words that the model encodes one by one. Immutable and thread-safe. */
sealed interface Splitter {
    /** SentencePiece's mark for a space. */
    char MARK = '\u2581';

    /**
     * Gives out the words in order; none is empty.
     *
     * @param text not empty
     * @param first whether it is the beginning of the whole text
     */
    void split(String text, boolean first, Consumer<String> words);

    /**
     * The matches of a pattern, and what lies between them.
     *
     * @param source the pattern as files have it
     */
    record Matches(String source, Pattern pattern) implements Splitter {
        @Override
        public void split(String text, boolean first, Consumer<String> words) {
            Matcher matcher = pattern.matcher(text);
            int from = 0;
            while (matcher.find()) {
                if (matcher.start() > from) {
                    words.accept(text.substring(from, matcher.start()));
                }
                words.accept(matcher.group());
                from = matcher.end();
            }
            if (from < text.length()) {
                words.accept(text.substring(from));
            }
        }
    }

    /** What stands between white space, which is dropped. */
    record Spaces() implements Splitter {
        @Override
        public void split(String text, boolean first, Consumer<String> words) {
            Patterns.SPACES.splitAsStream(text).filter(word -> !word.isEmpty()).forEach(words);
        }
    }

    /** Writes a mark for each space, and one before a stretch that does not begin with one. The mark may be a space. */
    record Marks(char mark, Where where) implements Splitter {
        enum Where {
            NEVER,
            FIRST,
            ALWAYS
        }

        @Override
        public void split(String text, boolean first, Consumer<String> words) {
            String marked = text.replace(' ', mark);
            boolean prefixed = where == Where.ALWAYS || (where == Where.FIRST && first);
            words.accept(prefixed && marked.charAt(0) != mark ? mark + marked : marked);
        }
    }

    /**
     * Cuts before each mark, or only before those that follow another character that no piece has before a mark: there
     * no merge crosses.
     *
     * @param crossed characters that some piece has before a mark
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

    /**
     * The patterns of the families, in the syntax of their files. A regular expression is a program: those of a file are
     * not run but looked up here.
     */
    final class Patterns {
        static final String GPT2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
        static final String NUMBER = "\\p{N}";
        static final String NUMBERS = "\\p{N}+";

        // Unicode's White_Space, from which Java's own classes differ.
        private static final String SPACE =
                "\\t-\\r \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";

        static final Pattern SPACES = Pattern.compile("[" + SPACE + "]+");

        private static final String CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
        private static final String WORD = CONTRACTIONS + "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|";
        private static final String LINES = "[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
        private static final String OTHERS = "| ?[^\\s\\p{L}\\p{N}]+" + LINES;
        private static final String CASED = "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*"
                + "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+%1$s|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+"
                + "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*%1$s|\\p{N}%2$s" + OTHERS.replace("[\\r\\n]*", "[\\r\\n/]*");
        private static final String MARKED =
                CONTRACTIONS + "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}" + "| ?[^\\s\\p{L}\\p{M}\\p{N}]+" + LINES;
        private static final String DEEPSEEK = "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+"
                + "|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+" + LINES;

        private static final Set<String> KNOWN = Set.of(
                GPT2,
                NUMBER,
                NUMBERS,
                WORD + "\\p{N}" + OTHERS, // Qwen 2 and 3
                MARKED, // Qwen 3.5
                WORD + "\\p{N}{1,3}" + OTHERS, // Llama 3
                CASED.formatted(CONTRACTIONS + "?", "{1,3}"), // GPT-4o, gpt-oss
                CASED.formatted("", ""), // Mistral Nemo
                "\\p{N}{1,3}", // DeepSeek has three
                "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
                DEEPSEEK,
                "[\\p{P}\\$\\+<=>\\^~\\|]+", // llama.cpp's default
                "[0-9][0-9][0-9]");

        private Patterns() {}

        static boolean isGpt2(Splitter splitter) {
            return splitter instanceof Matches matches && matches.source.equals(GPT2);
        }

        /** The splitter of a pattern, if a family has it; in Java's syntax, with Unicode's white space and letter case. */
        static Optional<Splitter> of(String pattern) {
            String source = pattern.replace("\r", "\\r").replace("\n", "\\n");
            String java = source.replace("[^\\s", "[^" + SPACE)
                    .replace("\\s", "[" + SPACE + "]")
                    .replace("\\S", "[^" + SPACE + "]")
                    .replace("(?i:", "(?iu:");
            return KNOWN.contains(source) ? Optional.of(new Matches(source, Pattern.compile(java))) : Optional.empty();
        }
    }
}
