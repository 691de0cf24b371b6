package dev.causal4j.kernel;

import static dev.causal4j.kernel.ScalarKernels.FLOAT;
import static dev.causal4j.kernel.ScalarKernels.LANES;

import java.lang.foreign.MemorySegment;

/** The specification of the gradients of what is elementwise or runs over a row, and of what gradients need besides. */
final class ScalarBackward {
    private ScalarBackward() {}

    static void layerNorm(
            float[] x, float[] dy, float[] dx, int offset, float[] gain, float epsilon, float[] moments, int at) {
        int n = gain.length;
        ScalarKernels.moments(x, offset, n, epsilon, moments, at);
        float mean = moments[at];
        float scale = moments[at + 1];
        float[] lanes = new float[LANES];
        float[] products = new float[LANES];
        for (int i = 0; i < n; i++) {
            float g = dy[offset + i] * gain[i];
            lanes[i % LANES] += g;
            products[i % LANES] = Math.fma(g, (x[offset + i] - mean) * scale, products[i % LANES]);
        }
        float meanGradient = ScalarKernels.tree(lanes) / n;
        float meanProduct = ScalarKernels.tree(products) / n;
        for (int i = 0; i < n; i++) {
            float g = dy[offset + i] * gain[i] - meanGradient;
            float h = (x[offset + i] - mean) * scale;
            dx[offset + i] = Math.fma(Math.fma(-h, meanProduct, g), scale, dx[offset + i]);
        }
    }

    static void gelu(float[] x, float[] dy, int offset, int n) {
        for (int i = offset; i < offset + n; i++) {
            dy[i] *= geluDerivative(x[i]);
        }
    }

    private static float geluDerivative(float x) {
        float u = ScalarKernels.GELU_SCALE * Math.fma(ScalarKernels.GELU_CUBE * x * x, x, x);
        float s = 1f / (1f + ScalarKernels.exp(-(u + u)));
        float slope = ScalarKernels.GELU_SCALE * Math.fma(3 * ScalarKernels.GELU_CUBE * x, x, 1f); // u'
        return Math.fma(x * s * (1f - s), slope + slope, s);
    }

    static void transpose(MemorySegment from, long fromOffset, MemorySegment to, long toOffset) {
        float[] block = new float[Kernels.PANEL * Kernels.PANEL];
        MemorySegment.copy(from, FLOAT, fromOffset, block, 0, block.length);
        float[] row = new float[Kernels.PANEL];
        for (int j = 0; j < Kernels.PANEL; j++) {
            for (int k = 0; k < Kernels.PANEL; k++) {
                row[k] = block[k * Kernels.PANEL + j];
            }
            MemorySegment.copy(row, 0, to, FLOAT, toOffset + j * 4L * Kernels.PANEL, Kernels.PANEL);
        }
    }

    static void adamW(AdamWStep step, AdamWStep.Numbers numbers) {
        int count = numbers.count();
        float[] weights = read(numbers.weights(), numbers);
        float[] first = read(numbers.first(), numbers);
        float[] second = read(numbers.second(), numbers);
        step.apply(weights, read(numbers.gradient(), numbers), first, second, count);
        MemorySegment.copy(weights, 0, numbers.weights(), FLOAT, numbers.offset(), count);
        MemorySegment.copy(first, 0, numbers.first(), FLOAT, numbers.offset(), count);
        MemorySegment.copy(second, 0, numbers.second(), FLOAT, numbers.offset(), count);
    }

    private static float[] read(MemorySegment memory, AdamWStep.Numbers numbers) {
        float[] copy = new float[numbers.count()];
        MemorySegment.copy(memory, FLOAT, numbers.offset(), copy, 0, copy.length);
        return copy;
    }

    static void addSquares(Panels w, double[] sums) {
        float[] step = new float[Kernels.PANEL];
        for (int k = 0; k < w.depth(); k++) {
            MemorySegment.copy(w.data(), FLOAT, w.start(0) + k * 4L * Kernels.PANEL, step, 0, Kernels.PANEL);
            for (int j = 0; j < Kernels.PANEL; j++) {
                sums[j] += (double) step[j] * step[j];
            }
        }
    }
}
