package dev.causal4j.kernel;

import static dev.causal4j.kernel.KernelSetTest.SPECIAL;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.data.Offset.offset;

import java.util.SplittableRandom;
import java.util.function.Function;
import org.junit.jupiter.api.Test;

/** Elementary functions of vectors against their specification, bit for bit, and their derivatives against double. */
class ElementwiseTest {
    private final JavaKernels scalar = JavaKernels.scalar();
    private final JavaKernels vector = JavaKernels.vector();
    private final SplittableRandom random = new SplittableRandom(1);

    @Test
    void elementaryFunctionsHaveTheBitsOfTheSpecification() {
        for (int n : KernelSetTest.LENGTHS) {
            float[] x = KernelSetTest.numbers(random, n + SPECIAL.length);
            System.arraycopy(SPECIAL, 0, x, n / 2, SPECIAL.length);
            elementaryFunctionsHaveTheBitsOfTheSpecification(x);
        }
        float[] many = new float[1 << 20];
        for (int i = 0; i < many.length; i++) {
            many[i] = Float.intBitsToFloat(random.nextInt());
        }
        elementaryFunctionsHaveTheBitsOfTheSpecification(many);
    }

    private void elementaryFunctionsHaveTheBitsOfTheSpecification(float[] x) {
        assertSameBits(x, set -> (y, at, n) -> set.reductions().expSum(y, at, n, 0.25f, true));
        assertSameBits(x, set -> set.elementwise()::tanh);
        assertSameBits(x, set -> set.elementwise()::gelu);
        assertSameBits(x, set -> set.elementwise()::sigmoid);
        assertSameBits(x, ElementwiseTest::swish);
        assertSameBits(x, set -> swishBackward(set, x));
        assertSameBits(x, set -> (dy, at, n) -> set.elementwise().geluBackward(x, dy, at, n));
        assertSameBits(x, set -> (y, at, n) -> set.elementwise().multiplyAdd(x, x.length - n, x, 0, y, at, n));
    }

    private static InPlace swish(JavaKernels set) {
        return (x, offset, n) -> set.elementwise().swish(x, offset, n, Elementary.GELU_SCALE, Elementary.GELU_CUBE);
    }

    private static InPlace swishBackward(JavaKernels set, float[] x) {
        return (dy, offset, n) ->
                set.elementwise().swishBackward(x, dy, offset, n, Elementary.GELU_SCALE, Elementary.GELU_CUBE);
    }

    @Test
    void theDerivativeOfSwishIsCloseToDouble() {
        for (float x = -12; x <= 12; x += 0.01f) {
            double u = Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x);
            double slope = Math.sqrt(2 / Math.PI) * (1 + 3 * 0.044715 * x * x);
            double tanh = Math.tanh(u);
            double expected = 0.5 * (1 + tanh) + 0.5 * x * (1 - tanh * tanh) * slope;
            float[] dy = {2f};
            swishBackward(scalar, new float[] {x}).apply(dy, 0, 1);
            assertThat((double) dy[0]).isCloseTo(2 * expected, offset(4e-6));
        }
    }

    /** The difference quotient of x Φ(x), with Φ as the integral of the density by Simpson's rule. */
    @Test
    void theDerivativeOfGeluIsCloseToDouble() {
        double step = 1e-3;
        double integral = 0;
        for (double x = -10; x < 10; x += step) {
            double next = integral + step / 6 * (density(x) + 4 * density(x + step / 2) + density(x + step));
            double expected = ((x + step) * next - x * integral) / step;
            float[] dy = {2f};
            scalar.elementwise().geluBackward(new float[] {(float) (x + step / 2)}, dy, 0, 1);
            assertThat((double) dy[0]).isCloseTo(2 * expected, offset(2e-6));
            integral = next;
        }
    }

    private static double density(double x) {
        return Math.exp(-x * x / 2) / Math.sqrt(2 * Math.PI);
    }

    private interface InPlace {
        void apply(float[] x, int offset, int n);
    }

    private void assertSameBits(float[] x, Function<JavaKernels, InPlace> of) {
        float[] expected = x.clone();
        float[] actual = x.clone();
        of.apply(scalar).apply(expected, 1, x.length - 1);
        of.apply(vector).apply(actual, 1, x.length - 1);
        for (int i = 0; i < x.length; i++) {
            int bits = Float.floatToIntBits(actual[i]); // every NaN counts as one
            if (bits != Float.floatToIntBits(expected[i])) { // as numbers, 0 and -0 would be equal
                assertThat(bits)
                        .as("at %s: %s and %s", x[i], actual[i], expected[i])
                        .isEqualTo(Float.floatToIntBits(expected[i]));
            }
        }
    }
}
