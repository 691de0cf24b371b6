package dev.causal4j.benchmarks;

import dev.causal4j.compute.Rows;
import dev.causal4j.decoder.AttentionRule;
import dev.causal4j.decoder.PagedAttention;
import dev.causal4j.decoder.Pages;
import dev.causal4j.kernel.PanelFormat;
import dev.causal4j.kernel.Panels;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

/**
 * {@code PagedAttention}: one head, by one thread, for one query as in decoding or as many as prefill serves from one
 * reading of the keys.
 */
public class AttentionBenchmark extends Protocol {
    /** Queries from a position on, which see all positions up to their own. */
    @State(Scope.Benchmark)
    public static class Head {
        @Param("64")
        public int headSize;

        @Param("512")
        public int position;

        @Param({"1", "24"})
        public int queries;

        float[] query; // [queries, headSize]
        float[] out; // [queries, headSize]

        // For the kernel.
        Pages pages;
        Rows queryRows;
        Rows scores;
        Rows outRows;

        // For the naive twin: [positions, headSize]
        float[][] naiveKeys;
        float[][] naiveValues;
        float[] naiveQuery; // [headSize]
        float[] naiveOut; // [headSize]

        @Setup
        public void create() {
            int positions = position + queries;
            query = RandomNumbers.array(queries * headSize, 0);
            out = new float[queries * headSize];
            naiveKeys = RandomNumbers.rowMajor(positions, headSize, RandomNumbers.rows(headSize, 1, 1));
            naiveValues = RandomNumbers.rowMajor(positions, headSize, RandomNumbers.rows(headSize, 2, 1));
            naiveQuery = new float[headSize];
            naiveOut = new float[headSize];

            int blocks = Panels.needed(positions);
            MemorySegment[] memory = new MemorySegment[blocks];
            int half = Panels.WIDTH * headSize; // keys [headSize][64], then values [64][headSize]
            Arrays.setAll(memory, page -> Arena.ofAuto().allocate(8L * half, 64));
            for (int t = 0; t < positions; t++) {
                MemorySegment page = memory[t / Panels.WIDTH];
                int slot = t % Panels.WIDTH;
                for (int i = 0; i < headSize; i++) {
                    page.setAtIndex(ValueLayout.JAVA_FLOAT, (long) i * Panels.WIDTH + slot, naiveKeys[t][i]);
                    page.setAtIndex(ValueLayout.JAVA_FLOAT, half + (long) slot * headSize + i, naiveValues[t][i]);
                }
            }
            pages = new Pages(PanelFormat.F32, memory, 0, 4L * half, headSize, 1);
            queryRows = Rows.of(query, headSize, queries);
            scores = Rows.of(new float[queries * blocks * Panels.WIDTH], blocks * Panels.WIDTH, queries);
            outRows = Rows.of(out, headSize, queries);
        }
    }

    @Benchmark
    public float[] attention(Head head) {
        new PagedAttention(
                        head.pages,
                        head.queryRows,
                        head.position,
                        new AttentionRule(1, 0, 0, 0, null),
                        head.scores,
                        new float[head.queries],
                        head.outRows,
                        (weights, offset, query, row, from, n) -> {})
                .attend();
        return head.out;
    }

    @Benchmark
    public float[] naiveAttention(Head head) {
        for (int r = 0; r < head.queries; r++) {
            int start = r * head.headSize;
            System.arraycopy(head.query, start, head.naiveQuery, 0, head.headSize);
            int positions = head.position + r + 1;
            Naive.attention(
                    head.naiveQuery, head.naiveKeys, head.naiveValues, positions, 0, head.headSize, head.naiveOut);
            System.arraycopy(head.naiveOut, 0, head.out, start, head.headSize);
        }
        return head.out;
    }
}
