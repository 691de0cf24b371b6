package dev.causal4j.kernel;

import static dev.causal4j.kernel.VectorTransposition.HIGH_1;
import static dev.causal4j.kernel.VectorTransposition.HIGH_2;
import static dev.causal4j.kernel.VectorTransposition.HIGH_4;
import static dev.causal4j.kernel.VectorTransposition.LOW_1;
import static dev.causal4j.kernel.VectorTransposition.LOW_2;
import static dev.causal4j.kernel.VectorTransposition.LOW_4;

import dev.causal4j.compute.Rows;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * The twin of {@link ScalarRowTiles} in vectors of 256 bits, which are a step of a tile: rows come in by transposing
 * eight by eight numbers as {@link VectorTransposition} does, columns lie side by side already.
 */
final class VectorRowTiles {
    private static final VectorSpecies<Float> S = FloatVector.SPECIES_256;
    private static final int W = RowTiles.STEP;

    private VectorRowTiles() {}

    static void fill(Rows x, int row, int height, int depth, float[] to, int at) {
        float[] from = x.data();
        int last = Math.min(row + height, x.count()) - 1;
        int r0 = x.start(row),
                r1 = x.start(Math.min(row + 1, last)),
                r2 = x.start(Math.min(row + 2, last)),
                r3 = x.start(Math.min(row + 3, last)),
                r4 = x.start(Math.min(row + 4, last)),
                r5 = x.start(Math.min(row + 5, last)),
                r6 = x.start(Math.min(row + 6, last)),
                r7 = x.start(Math.min(row + 7, last));
        int whole = depth / W * W;
        for (int k = 0; k < whole; k += W) {
            IntVector a0 = numbers(from, r0 + k);
            IntVector a1 = numbers(from, r1 + k);
            IntVector a2 = numbers(from, r2 + k);
            IntVector a3 = numbers(from, r3 + k);
            IntVector a4 = numbers(from, r4 + k);
            IntVector a5 = numbers(from, r5 + k);
            IntVector a6 = numbers(from, r6 + k);
            IntVector a7 = numbers(from, r7 + k);
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
            int step = at + k * W;
            store(LOW_4.selectFrom(c0, c4), to, step);
            store(LOW_4.selectFrom(c1, c5), to, step + W);
            store(LOW_4.selectFrom(c2, c6), to, step + 2 * W);
            store(LOW_4.selectFrom(c3, c7), to, step + 3 * W);
            store(HIGH_4.selectFrom(c0, c4), to, step + 4 * W);
            store(HIGH_4.selectFrom(c1, c5), to, step + 5 * W);
            store(HIGH_4.selectFrom(c2, c6), to, step + 6 * W);
            store(HIGH_4.selectFrom(c3, c7), to, step + 7 * W);
        }
        ScalarRowTiles.fill(x, row, height, whole, depth, to, at);
    }

    /** As ints, so that nothing can become of a NaN. */
    private static IntVector numbers(float[] from, int offset) {
        return FloatVector.fromArray(S, from, offset).reinterpretAsInts();
    }

    private static void store(IntVector numbers, float[] to, int offset) {
        numbers.reinterpretAsFloats().intoArray(to, offset);
    }

    static void fillAcross(Rows x, int columns, float[] to, int at, int stride) {
        float[] from = x.data();
        // A vector is two numbers longer than a tile has columns: those of the last row's last tile may not be there.
        int readable = from.length - x.start(x.count() - 1) - (W - RowTiles.ROWS);
        int whole = Math.min(columns, readable) / RowTiles.ROWS;
        for (int tile = 0; tile < whole; tile++) {
            int column = x.offset() + tile * RowTiles.ROWS;
            int step = at + tile * stride;
            for (int k = 0; k < x.count(); k++) {
                FloatVector.fromArray(S, from, column + k * x.stride()).intoArray(to, step + k * W);
            }
        }
        ScalarRowTiles.fillAcross(x, whole, columns, to, at, stride);
    }
}
