package dev.causal4j.kernel;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * The twin of {@link ScalarProducts#transpose}: eight by eight numbers at once, in vectors of 256 bits whatever the machine
 * has. Numbers are moved as ints, so nothing can become of a NaN.
 *
 * <p>Rows that lie 1, then 2, then 4 apart are a pair: the lower gets the columns with that bit off from both, the upper
 * those with it on.
 */
final class VectorTransposition {
    private static final VectorSpecies<Integer> S = IntVector.SPECIES_256;
    private static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;
    private static final int W = S.length();

    /** Bytes of a row of the block. */
    private static final long ROW = 4L * Panels.WIDTH;

    static final IntVector LOW_1 = lanes(1, 0);
    static final IntVector HIGH_1 = lanes(1, 1);
    static final IntVector LOW_2 = lanes(2, 0);
    static final IntVector HIGH_2 = lanes(2, 2);
    static final IntVector LOW_4 = lanes(4, 0);
    static final IntVector HIGH_4 = lanes(4, 4);

    private VectorTransposition() {}

    /** Which lanes of a pair a row gets: in lane i those of the lower row if the bit of i is off, else those of the upper. */
    private static IntVector lanes(int bit, int on) {
        int[] lanes = new int[W];
        for (int i = 0; i < W; i++) {
            lanes[i] = ((i & ~bit) | on) + ((i & bit) == 0 ? 0 : W);
        }
        return IntVector.fromArray(S, lanes, 0);
    }

    static void transpose(MemorySegment from, long fromOffset, MemorySegment to, long toOffset) {
        for (int k = 0; k < Panels.WIDTH; k += W) {
            for (int j = 0; j < Panels.WIDTH; j += W) {
                eight(from, fromOffset + k * ROW + j * 4L, to, toOffset + j * ROW + k * 4L);
            }
        }
    }

    private static IntVector row(MemorySegment from, long offset) {
        return IntVector.fromMemorySegment(S, from, offset, LE);
    }

    private static void eight(MemorySegment from, long at, MemorySegment to, long target) {
        IntVector a0 = row(from, at);
        IntVector a1 = row(from, at + 1 * ROW);
        IntVector a2 = row(from, at + 2 * ROW);
        IntVector a3 = row(from, at + 3 * ROW);
        IntVector a4 = row(from, at + 4 * ROW);
        IntVector a5 = row(from, at + 5 * ROW);
        IntVector a6 = row(from, at + 6 * ROW);
        IntVector a7 = row(from, at + 7 * ROW);
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
        IntVector d0 = LOW_4.selectFrom(c0, c4);
        IntVector d4 = HIGH_4.selectFrom(c0, c4);
        IntVector d1 = LOW_4.selectFrom(c1, c5);
        IntVector d5 = HIGH_4.selectFrom(c1, c5);
        IntVector d2 = LOW_4.selectFrom(c2, c6);
        IntVector d6 = HIGH_4.selectFrom(c2, c6);
        IntVector d3 = LOW_4.selectFrom(c3, c7);
        IntVector d7 = HIGH_4.selectFrom(c3, c7);
        d0.intoMemorySegment(to, target, LE);
        d1.intoMemorySegment(to, target + 1 * ROW, LE);
        d2.intoMemorySegment(to, target + 2 * ROW, LE);
        d3.intoMemorySegment(to, target + 3 * ROW, LE);
        d4.intoMemorySegment(to, target + 4 * ROW, LE);
        d5.intoMemorySegment(to, target + 5 * ROW, LE);
        d6.intoMemorySegment(to, target + 6 * ROW, LE);
        d7.intoMemorySegment(to, target + 7 * ROW, LE);
    }
}
