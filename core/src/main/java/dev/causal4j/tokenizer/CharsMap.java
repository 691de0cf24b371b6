package dev.causal4j.tokenizer;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.text.BreakIterator;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * SentencePiece's table of replacements: a double-array trie (Aoe 1989) over UTF-8, then the replacements, each ended by
 * a zero. Graphemes of at most five bytes are looked up as a whole, others by code point. Immutable and thread-safe.
 */
final class CharsMap implements Normalizer.Step {
    private static final int LONGEST = 5;
    private static final int LEAF = 1 << 31;

    private final int[] trie;
    private final byte[] texts;

    /** @throws IllegalArgumentException if these bytes are no table */
    CharsMap(byte[] map) {
        ByteBuffer buffer = ByteBuffer.wrap(map).order(ByteOrder.LITTLE_ENDIAN);
        int size = map.length < 8 ? 0 : buffer.getInt();
        if (size < 4 || size % 4 != 0 || size > map.length - 5 || map[map.length - 1] != 0) {
            throw new IllegalArgumentException("a table of " + map.length + " bytes, its trie of " + size);
        }
        trie = new int[size / 4];
        buffer.asIntBuffer().get(trie);
        texts = Arrays.copyOfRange(map, 4 + size, map.length);
    }

    @Override
    public String apply(String text) {
        StringBuilder out = new StringBuilder();
        BreakIterator graphemes = BreakIterator.getCharacterInstance();
        graphemes.setText(text);
        for (int from = 0, to = graphemes.next(); to != BreakIterator.DONE; from = to, to = graphemes.next()) {
            String grapheme = text.substring(from, to);
            String whole = to - from > LONGEST ? null : replacement(grapheme);
            if (whole != null) {
                out.append(whole);
            } else {
                grapheme.codePoints().mapToObj(Character::toString).forEach(one -> {
                    String other = replacement(one);
                    out.append(other == null ? one : other);
                });
            }
        }
        return out.toString();
    }

    /** What stands for the shortest beginning of a text that is in the table, which is how SentencePiece is used. */
    private @Nullable String replacement(String text) {
        byte[] key = text.getBytes(StandardCharsets.UTF_8);
        int at = offset(trie[0]);
        for (int i = 0; i < key.length && key.length <= LONGEST; i++) {
            int b = key[i] & 0xff;
            at ^= b;
            if (b == 0 || at >= trie.length || (trie[at] & (LEAF | 0xff)) != b) {
                return null;
            }
            boolean ends = (trie[at] >>> 8 & 1) == 1;
            at ^= offset(trie[at]);
            if (at >= trie.length) {
                return null;
            }
            int from = trie[at] & ~LEAF;
            if (ends && from < texts.length) {
                int to = from;
                while (texts[to] != 0) {
                    to++;
                }
                return new String(texts, from, to - from, StandardCharsets.UTF_8);
            }
        }
        return null;
    }

    private static int offset(int unit) {
        return unit >>> 10 << ((unit & 0x200) >>> 6);
    }
}
