package dev.causal4j.tokenizer;

import dev.causal4j.json.Json;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Objects;
import java.util.function.UnaryOperator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Replaces characters by SentencePiece's table: a double-array trie (Aoe 1989) over UTF-8, then the replacements, each
 * ended by a zero. Graphemes of at most five bytes are looked up as a whole, others by code point. Immutable and
 * thread-safe.
 */
final class CharsMap implements UnaryOperator<String> {
    private static final Pattern GRAPHEME = Pattern.compile("\\X");
    private static final int LONGEST = 5;
    private static final int LEAF = 1 << 31;
    private static final int MOST_GROWTH = 6; // characters for a byte: U+FDFA has three and becomes 18

    private final int[] trie;
    private final byte[] texts;

    /** @throws IllegalArgumentException if the bytes are no table */
    CharsMap(byte[] map) {
        ByteBuffer buffer = ByteBuffer.wrap(map).order(ByteOrder.LITTLE_ENDIAN);
        int size = map.length < 8 ? 0 : buffer.getInt();
        if (size < 4 || size % 4 != 0 || size > map.length - 5 || map[map.length - 1] != 0) {
            throw new IllegalArgumentException("table: expected one, got " + map.length + " bytes");
        }
        trie = new int[size / 4];
        buffer.asIntBuffer().get(trie);
        texts = Arrays.copyOfRange(map, 4 + size, map.length);
    }

    /** @throws IllegalArgumentException if a replacement is longer than any of Unicode's */
    @Override
    public String apply(String text) {
        return GRAPHEME.matcher(text).replaceAll(match -> Matcher.quoteReplacement(replaced(match.group())));
    }

    private String replaced(String grapheme) {
        String whole = replacement(grapheme);
        return whole != null || grapheme.codePointCount(0, grapheme.length()) < 2
                ? Objects.requireNonNullElse(whole, grapheme)
                : grapheme.codePoints()
                        .mapToObj(c -> replaced(Character.toString(c)))
                        .collect(Collectors.joining());
    }

    /**
     * The replacement of the shortest prefix of a text that the table has, which is what Hugging Face's library takes.
     */
    private @Nullable String replacement(String text) {
        byte[] key = text.getBytes(StandardCharsets.UTF_8);
        int node = offset(trie[0]);
        for (int i = 0; i < key.length && key.length <= LONGEST; i++) {
            int at = node ^ (key[i] & 0xff);
            if (key[i] == 0 || at >= trie.length || (trie[at] & (LEAF | 0xff)) != (key[i] & 0xff)) {
                return null;
            }
            node = at ^ offset(trie[at]);
            int from = node < trie.length ? trie[node] & ~LEAF : texts.length;
            if ((trie[at] & 0x100) != 0 && from < texts.length) {
                int to = from;
                while (texts[to] != 0) {
                    to++;
                }
                String other = new String(texts, from, to - from, StandardCharsets.UTF_8);
                if (other.length() > MOST_GROWTH * key.length) {
                    throw new IllegalArgumentException("table: expected a short replacement of " + Json.describe(text)
                            + ", got " + other.length() + " characters; copy the file again from where it came");
                }
                return other;
            }
        }
        return null;
    }

    private static int offset(int unit) {
        return unit >>> 10 << ((unit & 0x200) >>> 6);
    }
}
