package dev.causal4j.decoder;

import dev.causal4j.compute.Rows;
import dev.causal4j.kernel.Panels;
import dev.causal4j.kernel.choice.Kernels;
import java.util.Objects;

/**
 * Attention of some positions of a sequence with some key heads, over pages of keys and values. Scores, weights
 * and means of values are computed in this order. Threads may compute different scores at once, likewise weights and
 * means.
 *
 * <p>In a page the numbers of all heads lie side by side, so that memory is read in long runs, once for all queries. A
 * mean is one chain over positions, so it does not depend on how a prompt was cut into chunks.
 *
 * <p>There are {@code queries.count() / pages.heads() / rule.group()} positions. Comments number the steps as the
 * decoder's attention does.
 *
 * @param queries rows of {@code pages.headSize()} numbers, already scaled, by key head, position, and query head of the
 *     group
 * @param first the position of the first query
 * @param scores scratch: as many rows, each for the positions from {@code rule.base(first)} to the last that
 *     a query sees, rounded up to a multiple of 64
 * @param sums scratch: one number for each row
 * @param out the results: as many rows, of {@code pages.headSize()} numbers
 * @param weighting changes the weights before the division by their softmax total, as by dropout
 */
public record PagedAttention(
        Pages pages,
        Rows queries,
        int first,
        AttentionRule rule,
        Rows scores,
        float[] sums,
        Rows out,
        Weighting weighting) {
    /** Changes the attention weights of a query before values are summed. */
    @FunctionalInterface
    public interface Weighting {
        /**
         * Changes {@code weights[offset .. offset + n)}, for positions {@code from} on.
         *
         * @param query its position, 0 for the first
         * @param head its query head, 0 for the first of the first key head
         */
        void apply(float[] weights, int offset, int query, int head, int from, int n);
    }

    /** Checks that all numbers are inside their memory. */
    public PagedAttention {
        int positions = queries.count() / pages.heads() / rule.group();
        int end = rule.end(first + Objects.checkIndex(positions, Integer.MAX_VALUE - first) - 1);
        queries.check(pages.headSize());
        scores.check(Panels.needed(end - rule.base(first)) * Panels.WIDTH);
        Objects.checkFromIndexSize(0, queries.count(), sums.length);
        out.check(pages.headSize());
        pages.check(rule.base(first), end);
    }

    /** Computes all results. */
    public void attend() {
        scores(0, count());
        for (int row = 0; row < queries.count(); row++) {
            weights(row);
        }
        means(0, parts());
    }

    /** Pages that the queries see. */
    public int count() {
        return Panels.needed(rule.end(first + each() / rule.group() - 1) - base());
    }

    /** Position of the first score. */
    private int base() {
        return rule.base(first);
    }

    /** Rows of a key head. */
    private int each() {
        return queries.count() / pages.heads();
    }

    /** Parts of the values of all heads, of up to 64 columns each. */
    public int parts() {
        return pages.heads() * pages.parts();
    }

    /** 6: s = q · k, for some pages. */
    public void scores(int from, int to) {
        for (int page = from; page < to; page++) {
            for (int head = 0; head < pages.heads(); head++) {
                int at = scores.start(head * each()) + page * Panels.WIDTH;
                Rows some = new Rows(scores.data(), at, scores.stride(), each());
                pages.scores(base() / Panels.WIDTH + page, head, queries.rows(head * each(), each()), some);
            }
        }
    }

    /** 7, 8, 9: makes a row's scores weights, to be divided by their sum. */
    public void weights(int row) {
        int query = row % each() / rule.group();
        int head = row / each() * rule.group() + row % rule.group();
        int from = rule.first(first + query);
        int n = rule.end(first + query) - from;
        int at = scores.start(row) + from - base();
        if (rule.cap() != 0) {
            Kernels.cap(scores.data(), at, n, rule.cap()); // 7: s = c tanh(s / c)
        }
        float max = Kernels.max(scores.data(), at, n, rule.sink(head));
        sums[row] = Kernels.exponentials(scores.data(), at, n, rule.sink(head), max); // 8: p = exp(s - max) / sum
        weighting.apply(scores.data(), at, query, head, from, n); // 9: m = M p
    }

    /** 10: out = Σ m v, for some parts of the values; then the division of 8. */
    public void means(int from, int to) {
        for (int part = from; part < to; part++) {
            means(part).clear(width(part));
        }
        for (int page = base() / Panels.WIDTH; page < base() / Panels.WIDTH + count(); page++) {
            for (int part = from; part < to; part++) {
                addValues(page, part);
            }
        }
        for (int part = from; part < to; part++) {
            Rows means = means(part);
            for (int row = 0; row < each(); row++) {
                Kernels.divide(out.data(), means.start(row), width(part), sums[part / pages.parts() * each() + row]);
            }
        }
    }

    private int width(int part) {
        return pages.width(part % pages.parts());
    }

    /** The rows of a part of the results. */
    private Rows means(int part) {
        int at = out.start(part / pages.parts() * each()) + part % pages.parts() * Panels.WIDTH;
        return new Rows(out.data(), at, out.stride(), each());
    }

    /** Adds weight · value for the positions of a page, at once for all rows that see the same positions. */
    private void addValues(int page, int part) {
        Rows means = means(part);
        int head = part / pages.parts();
        for (int row = 0, next = 0; row < each(); row = next) {
            int from = from(page, row);
            int to = to(page, row);
            while (next < each() && from(page, next) == from && to(page, next) == to) {
                next++;
            }
            if (from < to) {
                int at = scores.start(head * each() + row) + from - base();
                Rows weights = new Rows(scores.data(), at, scores.stride(), next - row);
                Rows some = means.rows(row, next - row);
                pages.addValues(page, head, part % pages.parts(), from % Panels.WIDTH, weights, to - from, some);
            }
        }
    }

    /** The first position in a page that a row sees. */
    private int from(int page, int row) {
        return Math.max(page * Panels.WIDTH, rule.first(first + row / rule.group()));
    }

    /** The position after the last in a page that a row sees. */
    private int to(int page, int row) {
        return Math.min((page + 1) * Panels.WIDTH, rule.end(first + row / rule.group()));
    }
}
