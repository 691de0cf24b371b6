package dev.causal4j.head;

import dev.causal4j.compute.Rows;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Objects;

/**
 * The logits of one hidden vector, of which some are known and the rest only bounded from above. Scratch of one caller,
 * reused from row to row; not thread-safe.
 *
 * <p>A known logit has the bits {@link CausalLMHead#logits} gives it. Who needs all logits from some value on asks for
 * those whose bound reaches it ({@link #knowAtLeast}): any other is below it.
 */
public final class ScreenedLogits {
    /** Beyond one row in this many the whole product is cheaper than single rows. */
    private static final int SHARE = 20;

    /** So many maxima of groups are searched in place of all tokens. */
    private static final int GROUPS = 1024;

    private final Screen screen;
    private final int tokens; // of V
    private final float[] upper; // [V]; z[i] <= upper[i]
    private final float[] groups; // maxima of upper over the tokens that are equal modulo groups.length
    private final int[] ids; // [known]
    private final float[] logits; // [known]
    private final BitSet known;
    private float[] hidden = {};
    private int offset;
    private int count;

    /**
     * Scratch for rows of one screen.
     *
     * @param tokens how many there are to choose from, at most V: ids from there on mean nothing
     */
    public ScreenedLogits(Screen screen, int tokens) {
        Objects.checkFromToIndex(1, tokens, screen.vocabularySize());
        this.screen = screen;
        this.tokens = tokens;
        upper = new float[screen.vocabularySize()];
        groups = new float[Math.min(tokens, GROUPS)];
        ids = new int[mostKnown(tokens)];
        logits = new float[ids.length];
        known = new BitSet(tokens);
    }

    /** How many logits of a row can be known at most. */
    public static int mostKnown(int tokens) {
        return Math.ceilDiv(tokens, SHARE);
    }

    /**
     * Starts over with a row: bounds every logit, knows none.
     *
     * @param hidden [N, D]; must not change while this row is in use
     * @return false if the bounds do not hold for this vector (not finite, or of extreme size); nothing may be asked then
     */
    public boolean screen(Rows hidden, int row) {
        this.hidden = hidden.data();
        offset = hidden.start(row);
        count = 0;
        known.clear();
        int depth = screen.projection().cols();
        double norm = Screen.norm(hidden.data(), offset, depth);
        if (!screen.holdsFor(norm)) { // NaN and infinity are not
            return false;
        }
        Rows vector = new Rows(hidden.data(), offset, depth, 1);
        screen.codes().multiply(vector, null, Rows.of(upper, upper.length, 1));
        raise(upper, screen.bounds(), Screen.up(norm));
        findGroupMaxima();
        return true;
    }

    private static void raise(float[] approximate, float[] bounds, float norm) {
        for (int i = 0; i < approximate.length; i++) {
            approximate[i] = Math.fma(norm, bounds[i], approximate[i]);
        }
    }

    private void findGroupMaxima() {
        int width = groups.length;
        System.arraycopy(upper, 0, groups, 0, width);
        for (int start = width; start < tokens; start += width) {
            int n = Math.min(width, tokens - start);
            for (int g = 0; g < n; g++) {
                groups[g] = Math.max(groups[g], upper[start + g]);
            }
        }
    }

    /** How many tokens there are to choose from. */
    public int tokens() {
        return tokens;
    }

    /** What the logit of {@code id} does not exceed. */
    public float upper(int id) {
        return upper[id];
    }

    /** How many logits are known. */
    public int known() {
        return count;
    }

    /** Whether the logit of {@code id} is known. */
    public boolean knows(int id) {
        return known.get(id);
    }

    /**
     * Computes about k of the logits with the largest bounds, and at least k.
     *
     * @return false if that is more than may be known; the caller then needs the whole product
     */
    public boolean knowLargest(int k) {
        if (k > groups.length / 2) {
            return false;
        }
        float threshold = Float.NEGATIVE_INFINITY;
        if (k == 1) {
            for (float group : groups) {
                threshold = Math.max(threshold, group);
            }
        } else {
            float[] sorted = groups.clone();
            Arrays.sort(sorted);
            threshold = sorted[sorted.length - k]; // k groups have one bound at least that reaches it
        }
        return knowAtLeast(threshold);
    }

    /**
     * Computes all logits whose bound is {@code threshold} or more, so that those still unknown are below it.
     *
     * @return false if that is more than may be known; the caller then needs the whole product
     */
    public boolean knowAtLeast(float threshold) {
        int from = count;
        for (int g = 0; g < groups.length; g++) {
            if (groups[g] < threshold) {
                continue;
            }
            for (int id = g; id < tokens; id += groups.length) {
                if (upper[id] >= threshold && !add(id)) {
                    return forget(from);
                }
            }
        }
        compute(from);
        return true;
    }

    /**
     * Computes the logits of n tokens.
     *
     * @return false if that is more than may be known; the caller then needs the whole product
     */
    public boolean know(int[] chosen, int n) {
        int from = count;
        for (int i = 0; i < n; i++) {
            if (!add(Objects.checkIndex(chosen[i], tokens))) {
                return forget(from);
            }
        }
        compute(from);
        return true;
    }

    private boolean add(int id) {
        if (known.get(id)) {
            return true;
        }
        if (count == ids.length) {
            return false;
        }
        known.set(id);
        ids[count++] = id;
        return true;
    }

    /** Takes back what was to be computed. */
    private boolean forget(int from) {
        while (count > from) {
            known.clear(ids[--count]);
        }
        return false;
    }

    private void compute(int from) {
        screen.projection().outputs(ids, from, count, new Rows(hidden, offset, 0, count), logits); // one row for all
    }

    /** Writes a row of all tokens, with -infinity for each logit that is not known. */
    public void copyTo(float[] row) {
        Arrays.fill(row, 0, tokens, Float.NEGATIVE_INFINITY);
        for (int i = 0; i < count; i++) {
            row[ids[i]] = logits[i];
        }
    }
}
