package dev.causal4j.kernel;

import dev.causal4j.compute.Rows;

/** Fills {@link RowTiles}: the specification of {@link VectorRowTiles}. Numbers are moved, never computed with. */
final class ScalarRowTiles {
    /** Steps of a row that are filled at once: 16 KB, which stay in the first-level cache from row to row. */
    private static final int BLOCK = 512;

    private static final int STEP = RowTiles.STEP;

    private ScalarRowTiles() {}

    /** Steps {@code begin} to {@code depth - 1} of {@link Products#fillTile}. */
    static void fill(Rows x, int row, int height, int begin, int depth, float[] to, int at) {
        if (height == RowTiles.ROWS && row + height <= x.count()) {
            fillSix(x.data(), x.start(row), x.stride(), begin, depth, to, at);
            return;
        }
        float[] from = x.data();
        for (int block = begin; block < depth; block += BLOCK) {
            int end = Math.min(depth, block + BLOCK);
            for (int r = 0; r < height; r++) {
                int start = x.start(Math.min(row + r, x.count() - 1));
                for (int k = block; k < end; k++) {
                    to[at + r + k * STEP] = from[start + k];
                }
            }
        }
    }

    /** Six rows side by side, whose numbers of a step are then written together. */
    private static void fillSix(float[] from, int row, int stride, int begin, int depth, float[] to, int at) {
        int row1 = row + stride;
        int row2 = row1 + stride;
        int row3 = row2 + stride;
        int row4 = row3 + stride;
        int row5 = row4 + stride;
        for (int k = begin; k < depth; k++) {
            int step = at + k * STEP;
            to[step] = from[row + k];
            to[step + 1] = from[row1 + k];
            to[step + 2] = from[row2 + k];
            to[step + 3] = from[row3 + k];
            to[step + 4] = from[row4 + k];
            to[step + 5] = from[row5 + k];
        }
    }

    /** Tiles {@code begin} on of {@link Products#fillTilesAcross}. */
    static void fillAcross(Rows x, int begin, int columns, float[] to, int at, int stride) {
        for (int tile = begin; tile < RowTiles.needed(columns); tile++) {
            for (int k = 0; k < x.count(); k++) {
                for (int c = 0; c < RowTiles.ROWS; c++) {
                    int column = Math.min(tile * RowTiles.ROWS + c, columns - 1);
                    to[at + tile * stride + k * STEP + c] = x.data()[x.start(k) + column];
                }
            }
        }
    }
}
