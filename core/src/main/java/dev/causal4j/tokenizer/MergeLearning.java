package dev.causal4j.tokenizer;

import dev.causal4j.tokenizer.BytePairVocabulary.Merge;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.function.IntConsumer;

/**
 * Learns merges from counted words: the most frequent pair of neighbours becomes one token, again and again (Sennrich,
 * Haddow and Birch 2016); ties go to the lower ids, left before right. Single use; not thread-safe.
 *
 * <p>All words lie in one list of symbols with links to their neighbours. A pair has its count and occurrences, so a
 * merge takes time in proportion to its occurrences. A pair whose count has changed since it was queued is queued again
 * when its turn comes.
 *
 * <p>Merges inside a stretch of text that no merge crosses depend on that stretch alone, so it becomes a token in one
 * way only. Hence a learned pair does not come back, and at each step words are as the encoder would leave them.
 */
final class MergeLearning {
    private static final int NONE = -1;

    // By position: the token, its neighbours in the word, and the word's count.
    private final int[] symbol;
    private final int[] previous;
    private final int[] next;
    private final long[] weight;

    private final Map<Long, Pair> pairs = new HashMap<>();
    private final PriorityQueue<Candidate> queue = new PriorityQueue<>(
            Comparator.comparingLong((Candidate c) -> -c.count).thenComparingLong(c -> c.pair.key));
    // Pairs made by the current merge.
    private final List<Pair> grown = new ArrayList<>();

    /** The tokens in the order of their ids: the 256 bytes, then the learned ones. */
    final List<String> pieces = new ArrayList<>(ByteLevel.alphabet());

    final List<Merge> merges = new ArrayList<>();

    /** Two tokens side by side. */
    private static final class Pair {
        final int left;
        final int right;
        final long key;
        long count;
        boolean growing;
        int[] positions = {}; // of left; includes stale occurrences
        int size;

        Pair(long key) {
            this.key = key;
            left = (int) (key >>> 32);
            right = (int) key;
        }

        void add(int position) {
            if (size == positions.length) {
                positions = Arrays.copyOf(positions, Math.max(2, size + (size >> 1)));
            }
            positions[size++] = position;
        }
    }

    /** A pair with the count it had when it was queued. */
    private record Candidate(long count, Pair pair) {}

    /**
     * @param counts how often each word occurs
     * @throws IllegalArgumentException if the different words have more than 2^31 bytes
     */
    MergeLearning(Map<String, long[]> counts) {
        long length = 0;
        for (String word : counts.keySet()) {
            length += word.getBytes(StandardCharsets.UTF_8).length;
        }
        int most = Integer.MAX_VALUE - 8; // the longest array
        if (length > most) {
            throw new IllegalArgumentException("training text: expected different words of at most " + most
                    + " bytes together, got " + length + "; train on a part of it");
        }
        symbol = new int[(int) length];
        previous = new int[symbol.length];
        next = new int[symbol.length];
        weight = new long[symbol.length];
        int at = 0;
        for (Map.Entry<String, long[]> word : counts.entrySet()) {
            int first = at;
            for (byte b : word.getKey().getBytes(StandardCharsets.UTF_8)) {
                symbol[at] = ByteLevel.id(b);
                weight[at] = word.getValue()[0];
                previous[at] = at == first ? NONE : at - 1;
                next[at] = at + 1;
                grow(previous[at], at++);
            }
            next[at - 1] = NONE;
        }
        queueGrown();
    }

    /**
     * Merges until there are {@code size} tokens, or no pair occurs {@code minFrequency} times.
     *
     * @param progress receives the number of tokens after each merge
     */
    void learn(int size, long minFrequency, IntConsumer progress) {
        while (pieces.size() < size) {
            Candidate best = queue.poll();
            if (best == null || best.count < minFrequency) {
                return;
            }
            Pair pair = best.pair;
            if (best.count != pair.count) {
                queue.add(new Candidate(pair.count, pair));
                continue;
            }
            merges.add(new Merge(pair.left, pair.right));
            apply(pair, pieces.size());
            pieces.add(pieces.get(pair.left) + pieces.get(pair.right));
            queueGrown();
            progress.accept(pieces.size());
        }
    }

    private void apply(Pair pair, int merged) {
        // Ascending, since merges go from left to right, as in the encoder.
        for (int i = 0; i < pair.size; i++) {
            int at = pair.positions[i];
            int right = symbol[at] == pair.left ? next[at] : NONE;
            if (right == NONE || symbol[right] != pair.right) {
                continue; // gone in an earlier merge, or the middle of three equal ones
            }
            int before = previous[at];
            int after = next[right];
            shrink(before, at);
            shrink(at, right);
            shrink(right, after);
            symbol[at] = merged;
            symbol[right] = NONE;
            next[at] = after;
            if (after != NONE) {
                previous[after] = at;
            }
            grow(before, at);
            grow(at, after);
        }
        pair.positions = new int[0];
        pair.size = 0;
    }

    private Pair pair(int left, int right) {
        return pairs.computeIfAbsent((long) symbol[left] << 32 | symbol[right], Pair::new);
    }

    private void shrink(int left, int right) {
        if (left != NONE && right != NONE) {
            pair(left, right).count -= weight[left];
        }
    }

    private void grow(int left, int right) {
        if (left == NONE || right == NONE) {
            return;
        }
        Pair pair = pair(left, right);
        pair.count += weight[left];
        pair.add(left);
        if (!pair.growing) {
            pair.growing = true;
            grown.add(pair);
        }
    }

    private void queueGrown() {
        for (Pair pair : grown) {
            pair.growing = false;
            queue.add(new Candidate(pair.count, pair));
        }
        grown.clear();
    }
}
