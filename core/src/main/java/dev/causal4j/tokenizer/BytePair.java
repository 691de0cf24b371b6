package dev.causal4j.tokenizer;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.PriorityQueue;
import java.util.function.IntConsumer;
import java.util.stream.IntStream;

/**
 * Byte-pair encoding (Sennrich, Haddow and Birch 2016): of all neighbours in the table of merges those of the lowest
 * rank, the leftmost of equals, become one, again and again. On byte level a word begins as its bytes (Radford et al.
 * 2019), else as its characters: one that the vocabulary lacks is its bytes if it has all of them, else unknown.
 *
 * @param bytes ids of the 256 bytes, or negative
 * @param ignoreMerges whether a word that is a piece is that one, whatever the merges make of it
 * @param fuseUnknown whether neighbouring unknown characters are one token
 * @param unknown the id of an unknown character, or negative
 */
record BytePair(
        Vocabulary vocabulary, Merges merges, int[] bytes, boolean ignoreMerges, boolean fuseUnknown, int unknown)
        implements Model {
    @Override
    public void encode(String word, IntConsumer to) {
        byte[] utf8 = word.getBytes(StandardCharsets.UTF_8);
        int whole =
                ignoreMerges ? vocabulary.id(vocabulary.byteLevel() ? ByteLevel.piece(utf8) : word) : Vocabulary.NONE;
        if (whole >= 0) {
            to.accept(whole);
        } else {
            new Merging(vocabulary.byteLevel() ? ids(utf8) : ids(word)).merge(to);
        }
    }

    private int[] ids(byte[] utf8) {
        return IntStream.range(0, utf8.length)
                .map(i -> known(bytes[utf8[i] & 0xff]))
                .toArray();
    }

    private int known(int id) {
        if (id < 0 && unknown < 0) {
            throw new IllegalArgumentException("text: expected bytes the vocabulary has a token for, got others; use a"
                    + " vocabulary with all 256");
        }
        return id < 0 ? unknown : id;
    }

    private int[] ids(String word) {
        IntStream.Builder ids = IntStream.builder();
        boolean afterUnknown = false;
        for (int i = 0, next; i < word.length(); i = next) {
            next = word.offsetByCodePoints(i, 1);
            String character = word.substring(i, next);
            int id = vocabulary.id(character);
            byte[] utf8 = character.getBytes(StandardCharsets.UTF_8);
            boolean fallback = id < 0 && IntStream.range(0, utf8.length).allMatch(k -> bytes[utf8[k] & 0xff] >= 0);
            if (fallback) {
                Arrays.stream(ids(utf8)).forEach(ids);
            } else if (id >= 0 || !afterUnknown || !fuseUnknown) {
                ids.add(known(id));
            }
            afterUnknown = id < 0 && !fallback;
        }
        return ids.build().toArray();
    }

    /** The symbols of a word as a list with links, in which a pair becomes its first symbol. */
    private final class Merging {
        private static final int NO_RANK = -1;

        private final int[] ids;
        private final int[] next; // their number at the end
        private final int[] previous; // -1 at the beginning
        private final int[] ranks; // of the pair that a symbol begins
        private final PriorityQueue<Long> queue = new PriorityQueue<>(); // ranks above places

        Merging(int[] ids) {
            this.ids = ids;
            next = IntStream.rangeClosed(1, ids.length).toArray();
            previous = IntStream.range(-1, ids.length - 1).toArray();
            ranks = new int[ids.length];
            for (int i = 0; i < ids.length; i++) {
                rank(i);
            }
        }

        private void rank(int i) {
            ranks[i] = next[i] < ids.length ? merges.rank(ids[i], ids[next[i]]) : NO_RANK;
            if (ranks[i] >= 0) {
                queue.add((long) ranks[i] << 32 | i);
            }
        }

        void merge(IntConsumer to) {
            for (Long first = queue.poll(); first != null; first = queue.poll()) {
                int i = first.intValue();
                if (ranks[i] == (int) (first >>> 32)) { // else the pair has changed since
                    join(i, next[i]);
                }
            }
            for (int i = 0; i < ids.length; i = next[i]) {
                to.accept(ids[i]);
            }
        }

        private void join(int i, int gone) {
            ids[i] = merges.result(ranks[i]);
            next[i] = next[gone];
            ranks[gone] = NO_RANK;
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
