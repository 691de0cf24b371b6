package dev.causal4j.tokenizer;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;

import java.text.BreakIterator;
import java.util.Arrays;
import java.util.stream.IntStream;

/**
 * Finds where tokens are in the UTF-8 of a text. For one text; not thread-safe.
 *
 * <p>Where the model reads another text than the one given, both are compared by graphemes, each normalized alone: tokens
 * inside one that has changed have all of its bytes, and what was put before a word has none.
 */
final class Offsets {
    private final String text;
    private final Normalizer normalizer;
    private final Vocabulary vocabulary;
    private final IntStream.Builder starts = IntStream.builder();
    private final IntStream.Builder ends = IntStream.builder();
    private final StringBuilder read = new StringBuilder(); // by the model, of the current stretch
    private IntStream.Builder cuts = IntStream.builder(); // where tokens end in the bytes of that
    private int readBytes;
    private int chars; // where in the text the current stretch begins
    private int bytes; // the same in UTF-8

    Offsets(String text, Normalizer normalizer, Vocabulary vocabulary) {
        this.text = text;
        this.normalizer = normalizer;
        this.vocabulary = vocabulary;
    }

    /** Tells what the model reads next, and its tokens. One that is not there is unknown, up to where the next one is. */
    void read(String word, int[] tokens) {
        read.append(word);
        String all = asBytes(word.getBytes(UTF_8));
        int at = 0;
        for (int i = 0; i < tokens.length; i++) {
            String own = asBytes(vocabulary.bytes(tokens[i]));
            int behind = i + 1 < tokens.length ? all.indexOf(asBytes(vocabulary.bytes(tokens[i + 1])), at + 1) : -1;
            if (all.startsWith(own, at)) {
                at += own.length();
            } else if (vocabulary.fallbackByte(tokens[i]) >= 0) {
                at++;
            } else {
                at = behind < 0 ? all.length() : behind;
            }
            cuts.add(readBytes + Math.min(at, all.length()));
        }
        readBytes += all.length();
    }

    /** A string with a character for each byte. */
    private static String asBytes(byte[] bytes) {
        return new String(bytes, ISO_8859_1);
    }

    private static int utf8(String text) {
        return text.getBytes(UTF_8).length;
    }

    /** Places a token that was added for a part of the text. */
    void token(int from, int to) {
        go(from);
        starts.add(bytes);
        ends.add(bytes + utf8(text.substring(from, to)));
    }

    private void go(int to) {
        bytes += to >= chars ? utf8(text.substring(chars, to)) : -utf8(text.substring(to, chars));
        chars = to;
    }

    /** Places the tokens that were read for a stretch of the text. */
    void stretch(int from, int to) {
        go(from);
        int[] startsAt = new int[readBytes + 1];
        int[] endsAt = new int[readBytes + 1];
        align(text.substring(from, to), startsAt, endsAt);
        int start = 0;
        for (int end : cuts.build().toArray()) {
            starts.add(startsAt[start]);
            ends.add(endsAt[end]);
            start = end;
        }
        cuts = IntStream.builder();
        read.setLength(0);
        readBytes = 0;
    }

    /** For each byte of what was read: where in the text a token is that starts there, or ends there. */
    private void align(String stretch, int[] startsAt, int[] endsAt) {
        String other = read.toString().replace(Splitter.MARK, ' ');
        int at = other.startsWith(normalizer.prefix().replace(Splitter.MARK, ' '))
                ? normalizer.prefix().length()
                : 0;
        int size = utf8(read.substring(0, at));
        int origin = bytes;
        Arrays.fill(startsAt, 0, size + 1, origin);
        Arrays.fill(endsAt, 0, size + 1, origin);
        BreakIterator graphemes = BreakIterator.getCharacterInstance();
        graphemes.setText(stretch);
        for (int from = 0, to = graphemes.next(); to != BreakIterator.DONE; from = to, to = graphemes.next()) {
            String given = stretch.substring(from, to);
            String normal = normalizer.withoutPrefix(given).replace(Splitter.MARK, ' ');
            if (!other.startsWith(normal, at) && other.startsWith(normal, at + 1)) { // a mark before a word
                int behind = size + utf8(read.substring(at, ++at));
                Arrays.fill(startsAt, size + 1, behind + 1, origin);
                Arrays.fill(endsAt, size + 1, behind + 1, origin);
                size = behind;
            }
            int length = utf8(given);
            if (other.startsWith(normal, at)) { // else white space that was dropped
                String copy = read.substring(at, at += normal.length());
                for (int i = 1; i <= utf8(copy); i++) {
                    startsAt[size + i] = copy.equals(given) ? origin + i : origin;
                    endsAt[size + i] = copy.equals(given) ? origin + i : origin + length;
                }
                size += utf8(copy);
            }
            origin += length;
            startsAt[size] = origin;
        }
    }

    Encoding encoding(int[] tokens) {
        return new Encoding(tokens, starts.build().toArray(), ends.build().toArray());
    }
}
