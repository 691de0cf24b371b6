package dev.causal4j.tokenizer;

import dev.causal4j.FormatException;
import dev.causal4j.InputException;
import java.util.Arrays;
import java.util.function.IntConsumer;
import java.util.stream.IntStream;

/**
 * Byte-pair encoding (Sennrich, Haddow and Birch 2016): the neighbours with the lowest rank in the table of merges, the
 * leftmost of equals, become one symbol, until none are in the table. On byte level a word begins as its bytes (Radford
 * et al. 2019), else as its characters: one that the vocabulary lacks becomes its bytes if the vocabulary has all of
 * them, else it is unknown.
 *
 * @param bytes ids of the 256 bytes, negative where there is none
 * @param ignoreMerges whether a word that is a piece becomes that piece, whatever the merges make of it
 * @param fuseUnknown whether neighbouring unknown characters are one token
 * @param unknown the id of an unknown character, or negative
 */
record BytePair(Pieces pieces, Merges merges, int[] bytes, boolean ignoreMerges, boolean fuseUnknown, int unknown)
        implements Model {
    @Override
    public void encode(String word, IntConsumer to) {
        int whole = ignoreMerges ? pieces.idOfText(word) : Pieces.NONE;
        if (whole >= 0) {
            to.accept(whole);
        } else {
            int[] symbols = pieces.byteLevel() ? Model.bytes(bytes, word) : null;
            new Merging(symbols == null ? symbols(word) : symbols).merge(to);
        }
    }

    private int[] symbols(String word) {
        IntStream.Builder symbols = IntStream.builder();
        boolean afterUnknown = false;
        for (int i = 0, next; i < word.length(); i = next) {
            next = word.offsetByCodePoints(i, 1);
            String character = word.substring(i, next);
            int id = pieces.byteLevel() ? Pieces.NONE : pieces.id(character);
            int[] known = id >= 0 ? new int[] {id} : Model.bytes(bytes, character);
            if (known != null) {
                Arrays.stream(known).forEach(symbols);
            } else if (unknown < 0) {
                throw new InputException("text: expected bytes the vocabulary has a token for, got others; leave "
                        + FormatException.quote(character) + " out");
            } else if (!afterUnknown || !fuseUnknown) {
                symbols.add(unknown);
            }
            afterUnknown = known == null;
        }
        return symbols.build().toArray();
    }

    /** The symbols of a word as a linked list. A merged pair takes the place of its first symbol. */
    private final class Merging {
        private static final int NONE = -1;
        private static final int SHORT = 48; // symbols; up to here a scan of the ranks is faster than a heap

        private final int[] ids;
        private final int[] next; // after the last: the number of symbols
        private final int[] previous;
        private final int[] ranks; // of the pair that begins at a symbol
        private final LongHeap queue = new LongHeap(); // rank << 32 | symbol

        Merging(int[] ids) {
            this.ids = ids;
            next = new int[ids.length];
            previous = new int[ids.length];
            ranks = new int[ids.length];
            for (int i = 0; i < ids.length; i++) {
                next[i] = i + 1;
                previous[i] = i - 1;
                rank(i);
            }
        }

        private void rank(int i) {
            ranks[i] = next[i] < ids.length ? merges.rank(ids[i], ids[next[i]]) : NONE;
            if (ranks[i] >= 0 && ids.length > SHORT) {
                queue.add((long) ranks[i] << 32 | i);
            }
        }

        void merge(IntConsumer to) {
            for (int i = lowest(); i >= 0; i = lowest()) {
                join(i, next[i]);
            }
            for (int i = 0; i < ids.length; i = next[i]) {
                to.accept(ids[i]);
            }
        }

        private int lowest() {
            if (ids.length > SHORT) {
                while (!queue.isEmpty()) {
                    long first = queue.poll();
                    if (ranks[(int) first] == (int) (first >>> 32)) { // else the pair has changed since it was added
                        return (int) first;
                    }
                }
                return NONE;
            }
            int best = NONE;
            for (int i = 0; i < ids.length; i = next[i]) {
                best = ranks[i] >= 0 && (best < 0 || ranks[i] < ranks[best]) ? i : best;
            }
            return best;
        }

        private void join(int i, int gone) {
            ids[i] = merges.part(ranks[i], 2);
            next[i] = next[gone];
            ranks[gone] = NONE;
            if (next[i] < ids.length) {
                previous[next[i]] = i;
            }
            rank(i);
            if (previous[i] >= 0) {
                rank(previous[i]);
            }
        }
    }
}
