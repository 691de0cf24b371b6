package dev.causal4j.tokenizer;

import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Collections;
import java.util.Deque;
import java.util.List;
import java.util.function.IntConsumer;

/**
 * Finds the most likely segmentation of a word into independent pieces (Kudo 2018), by Viterbi's algorithm. A character
 * that is no piece is unknown and less likely than all pieces. Neighbouring unknown characters become one token, or
 * their bytes if the vocabulary has all of them.
 *
 * @param scores logarithms of probabilities, by id
 * @param bytes ids of the 256 bytes, negative where there is none
 */
record Unigram(Pieces pieces, List<Double> scores, int unknown, int[] bytes, int longest, double unknownScore)
        implements Model {
    private static final double UNKNOWN_PENALTY = 10;

    Unigram(Pieces pieces, List<Double> scores, int unknown, int[] bytes) {
        this(pieces, scores, unknown, bytes, longest(pieces), Collections.min(scores) - UNKNOWN_PENALTY);
    }

    private static int longest(Pieces pieces) {
        return pieces.ids().keySet().stream().mapToInt(String::length).max().orElse(0);
    }

    @Override
    public void encode(String word, IntConsumer to) {
        int size = word.length();
        double[] best = new double[size + 1]; // score of the best segmentation up to here
        int[] tokens = new int[size + 1];
        int[] starts = new int[size + 1]; // of the last piece of that segmentation; -1 if there is none
        Arrays.fill(starts, -1);
        for (int from = 0, next; from < size; from = next) {
            next = word.offsetByCodePoints(from, 1);
            for (int end = from + 1; end <= Math.min(size, from + longest) || end <= next; end++) {
                int id = pieces.id(word.substring(from, end));
                if (id < 0 && end != next) {
                    continue;
                }
                double score = best[from] + (id < 0 ? unknownScore : scores.get(id));
                if (starts[end] < 0 || score > best[end]) {
                    best[end] = score;
                    starts[end] = from;
                    tokens[end] = id < 0 ? unknown : id;
                }
            }
        }
        Deque<Integer> ends = new ArrayDeque<>();
        for (int end = size; end > 0; end = starts[end]) {
            ends.push(end);
        }
        while (!ends.isEmpty()) {
            int end = ends.pop();
            int from = starts[end];
            while (tokens[end] == unknown && !ends.isEmpty() && tokens[ends.peek()] == unknown) {
                end = ends.pop();
            }
            int[] known = tokens[end] == unknown ? Model.bytes(bytes, word.substring(from, end)) : null;
            Arrays.stream(known == null ? new int[] {tokens[end]} : known).forEach(to);
        }
    }
}
