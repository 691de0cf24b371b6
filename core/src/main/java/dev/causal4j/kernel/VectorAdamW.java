package dev.causal4j.kernel;

import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/**
 * The twin of {@link AdamWStep#apply} where the numbers lie: 16 bytes of each are read and 12 written for a few operations,
 * so that copies in between would cost as much as the step.
 */
final class VectorAdamW {
    private static final VectorSpecies<Float> S = VectorWidth.floats();
    private static final ByteOrder LE = ByteOrder.LITTLE_ENDIAN;
    private static final int W = S.length();

    private VectorAdamW() {}

    static void update(AdamWStep step, AdamWStep.Numbers numbers) {
        float gradientScale = step.gradientScale();
        float weightKept = step.weightKept();
        float meanShare = step.meanShare();
        float squareKept = step.squareKept();
        float squareShare = step.squareShare();
        float size = step.size();
        float correction = step.correction();
        float epsilon = step.epsilon();
        MemorySegment weights = numbers.weights();
        MemorySegment gradient = numbers.gradient();
        MemorySegment first = numbers.first();
        MemorySegment second = numbers.second();
        for (int i = 0; i < numbers.count(); i += W) {
            long o = numbers.offset() + i * 4L;
            FloatVector g = f32(gradient, o).mul(gradientScale);
            FloatVector m = f32(first, o);
            m = m.add(g.sub(m).mul(meanShare));
            FloatVector v =
                    f32(second, o).mul(squareKept).add(g.mul(squareShare).mul(g));
            FloatVector divisor = v.sqrt().div(correction).add(epsilon);
            m.intoMemorySegment(first, o, LE);
            v.intoMemorySegment(second, o, LE);
            f32(weights, o).mul(weightKept).sub(m.div(divisor).mul(size)).intoMemorySegment(weights, o, LE);
        }
    }

    private static FloatVector f32(MemorySegment m, long offset) {
        return FloatVector.fromMemorySegment(S, m, offset, LE);
    }
}
