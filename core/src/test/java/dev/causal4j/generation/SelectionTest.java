package dev.causal4j.generation;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

class SelectionTest {
    private final Selection selection = new Selection();

    @Test
    void findsTheKthLargestOfAnyFloats() {
        Random random = new Random(8);
        for (int round = 0; round < 2_000; round++) {
            float[] keys = new float[1 + random.nextInt(60)];
            for (int i = 0; i < keys.length; i++) {
                // All magnitudes and both signs, or few distinct values.
                keys[i] = round % 2 == 0 ? finite(random) : random.nextInt(7) - 3;
            }
            float[] sorted = keys.clone();
            Arrays.sort(sorted);
            for (int k = 1; k <= keys.length; k++) {
                assertThat(selection.threshold(keys, null, keys.length, k))
                        .as("%d-th largest of %s", k, Arrays.toString(keys))
                        .isEqualTo(sorted[keys.length - k]);
            }
        }
    }

    @Test
    void findsWhereTheWeightIsReached() {
        float[] keys = {5, 9, 1, 7};
        float[] weights = {0.25f, 0.5f, 0.125f, 0.125f};
        assertThat(selection.threshold(keys, weights, 4, 0.5)).isEqualTo(9);
        assertThat(selection.threshold(keys, weights, 4, Math.nextUp(0.5))).isEqualTo(7);
        assertThat(selection.threshold(keys, weights, 4, 0.625)).isEqualTo(7);
        assertThat(selection.threshold(keys, weights, 4, 0.626)).isEqualTo(5);
        assertThat(selection.threshold(keys, weights, 4, 1)).isEqualTo(1);
    }

    @Test
    void aWeightNobodyReachesGivesTheSmallestKeyThatWeighsAnything() {
        float[] keys = {5, 9, 1, 7};
        assertThat(selection.threshold(keys, new float[] {0.25f, 0.5f, 0, 0.125f}, 4, 1))
                .isEqualTo(5);
        assertThat(selection.threshold(keys, null, 4, 5)).isEqualTo(1);
        // Nor does a bound below 0 stop at a key without weight.
        assertThat(selection.threshold(keys, new float[] {1, 0, 1, 1}, 4, -1)).isEqualTo(7);
    }

    @Test
    void onlyTheFirstNKeysCount() {
        assertThat(selection.threshold(new float[] {1, 2, 99}, null, 2, 1)).isEqualTo(2);
    }

    @Test
    void bothZerosAreOneKey() {
        assertThat(selection.threshold(new float[] {-0f, 0f, -1}, null, 3, 1)).isEqualTo(0f);
        assertThat(selection.threshold(new float[] {-0f, 0f, -1}, null, 3, 2)).isEqualTo(0f);
        assertThat(selection.threshold(new float[] {-0f, 0f, -1}, null, 3, 3)).isEqualTo(-1);
    }

    private static float finite(Random random) {
        float x = Float.intBitsToFloat(random.nextInt());
        return Float.isFinite(x) ? x : 0;
    }
}
