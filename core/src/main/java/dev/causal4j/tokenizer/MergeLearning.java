package dev.causal4j.tokenizer;

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
 * <p>A pair has the words it is in, so a merge takes time in proportion to their length. Pairs with a new token are all
 * made when it is, and their counts only fall afterwards. A pair whose count has fallen since it was queued is queued
 * again when its turn comes.
 *
 * <p>Merges inside a stretch of text that no merge crosses depend on that stretch alone, so it becomes a token in one
 * way only. Hence a learned pair does not come back, and at each step words are as the encoder would leave them.
 */
final class MergeLearning {
    private final Map<Long, Pair> pairs = new HashMap<>();
    private final PriorityQueue<Pair> queue =
            new PriorityQueue<>(Comparator.comparingLong((Pair p) -> -p.queued).thenComparingLong(p -> p.key));
    private final List<Pair> made = new ArrayList<>(); // by the current merge

    /** The tokens in the order of their ids: the 256 bytes, then the learned ones. */
    final List<String> pieces = new ArrayList<>(ByteLevel.alphabet());

    /** The keys of pairs in the order in which they were merged: left and right id in 32 bits each. */
    final List<Long> merges = new ArrayList<>();

    private static final class Word {
        final long occurrences;
        final int[] tokens;
        int length; // of what is used of them

        Word(String text, long occurrences) {
            this.occurrences = occurrences;
            byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
            tokens = new int[bytes.length];
            length = bytes.length;
            Arrays.setAll(tokens, i -> ByteLevel.id(bytes[i]));
        }
    }

    /** Two tokens side by side. */
    private static final class Pair {
        final long key;
        final int left;
        final int right;
        final List<Word> words = new ArrayList<>(1); // also those where another merge took it
        long count;
        long queued; // the count when it was queued

        Pair(long key) {
            this.key = key;
            left = (int) (key >>> 32);
            right = (int) key;
        }
    }

    /** @param counts how often each word occurs */
    MergeLearning(Map<String, long[]> counts) {
        counts.forEach((text, count) -> {
            Word word = new Word(text, count[0]);
            for (int i = 1; i < word.length; i++) {
                change(word.tokens[i - 1], word.tokens[i], word, 1);
            }
        });
        made.forEach(this::queue);
    }

    /**
     * Merges until there are {@code size} tokens, or no pair occurs {@code minFrequency} times.
     *
     * @param progress receives the number of tokens after each merge
     */
    void learn(int size, long minFrequency, IntConsumer progress) {
        while (pieces.size() < size) {
            Pair best = queue.poll();
            if (best == null || best.queued < minFrequency) {
                return;
            }
            if (best.queued != best.count) {
                queue(best);
                continue;
            }
            made.clear();
            best.words.forEach(word -> merge(best, pieces.size(), word));
            best.words.clear();
            made.forEach(this::queue);
            merges.add(best.key);
            pieces.add(pieces.get(best.left) + pieces.get(best.right));
            progress.accept(pieces.size());
        }
    }

    private void queue(Pair pair) {
        pair.queued = pair.count;
        queue.add(pair);
    }

    /** From left to right, as in the encoder. */
    private void merge(Pair pair, int merged, Word word) {
        int[] tokens = word.tokens;
        int size = 0;
        for (int i = 0; i < word.length; size++) {
            boolean here = i + 1 < word.length && tokens[i] == pair.left && tokens[i + 1] == pair.right;
            if (here && size > 0) {
                change(tokens[size - 1], pair.left, word, -1);
                change(tokens[size - 1], merged, word, 1);
            }
            if (here && i + 2 < word.length) {
                change(pair.right, tokens[i + 2], word, -1);
                change(merged, tokens[i + 2], word, 1);
            }
            tokens[size] = here ? merged : tokens[i];
            i += here ? 2 : 1;
        }
        word.length = size;
    }

    private void change(int left, int right, Word word, int times) {
        Pair pair = pairs.computeIfAbsent((long) left << 32 | right, this::make);
        pair.count += times * word.occurrences;
        // One that was queued has all its words.
        if (pair.queued == 0 && (pair.words.isEmpty() || pair.words.getLast() != word)) {
            pair.words.add(word);
        }
    }

    private Pair make(long key) {
        Pair pair = new Pair(key);
        made.add(pair);
        return pair;
    }
}
