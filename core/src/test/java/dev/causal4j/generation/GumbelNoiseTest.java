package dev.causal4j.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.causal4j.compute.Compute;
import dev.causal4j.kernel.CounterRandom;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

class GumbelNoiseTest {
    @Test
    void theNoiseIsGumbels() {
        assertThat(GumbelNoise.noise(Math.exp(-1))).isCloseTo(0, within(1e-15));
        assertThat(GumbelNoise.noise(0.5)).isEqualTo(0.36651292058166435);
        assertThat(GumbelNoise.noise(0)).isCloseTo(-Math.log(54 * Math.log(2)), within(1e-12));
        assertThat(GumbelNoise.noise(1 - 0x1p-53)).isCloseTo(53 * Math.log(2), within(1e-12));
    }

    @Test
    void theNoiseNeverExceedsItsBoundAndComesNear() {
        for (int e = 1; e <= 53; e++) {
            for (double u : new double[] {Math.scalb(1.0, -e), 1 - Math.scalb(1.0, -e)}) {
                for (double near : new double[] {u, u - 0x1p-53, u + 0x1p-53}) {
                    if (near >= 0 && near < 1) {
                        assertThat(GumbelNoise.noise(near)).isLessThanOrEqualTo(GumbelNoise.atMost(near));
                    }
                }
            }
        }
        for (int i = 0; i < 100_000; i++) {
            double u = CounterRandom.uniform(3, i, 0);
            double gap = GumbelNoise.atMost(u) - GumbelNoise.noise(u);
            assertThat(gap).isNotNegative();
            if (u > 0.5) {
                assertThat(gap).isLessThan(u > 0.99 ? 0.7 : 1.02);
            }
        }
    }

    @Test
    void aDrawIsTheLargestSumAndTheSameForEveryNumberOfThreads() {
        int n = 5000; // several tasks
        float[] logits = SamplerTest.normals(n);
        logits[77] = Float.NEGATIVE_INFINITY;
        FilteredTokens candidates = new FilteredTokens(n, Compute.shared());
        int threads = Compute.shared().threads();
        try {
            for (int position = 0; position < 200; position++) {
                System.arraycopy(logits, 0, candidates.logits, 0, n);
                candidates.start();
                int best = 0;
                double largest = Double.NEGATIVE_INFINITY;
                for (int id = 0; id < n; id++) {
                    double u = CounterRandom.uniform(5, id, (1L << 32) + position);
                    double sum = logits[id] - StrictMath.log(-StrictMath.log(u));
                    if (sum > largest) {
                        largest = sum;
                        best = id;
                    }
                }
                Compute.shared().use(1 + position % 2);
                assertThat(GumbelNoise.draw(candidates, 5, position)).isEqualTo(best);
            }
        } finally {
            Compute.shared().use(threads);
        }
    }

    @Test
    void oneCandidateOfHugeSizeIsDrawn() {
        FilteredTokens candidates = new FilteredTokens(3, Compute.shared());
        Arrays.fill(candidates.logits, Float.NEGATIVE_INFINITY);
        candidates.logits[0] = -Float.MAX_VALUE;
        candidates.start();
        assertThat(GumbelNoise.draw(candidates, 1, 1)).isZero();
    }
}
