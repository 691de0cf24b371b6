package dev.causal4j.compute;

import java.util.Arrays;
import java.util.Objects;

/**
 * Rows of activations in an array: row r starts at {@code offset + r * stride}.
 *
 * @param offset floats to the first row
 * @param stride floats from one row to the next
 * @param count how many rows
 */
public record Rows(float[] data, int offset, int stride, int count) {
    /** All rows of an array that holds nothing else. */
    public static Rows of(float[] data, int stride, int count) {
        return new Rows(data, 0, stride, count);
    }

    /** The index of the first number of a row. */
    public int start(int row) {
        return offset + row * stride;
    }

    /** A range of the rows, in place. */
    public Rows rows(int first, int count) {
        return new Rows(data, start(first), stride, count);
    }

    /** A copy of the first {@code width} numbers of each of these rows, in the given order and without gaps. */
    public Rows chosen(int width, int... rows) {
        float[] chosen = new float[Math.multiplyExact(rows.length, width)];
        for (int i = 0; i < rows.length; i++) {
            System.arraycopy(data, start(Objects.checkIndex(rows[i], count)), chosen, i * width, width);
        }
        return of(chosen, width, rows.length);
    }

    /** Sets the first {@code width} numbers of each row to zero. */
    public void clear(int width) {
        for (int row = 0; row < count; row++) {
            Arrays.fill(data, start(row), start(row) + width, 0f);
        }
    }

    /** Throws unless {@code width} numbers of each row lie inside the array. */
    public void check(int width) {
        if (count > 0) {
            long last = offset + (long) stride * (count - 1);
            Objects.checkFromIndexSize(offset, width, data.length);
            Objects.checkFromIndexSize(last, (long) width, (long) data.length);
        }
    }
}
