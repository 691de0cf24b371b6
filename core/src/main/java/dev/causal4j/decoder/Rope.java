package dev.causal4j.decoder;

import dev.causal4j.decoder.BlockConfig.RopeConfig;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicReferenceArray;

/**
 * Rotary positions (Su et al. 2021): coordinates j and j + width / 2 of a head are rotated by position ·
 * frequencies[j]; coordinates from width on are unchanged. Sines and cosines are computed once, for 64 positions at a
 * time. Thread-safe.
 */
final class Rope {
    private static final int POSITIONS = PagePool.POSITIONS;

    /** Most tables that are kept. */
    private static final int MOST_TABLES = 8;

    private final RopeConfig config;
    private final int half;
    private final int contextLength;
    private final Table usual;
    private final Map<Integer, Table> tables = new ConcurrentHashMap<>(); // by RopeConfig.longer

    Rope(RopeConfig config, int contextLength) {
        this.config = config;
        this.half = config.width() / 2;
        this.contextLength = contextLength;
        this.usual = new Table(config.frequencies());
    }

    /** The factor that multiplies queries at a position. */
    float queryFactor(int position) {
        return config.queryFactor(position);
    }

    /** The sines and cosines of a sequence that has room for {@code capacity} tokens. */
    Table table(int capacity) {
        int length = config.longer(capacity);
        if (length == 0) {
            return usual;
        }
        if (tables.size() >= MOST_TABLES && !tables.containsKey(length)) {
            tables.clear();
        }
        return tables.computeIfAbsent(length, each -> new Table(config.frequencies(each)));
    }

    /** Sines and cosines for some frequencies. */
    final class Table {
        private final List<Double> frequencies;
        private final AtomicReferenceArray<float[]> pages; // each [64][cosines, then sines]

        private Table(List<Double> frequencies) {
            this.frequencies = frequencies;
            this.pages = new AtomicReferenceArray<>(PagePool.needed(contextLength));
        }

        /** Rotates a head's numbers in place. */
        void forward(float[] x, int offset, int position) {
            turn(x, offset, position, 1);
        }

        /** The gradient by the numbers before the rotation, in place: the transpose rotates back. */
        void backward(float[] dx, int offset, int position) {
            turn(dx, offset, position, -1);
        }

        private void turn(float[] x, int offset, int position, float sign) {
            float[] page = page(position / POSITIONS);
            int cos = position % POSITIONS * 2 * half;
            for (int j = 0; j < half; j++) {
                float c = page[cos + j];
                float s = sign * page[cos + half + j];
                float a = x[offset + j];
                float b = x[offset + half + j];
                x[offset + j] = Math.fma(a, c, -(b * s));
                x[offset + half + j] = Math.fma(b, c, a * s);
            }
        }

        private float[] page(int index) {
            float[] page = pages.get(index);
            if (page == null) { // several threads may compute the same numbers
                page = new float[POSITIONS * 2 * half];
                for (int t = 0; t < POSITIONS; t++) {
                    for (int j = 0; j < half; j++) {
                        double angle = (double) (index * POSITIONS + t) * frequencies.get(j);
                        page[t * 2 * half + j] = (float) (config.gain() * StrictMath.cos(angle));
                        page[t * 2 * half + half + j] = (float) (config.gain() * StrictMath.sin(angle));
                    }
                }
                pages.set(index, page);
            }
            return page;
        }
    }
}
