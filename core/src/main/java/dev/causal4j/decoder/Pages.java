package dev.causal4j.decoder;

import dev.causal4j.compute.Rows;
import dev.causal4j.kernel.PanelFormat;
import dev.causal4j.kernel.Panels;
import dev.causal4j.kernel.choice.Kernels;
import java.lang.foreign.MemorySegment;
import java.util.Objects;

/**
 * Keys and values of neighbouring heads in pages of {@value Panels#WIDTH} positions, f32 or bf16. In each page the keys
 * of a head are a panel [headSize][64]. Its values are parts of 64 columns, the last perhaps narrower; a part has a row
 * for each position. Rows of bf16 are padded to whole words of a step of a panel.
 *
 * @param memory the pages in the order of their positions; there may be more than are read
 * @param keys bytes from the start of a page to the first head's keys
 * @param values bytes from the start of a page to the first head's values
 */
@SuppressWarnings("exports") // attention makes them, and its benchmark
public record Pages(PanelFormat format, MemorySegment[] memory, long keys, long values, int headSize, int heads) {
    /** Bytes of a head's keys in a page. */
    public static long keyBytes(PanelFormat format, int headSize) {
        return format.bytes(headSize);
    }

    /** Bytes of a head's values in a page. */
    public static long valueBytes(PanelFormat format, int headSize) {
        return Panels.WIDTH * format.rowBytes(headSize);
    }

    /** Parts of the values of a head. */
    int parts() {
        return Panels.needed(headSize);
    }

    /** Columns of a part. */
    int width(int part) {
        return Math.min(Panels.WIDTH, headSize - part * Panels.WIDTH);
    }

    /** Throws unless keys and values of the positions {@code from} to {@code to - 1} lie inside the pages. */
    void check(int from, int to) {
        int count = Objects.checkIndex(Panels.needed(to), memory.length + 1);
        for (int page = from / Panels.WIDTH; page < count; page++) {
            long bytes = memory[page].byteSize();
            Objects.checkFromIndexSize(keys, heads * keyBytes(format, headSize), bytes);
            Objects.checkFromIndexSize(values, heads * valueBytes(format, headSize), bytes);
        }
    }

    /**
     * The products of queries with the first head's keys: scores[r][t - from] = queries[r] · key t, for positions t
     * from {@code from} to the end of the page of position {@code to - 1}.
     *
     * @param queries rows of {@code headSize} numbers
     * @param from the first position of a page
     * @param scores as many rows, of {@code to - from} numbers rounded up to a multiple of 64
     */
    void scores(Rows queries, int from, int to, Rows scores) {
        check(from, to);
        queries.check(headSize);
        scores.check(Panels.needed(to - from) * Panels.WIDTH);
        for (int at = 0; at < to - from; at += Panels.WIDTH) {
            Rows some = new Rows(scores.data(), scores.offset() + at, scores.stride(), scores.count());
            scores((from + at) / Panels.WIDTH, 0, queries, some);
        }
    }

    /** The products of queries with the keys of a head, for the positions of a page. */
    void scores(int page, int head, Rows queries, Rows scores) {
        scores.clear(Panels.WIDTH);
        long at = keys + head * keyBytes(format, headSize);
        Kernels.addWeightedRows(format, memory[page], at, headSize, queries, scores, 0, Panels.WIDTH);
    }

    /** Adds weight · value to the means of a part of a head's values, for some positions of a page. */
    void addValues(int page, int head, int part, int first, Rows weights, int count, Rows means) {
        long at = value(head, part) + first * format.rowBytes(width(part));
        Kernels.addWeightedRows(format, memory[page], at, count, weights, means, 0, width(part));
    }

    /** Stores key and value of a head at a position: {@code headSize} numbers from {@code key} and {@code value} on. */
    public void store(int head, int position, float[] from, int key, int value) {
        MemorySegment page = memory[position / Panels.WIDTH];
        int slot = position % Panels.WIDTH;
        long to = keys + head * keyBytes(format, headSize);
        for (int i = 0; i < headSize; i++) {
            format.put(from[key + i], page, to + (long) i * format.stepBytes(), slot);
        }
        for (int part = 0; part < parts(); part++) {
            long row = value(head, part) + slot * format.rowBytes(width(part));
            for (int i = 0; i < width(part); i++) {
                format.put(from[value + part * Panels.WIDTH + i], page, row, i);
            }
        }
    }

    /** Reads the numbers of {@link #store}, as rounded by the format. */
    public void load(int head, int position, float[] to, int key, int value) {
        MemorySegment page = memory[position / Panels.WIDTH];
        int slot = position % Panels.WIDTH;
        long from = keys + head * keyBytes(format, headSize);
        for (int i = 0; i < headSize; i++) {
            to[key + i] = format.code(page, from + (long) i * format.stepBytes(), slot);
        }
        for (int part = 0; part < parts(); part++) {
            long row = value(head, part) + slot * format.rowBytes(width(part));
            for (int i = 0; i < width(part); i++) {
                to[value + part * Panels.WIDTH + i] = format.code(page, row, i);
            }
        }
    }

    /** Bytes from the start of a page to a part of a head's values. */
    private long value(int head, int part) {
        return values + head * valueBytes(format, headSize) + part * valueBytes(format, Panels.WIDTH);
    }
}
