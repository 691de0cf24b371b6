package dev.causal4j.decoder;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.causal4j.kernel.CounterRandom;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

class DropoutMaskTest {
    private static float[] ones(int n) {
        float[] ones = new float[n];
        Arrays.fill(ones, 1f);
        return ones;
    }

    @Test
    void theShareThatIsDroppedIsTheRateAndTheMeanStays() {
        float[] x = ones(1 << 20);
        new DropoutMask(0.3, 4, -9).apply(x, 0, x.length, 12345);
        long dropped = 0;
        double sum = 0;
        for (float value : x) {
            dropped += value == 0 ? 1 : 0;
            sum += value;
            assertThat(value == 0 || value == (float) (1 / 0.7)).isTrue();
        }
        double error = 5 * Math.sqrt(0.3 * 0.7 / x.length);
        assertThat((double) dropped / x.length).isCloseTo(0.3, within(error));
        assertThat(sum / x.length).isCloseTo(1, within(error / 0.7));
    }

    @Test
    void aMaskInPiecesIsTheMaskOfTheWhole() {
        DropoutMask mask = new DropoutMask(0.5, 1, 2);
        float[] whole = ones(803);
        mask.apply(whole, 0, 803, 1L << 40);
        float[] pieces = ones(803);
        int[] cuts = {0, 1, 3, 4, 9, 50, 103, 358, 361, 803};
        for (int i = 1; i < cuts.length; i++) {
            mask.apply(pieces, cuts[i - 1], cuts[i] - cuts[i - 1], (1L << 40) + cuts[i - 1]);
        }
        assertThat(pieces).containsExactly(whole);
    }

    @Test
    void eachNumberIsAWordOfPhilox() {
        int n = 600;
        long position = (1L << 34) - 299; // the carry into the counter's second word is in the middle
        float[] x = ones(n);
        long seed = 0xfedcba9876543210L;
        long stream = 0x8000000312345679L;
        new DropoutMask(0.5, seed, stream).apply(x, 0, n, position);
        for (int i = 0; i < n; i++) {
            long p = position + i;
            long words = (long) (CounterRandom.uniform(seed, p / 2, stream) * 0x1p53) << 11;
            boolean isBelow = (p % 2 == 0 ? words : words << 32) >= 0; // a word's first bit
            assertThat(x[i]).isEqualTo(isBelow ? 0f : 2f);
        }
    }

    @Test
    void streamsAndSeedsDiffer() {
        float[] one = ones(200);
        float[] stream = ones(200);
        float[] seed = ones(200);
        new DropoutMask(0.5, 1, 2).apply(one, 0, 200, 0);
        new DropoutMask(0.5, 1, 3).apply(stream, 0, 200, 0);
        new DropoutMask(0.5, 2, 2).apply(seed, 0, 200, 0);
        assertThat(stream).isNotEqualTo(one);
        assertThat(seed).isNotEqualTo(one);
    }

    @Test
    void rateZeroChangesNothingAndRateOneIsRefused() {
        float[] x = ones(9);
        new DropoutMask(0, 1, 2).apply(x, 0, 9, 0);
        assertThat(x).containsOnly(1f);
        assertThatThrownBy(() -> Dropout.rates(0, 1, 0))
                .hasMessage("dropout: expected a rate from 0 to below 1, got 1.0");
    }
}
