package dev.causal4j.constraint;

import dev.causal4j.tokenizer.Vocabulary;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.function.IntPredicate;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** The texts of a vocabulary's tokens, without control tokens. Immutable and thread-safe. */
final class Lexicon {
    /** The characters of JSON strings that are not escaped. */
    static final CodePoints CONTENT = CodePoints.ESCAPED.not();

    private static final int[] SLICES = {10, 30, Integer.MAX_VALUE};

    /**
     * Tokens that are content of a JSON string alone.
     *
     * @param most characters of a token
     * @param allowed the tokens as a mask
     */
    record Slice(int most, long[] allowed, Trie trie) {}

    private final BitSet control = new BitSet(); // ids of control tokens
    final int size;
    final int longest; // bytes of a token
    final CodePoints spellable;
    final List<Slice> slices;
    final Trie rest; // the tokens outside slices
    final @Nullable Trie first; // of texts that begin a text; null if these are the same

    Lexicon(Vocabulary vocabulary) {
        size = vocabulary.vocabularySize();
        byte[][] texts = new byte[size][];
        vocabulary.controlTokens().forEach(each -> vocabulary.id(each).ifPresent(control::set));
        Arrays.setAll(texts, id -> control.get(id) ? new byte[0] : vocabulary.bytes(id));
        longest = Arrays.stream(texts).mapToInt(text -> text.length).max().orElse(0);
        spellable = spellable(texts, vocabulary);
        int[] characters =
                IntStream.range(0, size).map(id -> content(texts[id])).toArray();
        slices = new ArrayList<>();
        int from = 1;
        for (int to : SLICES) {
            int least = from;
            int[] ids = ids(id -> characters[id] >= least && characters[id] <= to);
            int most = Arrays.stream(ids).map(id -> characters[id]).max().orElse(0);
            BitSet mask = Arrays.stream(ids).collect(BitSet::new, BitSet::set, BitSet::or);
            slices.add(new Slice(most, mask.toLongArray(), new Trie(ids, texts)));
            from = to + 1;
        }
        rest = new Trie(ids(id -> characters[id] == 0 && texts[id].length > 0), texts);
        byte[][] begins = new byte[size][];
        Arrays.setAll(begins, id -> control.get(id) ? texts[id] : vocabulary.firstBytes(id));
        first = Arrays.deepEquals(begins, texts) ? null : new Trie(ids(id -> texts[id].length > 0), begins);
    }

    private int[] ids(IntPredicate test) {
        return IntStream.range(0, size).filter(test).toArray();
    }

    /** The characters of a text that is content of a JSON string alone; 0 for others. */
    private int content(byte[] text) {
        String characters = new String(text, StandardCharsets.UTF_8);
        boolean is = Arrays.equals(characters.getBytes(StandardCharsets.UTF_8), text)
                && characters.codePoints().allMatch(c -> CONTENT.has(c) && spellable.has(c));
        return is ? characters.codePointCount(0, characters.length()) : 0;
    }

    /** The characters that tokens of single characters or bytes write. */
    private static CodePoints spellable(byte[][] texts, Vocabulary vocabulary) {
        boolean[] single = new boolean[256];
        BitSet characters = new BitSet();
        for (byte[] text : texts) {
            if (text.length == 1) {
                single[text[0] & 255] = true;
            } else if (text.length > 1 && text.length <= 4) {
                int c = new String(text, StandardCharsets.UTF_8).codePointAt(0);
                if (Arrays.equals(Character.toString(c).getBytes(StandardCharsets.UTF_8), text)) {
                    characters.set(c);
                }
            }
        }
        return CodePoints.where(c -> (characters.get(c) || isSpelled(c, single)) && vocabulary.writes(c));
    }

    private static boolean isSpelled(int c, boolean[] single) {
        int bytes = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        for (int at = 0; at < bytes; at++) {
            if (!single[CodePoints.utf8Byte(c, at, bytes)]) {
                return false;
            }
        }
        return true;
    }

    /** The bytes of a token of the same vocabulary inside a text; null for a control token. */
    byte @Nullable [] text(Vocabulary vocabulary, int token) {
        byte[] text = control.get(token) ? new byte[0] : vocabulary.bytes(token);
        return text.length == 0 ? null : text;
    }
}
