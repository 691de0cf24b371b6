package dev.causal4j.kernel;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/**
 * The vectors of all twins: W = 4, 8 or 16 lanes, and the conversion of words to floats. It uses no other class of
 * vectors.
 */
final class Lanes {
    static final VectorSpecies<Float> S = VectorWidth.floats();
    static final VectorSpecies<Integer> I = S.withLanes(int.class);
    static final int W = S.length();
    /** The smallest vector of at least W bytes. */
    static final VectorSpecies<Byte> B =
            VectorSpecies.of(byte.class, W < 16 ? VectorShape.S_64_BIT : VectorShape.S_128_BIT);

    static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;

    /** W shorts. */
    private static final VectorSpecies<Short> H = VectorSpecies.of(short.class, VectorShape.forBitSize(16 * W));

    /** Masks the output in the high half of a word of bf16. */
    static final int HIGH = 0xffff0000;

    static final int F16 = PanelFormat.F16_BITS;
    static final float SCALE = PanelFormat.F16_SCALE;

    /**
     * Most steps of a panel that are multiplied by all rows before the next steps: 128 KB of f32, or all with 16 lanes,
     * where caches are larger.
     */
    static final int STEPS = W == 16 ? 1 << 24 : 512;

    /** Whether products read words in advance, since the processor does not. */
    static final boolean READ_AHEAD = !Hardware.readsAhead();

    static final ValueLayout.OfInt WORD = ValueLayout.JAVA_INT_UNALIGNED;

    /**
     * The stride of the loops over k. Not final, so that C2 cannot count the loop: it would unroll it eightfold, with
     * reads out of order and spilled registers (docs/results/emerald-rapids.md).
     */
    static int one = 1;

    private Lanes() {}

    /** W numbers of an array from index i on. */
    static FloatVector at(float[] x, int i) {
        return FloatVector.fromArray(S, x, i);
    }

    /** W numbers in f32, from a byte on. */
    static FloatVector f32(MemorySegment m, long offset) {
        return FloatVector.fromMemorySegment(S, m, offset, LE);
    }

    /** W consecutive numbers in f16, as floats; infinity and NaN become 65,536 or more. */
    static FloatVector halves(MemorySegment m, long at) {
        IntVector words =
                (IntVector) ShortVector.fromMemorySegment(H, m, at, LE).convertShape(VectorOperators.S2I, I, 0);
        return words.lanewise(VectorOperators.LSHL, 13)
                .and(F16)
                .reinterpretAsFloats()
                .mul(SCALE);
    }

    /** Uses the values read ahead, so that the compiler keeps the reads. */
    static void keep(int read) {
        if (read == 1) {
            Thread.onSpinWait();
        }
    }
}
