package dev.causal4j.kernel;

import dev.causal4j.compute.Rows;
import java.lang.foreign.MemorySegment;

/**
 * Matrix products in plain Java: the specification of {@link VectorProducts}. Each output is one chain of fused
 * multiply-adds in the order of k.
 */
final class ScalarProducts implements Products {
    @Override
    public Tuning tuning() {
        return Tuning.of(1);
    }

    @Override
    public void multiply(Panels w, RowTiles x, Rows y) {
        for (int p = 0; p < w.count(); p++) {
            double[] sums = new double[y.count() * Panels.WIDTH];
            addTo(sums, w, p, x);
            for (int r = 0; r < y.count(); r++) {
                for (int j = 0; j < Panels.WIDTH; j++) {
                    float sum = (float) sums[r * Panels.WIDTH + j];
                    y.data()[y.start(r) + p * Panels.WIDTH + j] =
                            w.format().scaled() ? sum * w.format().scale(w.data(), w.start(p), j) : sum;
                }
            }
        }
    }

    @Override
    public void addProduct(Panels w, RowTiles x, MemorySegment y, long offset) {
        double[] sums = new double[x.count() * Panels.WIDTH];
        for (int i = 0; i < sums.length; i++) {
            sums[i] = y.get(Panels.FLOAT, offset + 4L * i);
        }
        addTo(sums, w, 0, x);
        for (int i = 0; i < sums.length; i++) {
            y.set(Panels.FLOAT, offset + 4L * i, (float) sums[i]);
        }
    }

    /**
     * The chains: sums[r][j] = fma(x[r][k], code[k][j], sums[r][j]) for k = 0, 1, ... The sums are floats kept as
     * doubles, since C2 makes vectors of a loop over two arrays only if they are of two types.
     */
    private static void addTo(double[] sums, Panels w, int panel, RowTiles x) {
        float[] codes = new float[Panels.WIDTH];
        for (int k = 0; k < w.depth(); k++) {
            long step = w.steps(panel) + (long) k * w.format().stepBytes();
            for (int j = 0; j < Panels.WIDTH; j++) {
                codes[j] = w.format().code(w.data(), step, j);
            }
            for (int r = 0; r < x.count(); r++) {
                float xk = x.data()[x.start(r) + k * x.step()];
                for (int j = 0; j < Panels.WIDTH; j++) {
                    sums[r * Panels.WIDTH + j] = Math.fma(xk, codes[j], (float) sums[r * Panels.WIDTH + j]);
                }
            }
        }
    }

    @Override
    public void fillTile(Rows x, int row, int height, int depth, float[] to, int at) {
        for (int r = 0; r < height; r++) {
            int start = x.start(Math.min(row + r, x.count() - 1));
            for (int k = 0; k < depth; k++) {
                to[at + k * RowTiles.STEP + r] = x.data()[start + k];
            }
        }
    }

    @Override
    public void fillTilesAcross(Rows x, int columns, int height, float[] to, int at, int stride) {
        for (int k = 0; k < x.count(); k++) {
            for (int c = 0; c < Math.ceilDiv(columns, height) * height; c++) {
                to[at + c / height * stride + k * RowTiles.STEP + c % height] =
                        x.data()[x.start(k) + Math.min(c, columns - 1)];
            }
        }
    }

    @Override
    public void transpose(float[] from, float[] to) {
        for (int k = 0; k < Panels.WIDTH; k++) {
            for (int j = 0; j < Panels.WIDTH; j++) {
                to[j * Panels.WIDTH + k] = from[k * Panels.WIDTH + j];
            }
        }
    }
}
