package dev.causal4j.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.compute.Rows;
import dev.causal4j.kernel.choice.Kernels;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.SplittableRandom;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The vector recurrences of this JVM against their specification, bit for bit, and the specification against double.
 */
class RecurrencesTest {
    private static final int POSITIONS = 67;

    private final Recurrences scalar = new Recurrences();
    private final Recurrences vector = new VectorRecurrences();
    private final SplittableRandom random = new SplittableRandom(1);

    /** A head's numbers for some positions, between others. */
    private final class Head {
        private final int depth;
        private final int columns;
        private final boolean corrects;
        private final MemorySegment begins;
        private final float[] numbers; // [67, q | k | v | g | b], with gaps

        Head(int depth, int columns, boolean corrects) {
            this.depth = depth;
            this.columns = columns;
            this.corrects = corrects;
            this.numbers = new float[POSITIONS * stride()];
            for (int i = 0; i < numbers.length; i++) {
                numbers[i] = (float) random.nextGaussian() / (float) Math.sqrt(depth);
            }
            for (int t = 0; t < POSITIONS; t++) {
                numbers[t * stride() + 2 * depth + columns] = random.nextFloat();
                numbers[t * stride() + 2 * depth + columns + 1] = random.nextFloat();
            }
            this.begins = Arena.ofAuto().allocate(DeltaRule.bytes(depth) + 8, 64);
            for (int i = 0; i < depth * DeltaRule.COLUMNS; i++) {
                begins.set(Panels.FLOAT, 8 + 4L * i, (float) random.nextGaussian());
            }
        }

        private int stride() {
            return 2 * depth + columns + 5;
        }

        /** Moves a copy of the state over all positions, {@code chunk} at a time. */
        float[] run(Recurrences recurrences, int chunk, int narrow) {
            MemorySegment state = Arena.ofAuto().allocate(begins.byteSize(), 64).copyFrom(begins);
            float[] y = new float[POSITIONS * columns];
            for (int t = 0; t < POSITIONS; t += chunk) {
                int count = Math.min(chunk, POSITIONS - t);
                recurrences.delta(rule(state, t, count, narrow, Rows.of(y, columns, POSITIONS)));
            }
            float[] all = new float[y.length + depth * columns]; // the outputs, then the state
            System.arraycopy(y, 0, all, 0, y.length);
            for (int i = 0; i < depth * columns; i++) {
                long at = 8 + 4L * (i / columns * DeltaRule.COLUMNS + i % columns);
                all[y.length + i] = state.get(Panels.FLOAT, at);
            }
            return all;
        }

        DeltaRule rule(MemorySegment state, int t, int count, int narrow, Rows out) {
            return new DeltaRule(
                    state,
                    8,
                    depth,
                    columns - narrow,
                    corrects,
                    rows(0, t, count),
                    rows(depth, t, count),
                    rows(2 * depth, t, count),
                    rows(2 * depth + columns, t, count),
                    rows(2 * depth + columns + 1, t, count),
                    out.rows(t, count));
        }

        private Rows rows(int offset, int t, int count) {
            return new Rows(numbers, t * stride() + offset, stride(), count);
        }
    }

    @Test
    void theDeltaRuleHasTheBitsOfTheSpecification() {
        for (int depth : new int[] {1, 2, 7, 16, 33, 128}) {
            for (int columns : new int[] {1, 10, 31, 32}) {
                for (boolean corrects : new boolean[] {true, false}) {
                    Head head = new Head(depth, columns, corrects);
                    assertThat(head.run(vector, POSITIONS, 0))
                            .as("depth %d, columns %d, corrects %s", depth, columns, corrects)
                            .isEqualTo(head.run(scalar, POSITIONS, 0));
                }
            }
        }
    }

    @Test
    void positionsMayBeCutAnywhere() {
        Head head = new Head(24, 32, true);
        for (int chunk : new int[] {1, 7, 64}) {
            assertThat(head.run(vector, chunk, 0)).as("chunks of %d", chunk).isEqualTo(head.run(vector, POSITIONS, 0));
        }
    }

    @Test
    void columnsDoNotMeet() {
        Head head = new Head(24, 32, true);
        float[] all = head.run(scalar, POSITIONS, 0);
        float[] fewer = head.run(scalar, POSITIONS, 5);
        for (int i = 0; i < all.length; i++) {
            if (i % 32 < 27) {
                assertThat(fewer[i]).as("number %d", i).isEqualTo(all[i]);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void theDeltaRuleIsCloseToDouble(boolean corrects) {
        Head head = new Head(16, 32, corrects);
        float[] all = head.run(scalar, POSITIONS, 0);
        double[][] s = new double[16][32];
        for (int i = 0; i < 16 * 32; i++) {
            s[i / 32][i % 32] = head.begins.get(Panels.FLOAT, 8 + 4L * i);
        }
        for (int t = 0; t < POSITIONS; t++) {
            int at = t * head.stride();
            for (int c = 0; c < 32; c++) {
                double known = 0;
                for (int i = 0; i < 16; i++) {
                    s[i][c] *= head.numbers[at + 64];
                    known += corrects ? s[i][c] * head.numbers[at + 16 + i] : 0;
                }
                double y = 0;
                for (int i = 0; i < 16; i++) {
                    s[i][c] += head.numbers[at + 16 + i] * head.numbers[at + 65] * (head.numbers[at + 32 + c] - known);
                    y += s[i][c] * head.numbers[at + i];
                }
                assertThat((double) all[t * 32 + c]).isCloseTo(y, Offset.offset(1e-5));
            }
        }
    }

    @Test
    void aStateOutsideOfItsMemoryIsRefused() {
        Head head = new Head(16, 32, true);
        Rows out = Rows.of(new float[POSITIONS * 32], 32, POSITIONS);
        MemorySegment small = head.begins.asSlice(4);
        assertThatThrownBy(() -> Kernels.delta(head.rule(small, 0, 3, 0, out)))
                .isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> Kernels.delta(head.rule(head.begins, 0, POSITIONS + 1, 0, out)))
                .isInstanceOf(IndexOutOfBoundsException.class);
    }

    @Test
    void aDecayIsThatOfSoftplus() {
        for (float x : new float[] {-90, -3, -0.1f, 0, 0.5f, 7, 19.9f, 20.1f, 60}) {
            double expected = Math.exp(-0.3f * Math.log1p(Math.exp(x)));
            assertThat((double) Kernels.exp(-0.3f * Kernels.softplus(x)))
                    .isCloseTo(expected, Offset.offset(1e-6 * expected + 1e-30));
        }
        assertThat(Kernels.softplus(Float.NaN)).isNaN();
    }

    @Test
    void sigmoidHasTheBitsOfTheSpecification() {
        float[] expected = new float[1 << 16];
        for (int i = 0; i < expected.length; i++) {
            expected[i] = Float.intBitsToFloat(random.nextInt());
        }
        float[] actual = expected.clone();
        new Elementwise().sigmoid(expected, 1, expected.length - 1);
        new VectorElementwise().sigmoid(actual, 1, actual.length - 1);
        assertThat(actual).isEqualTo(expected);
    }
}
