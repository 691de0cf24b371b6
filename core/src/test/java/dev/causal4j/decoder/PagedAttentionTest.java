package dev.causal4j.decoder;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.causal4j.compute.Rows;
import dev.causal4j.kernel.PanelFormat;
import dev.causal4j.kernel.Panels;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class PagedAttentionTest {
    private final Random random = new Random(11);

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
                        new AttentionRule(1, 0, 0, 0, null),
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
        PagedAttention all = attention(pages, queries, first, new AttentionRule(group, window, 0, 3, sinks), together);
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
            attention(one, some, first, new AttentionRule(group, window, 0, 3, own), alone)
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
}
