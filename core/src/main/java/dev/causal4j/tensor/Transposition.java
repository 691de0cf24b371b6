package dev.causal4j.tensor;

import dev.causal4j.kernel.Rows;

/** Rows written as columns. */
final class Transposition {
    private Transposition() {}

    /**
     * to[k][r] = from[r][first + k] for {@code to.count()} columns from {@code first} on. Four rows at a time, whose numbers
     * then lie side by side: half the time of one.
     */
    static void transpose(Rows from, int first, Rows to) {
        float[] source = from.data();
        float[] target = to.data();
        int whole = from.count() & -4;
        for (int r = 0; r < whole; r += 4) {
            int r0 = from.start(r) + first;
            int r1 = from.start(r + 1) + first;
            int r2 = from.start(r + 2) + first;
            int r3 = from.start(r + 3) + first;
            int at = to.offset() + r;
            for (int k = 0; k < to.count(); k++, at += to.stride()) {
                target[at] = source[r0 + k];
                target[at + 1] = source[r1 + k];
                target[at + 2] = source[r2 + k];
                target[at + 3] = source[r3 + k];
            }
        }
        for (int r = whole; r < from.count(); r++) {
            int row = from.start(r) + first;
            int at = to.offset() + r;
            for (int k = 0; k < to.count(); k++, at += to.stride()) {
                target[at] = source[row + k];
            }
        }
    }
}
