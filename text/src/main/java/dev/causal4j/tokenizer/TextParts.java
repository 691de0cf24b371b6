package dev.causal4j.tokenizer;

import dev.causal4j.json.Unicode;
import dev.causal4j.tokenizer.AddedTokens.Token;
import java.io.IOException;
import java.io.Reader;
import java.util.Collection;
import java.util.function.Consumer;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** Cuts a text of any length into parts that give the same ids when they are encoded separately. */
final class TextParts {
    /** The usual length of a part in characters; encoding takes about 140 bytes for each. */
    static final int USUAL = 1 << 16;

    private static final int LONGEST = 1 << 24;

    /** Holds for the patterns of all families; in some, punctuation and the line end after it are one word. */
    static final Cuts AT_WORDS = (before, space) -> " \t".indexOf(space) >= 0 || Character.isLetterOrDigit(before);

    // White space inside an added token.
    private static final Pattern INSIDE = Pattern.compile("\\S\\s");

    /** Says whether a text may be cut between a character and the white space after it. */
    interface Cuts {
        boolean between(char before, char space);
    }

    private TextParts() {}

    /**
     * Reads a text and passes on its parts in order. An unpaired surrogate becomes U+FFFD.
     *
     * @param length the least length of a part but the last, in chars, at least 1; it ends at the next place for a cut
     * @param cuts where the text may be cut
     * @throws IllegalArgumentException if a part would have more than 16 million chars
     */
    static void forEach(Reader text, int length, Cuts cuts, Consumer<String> parts) throws IOException {
        StringBuilder read = new StringBuilder();
        char[] buffer = new char[1 << 13];
        int searched = length;
        boolean ended = false;
        while (!ended || !read.isEmpty()) {
            int cut = nextCut(read, searched, cuts);
            if (cut < read.length() || ended) {
                parts.accept(Unicode.wellFormed(read.substring(0, cut)));
                read.delete(0, cut);
                searched = length;
                continue;
            }
            searched = Math.max(length, read.length());
            int count = text.read(buffer, 0, Math.min(buffer.length, LONGEST + 1 - read.length()));
            ended = count < 0;
            read.append(buffer, 0, Math.max(count, 0));
            if (read.length() > LONGEST) {
                throw new IllegalArgumentException("text: expected a space at least every " + LONGEST
                        + " characters, got none in " + read.length() + "; split the text");
            }
        }
    }

    /** The first place at or after {@code from} between something visible and white space of ASCII, else the end. */
    private static int nextCut(CharSequence text, int from, Cuts cuts) {
        for (int i = from; i < text.length(); i++) {
            char before = text.charAt(i - 1);
            if (" \n\r\t".indexOf(text.charAt(i)) >= 0 && !mayBeSpace(before) && cuts.between(before, text.charAt(i))) {
                return i;
            }
        }
        return text.length();
    }

    /** Whether some version of Unicode may call {@code c} a space; false for letters, digits and most punctuation. */
    private static boolean mayBeSpace(int c) {
        boolean visibleAscii = c > ' ' && c < 0x7f;
        return !visibleAscii && !Character.isLetterOrDigit(c) && Character.getType(c) != Character.OTHER_PUNCTUATION;
    }

    /** Positions where text can be split without changing its tokens: no word, added token or merge crosses them. */
    static Cuts cuts(Encoder encoder, Collection<Token> tokens) {
        if (tokens.stream()
                .anyMatch(token ->
                        token.has("rstrip") || INSIDE.matcher(token.content()).find())) {
            return (before, space) -> false;
        }
        // A stretch begins after an added token, and may get a prefix.
        String ends = tokens.stream()
                .map(token -> token.content().substring(token.content().length() - 1))
                .collect(Collectors.joining());
        String no = encoder.normalizer().prefix().isEmpty() ? "" : ends;
        boolean marks = encoder.normalizer().withoutPrefix(" ").equals(String.valueOf(Splitter.MARK));
        Cuts cuts = (before, space) -> false;
        for (Splitter splitter : encoder.splitters()) {
            marks |= splitter instanceof Splitter.Marks;
            if (marks && splitter instanceof Splitter.BeforeMarks at) {
                cuts = (before, space) -> space == ' ' && at.cuts(before) && no.indexOf(before) < 0;
            } else if (splitter instanceof Splitter.Matches matches
                    && matches.source().contains("(?!\\S)")) {
                cuts = marks ? (before, space) -> space == ' ' : AT_WORDS;
            }
        }
        return cuts;
    }
}
