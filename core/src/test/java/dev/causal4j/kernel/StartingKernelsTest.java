package dev.causal4j.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.compute.Rows;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Kernels that go over to their vector twins while they are used, and nobody sees when. */
@Timeout(60)
class StartingKernelsTest {
    private final Random random = new Random(5);
    private final StartingKernels kernels = new StartingKernels(new VectorKernels());
    private final KernelSet plain = new ScalarKernels();

    private float[] numbers(int n) {
        float[] numbers = new float[n];
        for (int i = 0; i < n; i++) {
            numbers[i] = (float) random.nextGaussian();
        }
        return numbers;
    }

    @Test
    void aProductHasTheSameBitsBeforeAndAfterItGoesOver() {
        int panels = 5;
        int depth = 301;
        MemorySegment data = Arena.ofAuto().allocate((long) panels * depth * Panels.WIDTH, 64);
        for (long i = 0; i < data.byteSize(); i++) {
            data.set(ValueLayout.JAVA_BYTE, i, (byte) (random.nextInt(255) - 127));
        }
        Panels w = new Panels(data, 0, (long) depth * Panels.WIDTH, panels, depth);
        for (int rows : new int[] {1, 7, 13}) {
            Rows x = Rows.of(numbers(rows * depth), depth, rows);
            int height = kernels.tileRows(rows);
            RowTiles tiles = height == 0 ? null : KernelSetTest.tiles(x, depth, height);
            Rows expected = Rows.of(new float[rows * panels * Panels.WIDTH], panels * Panels.WIDTH, rows);
            plain.multiplyInt8(w, x, expected);
            long before = kernels.started();
            for (int after = 0; after < 10; after += kernels.started() > before ? 1 : 0) {
                float[] y = new float[expected.data().length];
                Rows out = Rows.of(y, expected.stride(), rows);
                if (tiles == null) {
                    kernels.multiplyInt8(w, x, out);
                } else {
                    kernels.multiplyInt8(w, tiles, out);
                }
                assertThat(Arrays.equals(y, expected.data())).isTrue();
            }
        }
        assertThat(kernels.started()).isEqualTo(3);
    }

    @Test
    void weightedSumsHaveTheSameBitsBeforeAndAfterTheyGoOver() {
        int n = 77;
        MemorySegment v = Arena.ofAuto().allocate(64L * n * 4, 64);
        MemorySegment.copy(numbers(64 * n), 0, v, ScalarKernels.FLOAT, 0, 64 * n);
        float[] p = numbers(4 * 64);
        float[] one = new float[n];
        float[] four = new float[4 * n];
        plain.addWeightedRows(p, 0, 64, v, 0, one, 0, n);
        Rows weights = Rows.of(p, 64, 4);
        plain.addFourWeightedRows(weights, 0, 0, 64, v, 0, Rows.of(four, n, 4), n);
        for (int after = 0; after < 10; after += kernels.started() > 0 ? 1 : 0) {
            float[] y = new float[n];
            kernels.addWeightedRows(p, 0, 64, v, 0, y, 0, n);
            assertThat(Arrays.equals(y, one)).isTrue();
            y = new float[4 * n];
            kernels.addFourWeightedRows(weights, 0, 0, 64, v, 0, Rows.of(y, n, 4), n);
            assertThat(Arrays.equals(y, four)).isTrue();
        }
    }

    @Test
    void anElementwiseKernelHasTheSameBitsBeforeAndAfterItGoesOver() {
        float[] x = numbers(3077);
        float[] expected = x.clone();
        plain.gelu(expected, 0, x.length);
        for (int after = 0; after < 10; after += kernels.started() > 0 ? 1 : 0) {
            float[] y = x.clone();
            kernels.gelu(y, 0, y.length);
            assertThat(Arrays.equals(y, expected)).isTrue();
        }
    }

    @Test
    void aTileHoldsTheSameNumbersBeforeAndAfterItGoesOver() {
        int depth = 771;
        Rows x = Rows.of(numbers(RowTiles.FEW * depth), depth, RowTiles.FEW);
        float[] expected = new float[depth * RowTiles.STEP];
        plain.fillTile(x, 0, RowTiles.FEW, depth, expected, 0);
        for (int after = 0; after < 10; after += kernels.started() > 0 ? 1 : 0) {
            float[] tile = new float[expected.length];
            kernels.fillTile(x, 0, RowTiles.FEW, depth, tile, 0);
            assertThat(Arrays.equals(tile, expected)).isTrue();
        }
    }

    @Test
    void theLargestIsTheSameBeforeAndAfterItGoesOver() {
        float[] x = numbers(3077);
        float expected = plain.max(x, 0, x.length);
        for (int after = 0; after < 10; after += kernels.started() > 0 ? 1 : 0) {
            assertThat(kernels.max(x, 0, x.length)).isEqualTo(expected);
        }
    }

    @Test
    void aSumTooShortForAVectorGoesOverToo() {
        float[] x = numbers(7);
        float[] expected = x.clone();
        float sum = plain.expSum(expected, 0, x.length);
        for (int after = 0; after < 10; after += kernels.started() > 0 ? 1 : 0) {
            float[] y = x.clone();
            assertThat(kernels.expSum(y, 0, y.length)).isEqualTo(sum);
            assertThat(Arrays.equals(y, expected)).isTrue();
        }
    }

    @Test
    void aProductGoesOverAlthoughTheMemoryOfItsSampleIsFreed() throws InterruptedException {
        int depth = 1 << 20; // a run of the sample takes longer than it takes to free it
        long bytes = (long) depth * Panels.WIDTH;
        Rows x = Rows.of(numbers(depth), depth, 1);
        Rows y = Rows.of(new float[Panels.WIDTH], Panels.WIDTH, 1);
        try (Arena arena = Arena.ofShared()) {
            Panels w = new Panels(arena.allocate(bytes, 64), 0, bytes, 1, depth);
            for (int call = 0; call < 4; call++) {
                kernels.multiplyInt8(w, x, y);
            }
        }
        while (kernels.started() == 0) {
            Thread.sleep(1);
        }
        try (Arena arena = Arena.ofShared()) {
            kernels.multiplyInt8(new Panels(arena.allocate(bytes, 64), 0, bytes, 1, depth), x, y);
        }
        assertThat(y.data()).containsOnly(0f);
    }

    @Test
    void littleWorkStaysPlain() {
        float[] x = numbers(64);
        kernels.gelu(x, 0, x.length);
        assertThat(kernels.started()).isZero();
        assertThat(kernels.name()).startsWith("vector");
    }
}
