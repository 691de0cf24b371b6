package dev.causal4j.kernel;

import dev.causal4j.compute.Rows;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Objects;

/** Causal attention over pages of keys and values. Stateless and thread-safe. */
public final class PagedAttention {
    private PagedAttention() {}

    /** Changes the attention weights of a query before values are summed. */
    @FunctionalInterface
    public interface Weighting {
        /** Changes {@code weights[offset .. offset + n)}, of query row {@code row} for positions {@code from} on. */
        void apply(float[] weights, int offset, int row, int from, int n);
    }

    /**
     * Causal attention with one key head: query row r is at position {@code first + r / rule.group()} and sees what the
     * rule says. The weighted sum is one chain over positions, so it does not depend on how a prompt was cut into
     * chunks.
     *
     * @param queries rows of {@code pages.headSize()} numbers, already scaled
     * @param first position of the first query
     * @param scores scratch: as many rows, each for the positions from {@code rule.base(first)} to the last query's,
     *     rounded up to a multiple of 64
     * @param out as many rows, of {@code pages.headSize()} numbers
     * @param weighting changes the weights before the division by their softmax total, as by dropout
     */
    public static void attend(
            Pages pages, Rows queries, int first, AttentionRule rule, Rows scores, Rows out, Weighting weighting) {
        int headSize = pages.headSize();
        int positions = Math.ceilDiv(queries.count(), rule.group());
        Objects.checkIndex(first, Integer.MAX_VALUE - positions);
        int base = rule.base(first);
        Kernels.scores(pages, queries, base, first + positions, scores);
        out.check(headSize);
        float[] sums = new float[queries.count()];
        for (int r = 0; r < sums.length; r++) {
            int to = first + r / rule.group() + 1;
            int from = rule.first(to - 1);
            int at = scores.start(r) - base + from;
            if (rule.cap() != 0) {
                Kernels.cap(scores.data(), at, to - from, rule.cap());
            }
            float max = Kernels.max(scores.data(), at, to - from, rule.sink(r));
            sums[r] = Kernels.exponentials(scores.data(), at, to - from, rule.sink(r), max);
            weighting.apply(scores.data(), at, r, from, to - from);
            Arrays.fill(out.data(), out.start(r), out.start(r) + headSize, 0f);
        }
        for (int page = base / Panels.WIDTH; page < Panels.needed(first + positions); page++) {
            addValues(pages, page, scores, first, rule, out);
        }
        for (int r = 0; r < sums.length; r++) {
            Kernels.divide(out.data(), out.start(r), headSize, sums[r]);
        }
    }

    /** out += weight · value for the positions of a page that a query sees. The page stays in the cache meanwhile. */
    private static void addValues(Pages pages, int page, Rows weights, int first, AttentionRule rule, Rows out) {
        int n = pages.headSize();
        long bytes = pages.format().rowBytes(n);
        int base = rule.base(first);
        MemorySegment memory = pages.memory()[page];
        Reductions kernels = Kernels.reductions();
        for (int r = 0; r < out.count(); r++) {
            int position = first + r / rule.group();
            int from = Math.max(page * Panels.WIDTH, rule.first(position));
            int count = Math.min((page + 1) * Panels.WIDTH, position + 1) - from;
            if (count > 0) {
                int at = weights.start(r) + from - base;
                long values = pages.values() + bytes * (from % Panels.WIDTH);
                kernels.addWeighted(
                        pages.format(), weights.data(), at, count, memory, values, out.data(), out.start(r), n);
            }
        }
    }
}
