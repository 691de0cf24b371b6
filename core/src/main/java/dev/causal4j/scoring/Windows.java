package dev.causal4j.scoring;

import java.util.ArrayList;
import java.util.List;

/**
 * How a long text is cut.
 *
 * @param length most tokens that a window feeds
 * @param stride tokens that each window after the first scores
 */
record Windows(int length, int stride) {
    /**
     * A part of a text that is computed as one sequence.
     *
     * @param text index of the text
     * @param sequence prefix and text
     * @param offset its first token
     * @param first the first token that it scores
     * @param end one after its last token
     * @param tokens how many it counts as computed
     */
    record Window(int text, int[] sequence, int offset, int first, int end, int tokens) {}

    /** The windows of a text, which score each of its tokens once. */
    List<Window> cut(int text, ScoringRequest request) {
        List<Window> windows = new ArrayList<>();
        int[] sequence = request.sequence();
        int offset = 0;
        int first = Math.max(1, request.prefix().length);
        int end = Math.min(sequence.length, length + 1); // a full context predicts one more token, which is not fed
        while (first < sequence.length) {
            windows.add(new Window(text, sequence, offset, first, end, end - 1 - offset));
            first = end;
            end = Math.min(sequence.length, end + stride);
            offset = end - 1 - length;
        }
        return windows;
    }
}
