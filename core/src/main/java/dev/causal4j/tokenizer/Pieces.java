package dev.causal4j.tokenizer;

import java.util.Arrays;
import java.util.BitSet;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The pieces of a vocabulary by id. Those that lie one behind the other in a text become strings when they are first
 * asked for: most never are. Thread-safe once all are put.
 */
final class Pieces {
    private @Nullable String[] known; // two threads may make the same string
    private final char[] text;
    private final int[] ends; // of the first ids' pieces in the text; an id without one ends where that before it does

    Pieces(@Nullable String[] known) {
        this.known = known;
        text = new char[0];
        ends = new int[0];
    }

    /** @param ends rising, at most the length of the text */
    Pieces(char[] text, int[] ends) {
        known = new @Nullable String[ends.length];
        this.text = text;
        this.ends = ends;
    }

    /** One more than the largest id. */
    int size() {
        return known.length;
    }

    /** A piece; empty for an id without one. */
    String get(int id) {
        String piece = known[id];
        if (piece == null) {
            piece = id < ends.length ? new String(text, start(id), ends[id] - start(id)) : "";
            known[id] = piece;
        }
        return piece;
    }

    private int start(int id) {
        return id == 0 ? 0 : ends[id - 1];
    }

    /** Adds pieces that are not in the text. */
    void put(Map<String, Integer> ids) {
        int size = ids.values().stream().mapToInt(id -> id + 1).max().orElse(0);
        known = Arrays.copyOf(known, Math.max(size, known.length));
        ids.forEach((piece, id) -> known[id] = piece);
    }

    /** The characters that some piece has before a character. */
    BitSet before(char character) {
        BitSet before = new BitSet();
        for (int id = 0; id < known.length; id++) {
            boolean inText = id < ends.length;
            char[] chars = inText ? text : get(id).toCharArray();
            int end = inText ? ends[id] : chars.length;
            for (int at = (inText ? start(id) : 0) + 1; at < end; at++) {
                if (chars[at] == character) {
                    before.set(chars[at - 1]);
                }
            }
        }
        return before;
    }
}
