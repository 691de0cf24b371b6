package dev.causal4j.kernel;

import dev.causal4j.compute.Rows;
import java.lang.foreign.MemorySegment;
import java.util.Objects;

/**
 * The gated delta rule (Yang et al. 2024) over the next positions of a head, for up to {@value #COLUMNS} columns of its
 * state S [depth, columns]; without the correction it is Mamba 2's state space (Dao and Gu 2024). Positions are
 * computed one after another; columns are independent. At a position, with i ascending, each line has one rounding,
 * except line 3 with two:
 *
 * <pre>
 *   1  h_i = g S_i
 *   2  a = fma(h_i, k_i, a) from 0
 *   3  d = (v - a) b
 *   4  S_i = fma(k_i, d, h_i)
 *   5  y = fma(q_i, S_i, y) from 0
 * </pre>
 *
 * @param state S [depth][32], from byte {@code at} on: read and written
 * @param depth numbers of a key
 * @param columns numbers of a value
 * @param corrects whether line 2 is computed; else a is 0
 * @param queries q [T, depth]
 * @param keys k [T, depth]
 * @param values v [T, columns]
 * @param decays g [T, 1]
 * @param rates b [T, 1]
 * @param out y [T, columns], written
 */
public record DeltaRule(
        MemorySegment state,
        long at,
        int depth,
        int columns,
        boolean corrects,
        Rows queries,
        Rows keys,
        Rows values,
        Rows decays,
        Rows rates,
        Rows out) {
    /** Columns of a block of a state. */
    public static final int COLUMNS = 32;

    /** Bytes of a block of a state. */
    public static long bytes(int depth) {
        return 4L * COLUMNS * depth;
    }

    /** Positions. */
    int count() {
        return out.count();
    }

    /** Throws unless all numbers are inside their memory. */
    public void check() {
        Objects.checkFromIndexSize(at, bytes(depth), state.byteSize());
        Objects.checkIndex(columns, COLUMNS + 1);
        checked(queries).check(depth);
        checked(keys).check(depth);
        checked(values).check(columns);
        checked(decays).check(1);
        checked(rates).check(1);
        out.check(columns);
    }

    private Rows checked(Rows rows) {
        Objects.checkFromIndexSize(0, count(), rows.count());
        return rows;
    }
}
