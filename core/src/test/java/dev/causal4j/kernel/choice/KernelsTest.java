package dev.causal4j.kernel.choice;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.causal4j.compute.Rows;
import dev.causal4j.kernel.AdamWStep;
import dev.causal4j.kernel.NormRule;
import dev.causal4j.kernel.PanelFormat;
import dev.causal4j.kernel.Panels;
import dev.causal4j.kernel.VectorWidth;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The entry points: their results, and the arguments that they refuse. */
class KernelsTest {
    @Test
    void theTestsRunOnTheKernelsTheyAsk() {
        String asked = System.getProperty(VectorWidth.PROPERTY);
        assertThat(Kernels.state()).isEqualTo("vector".equals(asked) ? "vector" + VectorWidth.available() : asked);
    }

    @Test
    void softmaxSumsToOneAndBansMinusInfinity() {
        float[] x = {9, 1, 2, Float.NEGATIVE_INFINITY, 3, 9};
        Kernels.softmax(x, 1, 4);
        double sum = Math.exp(-2) + Math.exp(-1) + 1;
        assertThat(x)
                .containsExactly(
                        new float[] {
                            9, (float) (Math.exp(-2) / sum), (float) (Math.exp(-1) / sum), 0, (float) (1 / sum), 9
                        },
                        within(1e-7f));
        assertThat(x[3]).isZero();
    }

    @Test
    void softmaxOfHugeNumbersDoesNotOverflow() {
        float[] x = {3e38f, -3e38f, 3e38f};
        Kernels.softmax(x, 0, 3);
        assertThat(x).containsExactly(0.5f, 0, 0.5f);
    }

    @Test
    void argmaxIsTheFirstOfTheLargest() {
        float[] x = {9, 1, 5, Float.NaN, 5, Float.NEGATIVE_INFINITY, 9};
        assertThat(Kernels.argmax(x, 1, 5)).isEqualTo(1);
        assertThat(Kernels.argmax(x, 5, 1)).isZero();
        assertThat(Kernels.argmax(x, 3, 3)).isEqualTo(1); // NaN never wins
        assertThat(Kernels.argmax(new float[] {Float.NaN, Float.NaN}, 0, 2)).isZero();
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 511, 512, 513, 1024, 1700})
    void argmaxOfManyNumbersIsWhatOneByOneGives(int n) {
        SplittableRandom random = new SplittableRandom(n);
        for (int trial = 0; trial < 200; trial++) {
            float[] x = new float[3 + n];
            for (int i = 0; i < x.length; i++) {
                x[i] = random.nextInt(-100, 5); // several share the largest number
            }
            for (float special : new float[] {Float.NaN, Float.NEGATIVE_INFINITY, -0f, 0f}) {
                x[3 + random.nextInt(n)] = trial % 2 == 0 || !Float.isNaN(special) ? special : 4;
            }
            int largest = 0;
            for (int i = 1; i < n; i++) {
                boolean first = Float.isNaN(x[3 + largest]) && !Float.isNaN(x[3 + i]);
                largest = first || x[3 + i] > x[3 + largest] ? i : largest;
            }
            assertThat(Kernels.argmax(x, 3, n)).as("trial %d", trial).isEqualTo(largest);
        }
        float[] none = new float[n];
        Arrays.fill(none, Float.NEGATIVE_INFINITY);
        assertThat(Kernels.argmax(none, 0, n)).isZero();
        none[n - 1] = -1;
        assertThat(Kernels.argmax(none, 0, n)).isEqualTo(n - 1);
        none[n / 3] = -0f; // equal to later numbers
        none[n - 1] = 0f;
        assertThat(Kernels.argmax(none, 0, n)).isEqualTo(n / 3);
    }

    @Test
    void chosenRowsAreCopiedInTheirOrder() {
        Rows rows = new Rows(new float[] {0, 1, 2, 3, 4, 5, 6, 7, 8}, 1, 3, 3); // two numbers of each
        Rows chosen = rows.chosen(2, 2, 0, 2);
        assertThat(chosen.data()).containsExactly(7, 8, 1, 2, 7, 8);
        assertThat(chosen.start(1)).isEqualTo(2);
        assertThatThrownBy(() -> rows.chosen(2, 3)).isInstanceOf(IndexOutOfBoundsException.class);
    }

    @Test
    void whatIsOutOfBoundsIsRefused() {
        MemorySegment memory = Arena.ofAuto().allocate(64 * 4 * 3, 64);
        Panels w = new Panels(memory, 0, 64 * 4 * 3, 1, 3);
        Rows x = Rows.of(new float[6], 3, 2);
        Rows y = Rows.of(new float[128], 64, 2);
        Kernels.multiply(w, x, y);
        assertThatThrownBy(() -> Kernels.multiply(new Panels(memory, 4, 64 * 4 * 3, 1, 3), x, y))
                .isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> Kernels.multiply(new Panels(memory, -4, 64 * 4 * 3, 1, 3), x, y))
                .isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> Kernels.multiply(new Panels(memory, 0, 64 * 4 * 3, 2, 3), x, y))
                .isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> Kernels.multiply(new Panels(PanelFormat.BF16, memory, 0, 64 * 4 * 3, 1, 7), x, y))
                .isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> Kernels.multiply(w, Rows.of(new float[5], 3, 2), y))
                .isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> Kernels.multiply(w, x, Rows.of(new float[127], 64, 2)))
                .isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> Kernels.multiply(w, x, Rows.of(new float[128], 64, 1)))
                .hasMessage("rows: expected as many in as out, got 2 and 1");
        assertThatThrownBy(() -> Kernels.gelu(new float[3], 1, 3)).isInstanceOf(IndexOutOfBoundsException.class);
        NormRule narrow = new NormRule(new float[3], new float[2], 0, true);
        assertThatThrownBy(() -> Kernels.norm(narrow, new float[3], 0, new float[3], 0))
                .isInstanceOf(IndexOutOfBoundsException.class);
        MemorySegment block = Arena.ofAuto().allocate(64 * 64 * 4, 64);
        assertThatThrownBy(() -> Kernels.addSquares(w, new double[63])).isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> new AdamWStep.Numbers(block, block, block, memory, 0, 256))
                .isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> new AdamWStep.Numbers(memory, memory, memory, memory, 0, 65))
                .hasMessage("numbers: expected whole steps of 64, got 65");
    }
}
