package dev.causal4j.kernel;

import dev.causal4j.compute.Rows;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * Rows become columns, eight by eight numbers at once, in vectors of 256 bits whatever the machine has. Numbers are
 * moved as ints, so that no NaN changes.
 *
 * <p>Rows 1, then 2, then 4 apart are paired: the lower row gets the columns with that bit off from both, the upper row
 * those with it on.
 */
final class VectorTransposition {
    private static final VectorSpecies<Integer> S = IntVector.SPECIES_256;
    private static final VectorSpecies<Float> F = FloatVector.SPECIES_256;
    private static final int W = S.length();

    private static final IntVector LOW_1 = lanes(1, 0);
    private static final IntVector HIGH_1 = lanes(1, 1);
    private static final IntVector LOW_2 = lanes(2, 0);
    private static final IntVector HIGH_2 = lanes(2, 2);
    private static final IntVector LOW_4 = lanes(4, 0);
    private static final IntVector HIGH_4 = lanes(4, 4);

    private VectorTransposition() {}

    /**
     * Which lanes of a pair a row gets: in lane i those of the lower row if the bit of i is off, else those of the
     * upper.
     */
    private static IntVector lanes(int bit, int on) {
        int[] lanes = new int[W];
        for (int i = 0; i < W; i++) {
            lanes[i] = ((i & ~bit) | on) + ((i & bit) == 0 ? 0 : W);
        }
        return IntVector.fromArray(S, lanes, 0);
    }

    /** See {@link Products#fillTile}; only the {@code depth / 8 * 8} first steps. */
    static void fillTile(Rows x, int row, int height, int depth, float[] to, int at) {
        int last = Math.min(row + height, x.count()) - 1;
        int[] rows = new int[W];
        for (int r = 0; r < W; r++) {
            rows[r] = x.start(Math.min(row + r, last));
        }
        for (int k = 0; k + W <= depth; k += W) {
            eight(x.data(), rows, k, to, at + k * W, W);
        }
    }

    /** See {@link Products#transpose}. */
    static void transpose(float[] from, float[] to) {
        int n = Panels.WIDTH;
        int[] rows = new int[W];
        for (int k = 0; k < n; k += W) {
            for (int r = 0; r < W; r++) {
                rows[r] = (k + r) * n;
            }
            for (int j = 0; j < n; j += W) {
                eight(from, rows, j, to, j * n + k, n);
            }
        }
    }

    /** Column c of eight rows, from their number {@code first} on, becomes to[at + c stride .. + 8). */
    private static void eight(float[] from, int[] rows, int first, float[] to, int at, int stride) {
        IntVector a0 = numbers(from, rows[0] + first);
        IntVector a1 = numbers(from, rows[1] + first);
        IntVector a2 = numbers(from, rows[2] + first);
        IntVector a3 = numbers(from, rows[3] + first);
        IntVector a4 = numbers(from, rows[4] + first);
        IntVector a5 = numbers(from, rows[5] + first);
        IntVector a6 = numbers(from, rows[6] + first);
        IntVector a7 = numbers(from, rows[7] + first);
        IntVector b0 = LOW_1.selectFrom(a0, a1);
        IntVector b1 = HIGH_1.selectFrom(a0, a1);
        IntVector b2 = LOW_1.selectFrom(a2, a3);
        IntVector b3 = HIGH_1.selectFrom(a2, a3);
        IntVector b4 = LOW_1.selectFrom(a4, a5);
        IntVector b5 = HIGH_1.selectFrom(a4, a5);
        IntVector b6 = LOW_1.selectFrom(a6, a7);
        IntVector b7 = HIGH_1.selectFrom(a6, a7);
        IntVector c0 = LOW_2.selectFrom(b0, b2);
        IntVector c2 = HIGH_2.selectFrom(b0, b2);
        IntVector c1 = LOW_2.selectFrom(b1, b3);
        IntVector c3 = HIGH_2.selectFrom(b1, b3);
        IntVector c4 = LOW_2.selectFrom(b4, b6);
        IntVector c6 = HIGH_2.selectFrom(b4, b6);
        IntVector c5 = LOW_2.selectFrom(b5, b7);
        IntVector c7 = HIGH_2.selectFrom(b5, b7);
        store(LOW_4.selectFrom(c0, c4), to, at);
        store(LOW_4.selectFrom(c1, c5), to, at + stride);
        store(LOW_4.selectFrom(c2, c6), to, at + 2 * stride);
        store(LOW_4.selectFrom(c3, c7), to, at + 3 * stride);
        store(HIGH_4.selectFrom(c0, c4), to, at + 4 * stride);
        store(HIGH_4.selectFrom(c1, c5), to, at + 5 * stride);
        store(HIGH_4.selectFrom(c2, c6), to, at + 6 * stride);
        store(HIGH_4.selectFrom(c3, c7), to, at + 7 * stride);
    }

    private static IntVector numbers(float[] from, int offset) {
        return FloatVector.fromArray(F, from, offset).reinterpretAsInts();
    }

    private static void store(IntVector numbers, float[] to, int offset) {
        numbers.reinterpretAsFloats().intoArray(to, offset);
    }

    /** See {@link Products#fillTilesAcross}; only the first {@code tiles} tiles, whose vectors lie inside the array. */
    static void fillTilesAcross(Rows x, int tiles, int height, float[] to, int at, int stride) {
        for (int tile = 0; tile < tiles; tile++) {
            for (int k = 0; k < x.count(); k++) {
                int from = x.start(k) + tile * height;
                FloatVector.fromArray(F, x.data(), from).intoArray(to, at + tile * stride + k * W);
            }
        }
    }
}
