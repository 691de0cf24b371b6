package dev.causal4j.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.causal4j.compute.Rows;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Random;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The entry points: their results, and the arguments that they refuse. */
class KernelsTest {
    private final Random random = new Random(11);

    @Test
    void theTestsRunOnTheKernelsTheyAsk() {
        String asked = System.getProperty(Kernels.PROPERTY);
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

    @ParameterizedTest
    @CsvSource({"7, 0, 1", "7, 63, 3", "64, 100, 30", "5, 127, 2", "7, 61, 7"})
    void attentionIsTheWeightedMeanOfTheValuesASeesUpTo(int headSize, int first, int rows) {
        int positions = first + rows;
        int blocks = Panels.needed(positions);
        long half = 64L * headSize * 4;
        MemorySegment[] pages = new MemorySegment[blocks];
        Arrays.setAll(pages, page -> Arena.ofAuto().allocate(2 * half, 64));
        float[][] k = new float[positions][headSize];
        float[][] v = new float[positions][headSize];
        // The bytes after the last position must not matter.
        for (MemorySegment page : pages) {
            for (long i = 0; i < page.byteSize(); i += 4) {
                page.set(Panels.FLOAT, i, Float.NaN);
            }
        }
        for (int t = 0; t < positions; t++) {
            for (int i = 0; i < headSize; i++) {
                k[t][i] = (float) random.nextGaussian();
                v[t][i] = (float) random.nextGaussian();
                pages[t / 64].set(Panels.FLOAT, (i * 64L + t % 64) * 4, k[t][i]);
                pages[t / 64].set(Panels.FLOAT, half + (t % 64L * headSize + i) * 4, v[t][i]);
            }
        }
        float[] q = new float[rows * headSize];
        for (int i = 0; i < q.length; i++) {
            q[i] = (float) random.nextGaussian();
        }
        float[] out = new float[rows * headSize];
        Arrays.fill(out, Float.NaN);
        new PagedAttention(
                        new Pages(PanelFormat.F32, pages, 0, half, headSize, 1),
                        Rows.of(q, headSize, rows),
                        first,
                        new AttentionRule(1, 0, 0, null),
                        Rows.of(new float[rows * blocks * 64], blocks * 64, rows),
                        new float[rows],
                        Rows.of(out, headSize, rows),
                        (weights, offset, query, head, from, n) -> {})
                .attend();
        for (int r = 0; r < rows; r++) {
            double[] weights = new double[first + r + 1];
            double sum = 0;
            for (int t = 0; t < weights.length; t++) {
                double score = 0;
                for (int i = 0; i < headSize; i++) {
                    score += (double) q[r * headSize + i] * k[t][i];
                }
                weights[t] = Math.exp(score);
                sum += weights[t];
            }
            for (int i = 0; i < headSize; i++) {
                double expected = 0;
                for (int t = 0; t < weights.length; t++) {
                    expected += weights[t] / sum * v[t][i];
                }
                assertThat((double) out[r * headSize + i]).isCloseTo(expected, within(1e-5));
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"F32, 7, 0", "BF16, 7, 70", "F32, 96, 70", "BF16, 96, 0", "F32, 129, 0"})
    void headsAttendTogetherAsEachAlone(PanelFormat format, int headSize, int window) {
        int heads = 3;
        int group = 2;
        int count = 5; // positions
        int first = 190;
        int blocks = Panels.needed(first + count);
        long keys = heads * Pages.keyBytes(format, headSize);
        long values = heads * Pages.valueBytes(format, headSize);
        MemorySegment[] memory = new MemorySegment[blocks];
        Arrays.setAll(memory, page -> Arena.ofAuto().allocate(keys + values, 64));
        Pages pages = new Pages(format, memory, 0, keys, headSize, heads);
        for (int i = 0; i < heads * (first + count); i++) {
            pages.store(i % heads, i / heads, numbers(2 * headSize), 0, headSize);
        }
        Rows queries = Rows.of(numbers(heads * count * group * headSize), headSize, heads * count * group);
        float[] sinks = numbers(heads * group);
        Rows together = Rows.of(new float[queries.data().length], headSize, queries.count());
        PagedAttention all = attention(pages, queries, first, new AttentionRule(group, window, 3, sinks), together);
        all.scores(1, all.count()); // in another order than one after the other
        all.scores(0, 1);
        for (int row = queries.count(); row-- > 0; ) {
            all.weights(row);
        }
        for (int part = all.parts(); part-- > 0; ) {
            all.means(part, part + 1);
        }
        for (int head = 0; head < heads; head++) {
            float[] own = Arrays.copyOfRange(sinks, head * group, (head + 1) * group);
            long key = head * Pages.keyBytes(format, headSize);
            long value = keys + head * Pages.valueBytes(format, headSize);
            Rows some = queries.rows(head * count * group, count * group);
            Rows alone = Rows.of(new float[some.count() * headSize], headSize, some.count());
            Pages one = new Pages(format, memory, key, value, headSize, 1);
            attention(one, some, first, new AttentionRule(group, window, 3, own), alone)
                    .attend();
            assertThat(Arrays.copyOfRange(together.data(), some.offset(), some.offset() + alone.data().length))
                    .isEqualTo(alone.data());
        }
        assertThat(together.data()).doesNotContain(Float.NaN, 0f);
    }

    private static PagedAttention attention(Pages pages, Rows queries, int first, AttentionRule rule, Rows out) {
        int width = 256;
        Rows scores = Rows.of(new float[queries.count() * width], width, queries.count());
        float[] sums = new float[queries.count()];
        return new PagedAttention(
                pages, queries, first, rule, scores, sums, out, (weights, offset, query, head, from, n) -> {
                    weights[offset] *= 1 + query + 10 * (head % 2);
                });
    }

    private float[] numbers(int n) {
        float[] numbers = new float[n];
        for (int i = 0; i < n; i++) {
            numbers[i] = (float) random.nextGaussian();
        }
        return numbers;
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
