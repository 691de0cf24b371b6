package dev.causal4j.kernel;

import static dev.causal4j.kernel.CounterRandom.KEY_STEP_0;
import static dev.causal4j.kernel.CounterRandom.KEY_STEP_1;
import static dev.causal4j.kernel.CounterRandom.MULTIPLIER_0;
import static dev.causal4j.kernel.CounterRandom.MULTIPLIER_1;
import static dev.causal4j.kernel.CounterRandom.ROUNDS;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.LongVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * The twin of {@link PhiloxBlocks#factors}: W Philox blocks side by side, a register for each of their four words.
 * Stateless.
 */
final class VectorDropout {
    private static final VectorSpecies<Float> S = VectorWidth.floats();
    private static final VectorSpecies<Integer> I = S.withLanes(int.class);
    private static final int W = S.length();

    private static final IntVector LANES = IntVector.zero(I).addIndex(1);

    // Lanes that take turns from the lower, or the upper, halves of two vectors.
    private static final IntVector LOWER = turns(0);
    private static final IntVector UPPER = turns(W / 2);

    private VectorDropout() {}

    private static IntVector turns(int from) {
        int[] lanes = new int[W];
        for (int i = 0; i < W; i++) {
            lanes[i] = from + i / 2 + (i % 2) * W;
        }
        return IntVector.fromArray(I, lanes, 0);
    }

    /** Blocks are filled up to a multiple of W. */
    static void factors(DropoutMask mask, long block, int blocks, float[] factors) {
        int below = (int) mask.threshold(); // an unsigned number: a rate is below 1
        float kept = mask.kept();
        for (int i = 0; i < blocks; i += W) {
            long first = block + i;
            IntVector x0 = LANES.add((int) first);
            IntVector x1 = IntVector.broadcast(I, (int) (first >>> 32));
            x1 = x1.blend(x1.add(1), x0.compare(VectorOperators.ULT, (int) first)); // the carry
            IntVector x2 = IntVector.broadcast(I, (int) mask.stream());
            IntVector x3 = IntVector.broadcast(I, (int) (mask.stream() >>> 32));
            int key0 = (int) mask.seed();
            int key1 = (int) (mask.seed() >>> 32);
            for (int round = 0; round < ROUNDS; round++) {
                IntVector y0 = upper(x2, MULTIPLIER_1)
                        .lanewise(VectorOperators.XOR, x1)
                        .lanewise(VectorOperators.XOR, key0);
                IntVector y2 = upper(x0, MULTIPLIER_0)
                        .lanewise(VectorOperators.XOR, x3)
                        .lanewise(VectorOperators.XOR, key1);
                x1 = x2.mul((int) MULTIPLIER_1);
                x3 = x0.mul((int) MULTIPLIER_0);
                x0 = y0;
                x2 = y2;
                key0 += KEY_STEP_0;
                key1 += KEY_STEP_1;
            }
            // x0 x2 x0 x2 ... and x1 x3 x1 x3 ..., which take turns again: the words block by block
            IntVector even0 = LOWER.selectFrom(x0, x2);
            IntVector even1 = UPPER.selectFrom(x0, x2);
            IntVector odd0 = LOWER.selectFrom(x1, x3);
            IntVector odd1 = UPPER.selectFrom(x1, x3);
            factor(LOWER.selectFrom(even0, odd0), below, kept).intoArray(factors, 4 * i);
            factor(UPPER.selectFrom(even0, odd0), below, kept).intoArray(factors, 4 * i + W);
            factor(LOWER.selectFrom(even1, odd1), below, kept).intoArray(factors, 4 * i + 2 * W);
            factor(UPPER.selectFrom(even1, odd1), below, kept).intoArray(factors, 4 * i + 3 * W);
        }
    }

    /** The upper 32 bits of products of unsigned numbers: those of even lanes and of odd ones, which share a long. */
    private static IntVector upper(IntVector x, long multiplier) {
        LongVector pairs = x.reinterpretAsLongs();
        LongVector even = pairs.and(0xffffffffL).mul(multiplier).lanewise(VectorOperators.LSHR, 32);
        LongVector odd =
                pairs.lanewise(VectorOperators.LSHR, 32).mul(multiplier).and(0xffffffff_00000000L);
        return even.or(odd).reinterpretAsInts();
    }

    private static FloatVector factor(IntVector words, int below, float kept) {
        return FloatVector.broadcast(S, kept)
                .blend(0f, words.compare(VectorOperators.ULT, below).cast(S));
    }
}
