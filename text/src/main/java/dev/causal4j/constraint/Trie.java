package dev.causal4j.constraint;

import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Tokens by their bytes, as nodes in depth-first order; the first node is the root. Immutable and thread-safe. */
final class Trie {
    final byte[] label;
    final int[] depth; // bytes up to the label
    final int[] end; // the node after the last one below
    final int[] token; // -1 for none
    private final int @Nullable [] alike; // by token, another with the same bytes or -1; null if there are none
    final int height;

    /**
     * @param tokens ids
     * @param bytes by id
     */
    Trie(int[] tokens, byte[][] bytes) {
        List<Integer> order = Arrays.stream(tokens)
                .boxed()
                .sorted((x, y) -> Arrays.compareUnsigned(bytes[x], bytes[y]))
                .toList();
        int most = 1 + Arrays.stream(tokens).map(id -> bytes[id].length).sum();
        height = Arrays.stream(tokens).map(id -> bytes[id].length).max().orElse(0);
        byte[] labels = new byte[most];
        int[] depths = new int[most];
        int[] ends = new int[most];
        int[] ids = new int[most];
        int[] others = new int[bytes.length];
        boolean any = false;
        Arrays.fill(ids, -1);
        int[] open = new int[height + 1]; // by depth
        byte[] last = {};
        int nodes = 1;
        int at = 0;
        for (int id : order) {
            byte[] text = bytes[id];
            int difference = Arrays.mismatch(last, text);
            int common = difference < 0 ? text.length : difference;
            for (; at > common; at--) {
                ends[open[at]] = nodes;
            }
            while (at < text.length) {
                labels[nodes] = text[at++];
                depths[nodes] = at;
                open[at] = nodes++;
            }
            others[id] = ids[open[at]];
            any |= others[id] >= 0;
            ids[open[at]] = id;
            last = text;
        }
        for (; at >= 0; at--) {
            ends[open[at]] = nodes;
        }
        alike = any ? others : null;
        label = Arrays.copyOf(labels, nodes);
        depth = Arrays.copyOf(depths, nodes);
        end = Arrays.copyOf(ends, nodes);
        token = Arrays.copyOf(ids, nodes);
    }

    /** Adds the tokens of a node. */
    void add(int node, long[] allowed) {
        for (int id = token[node]; id >= 0; id = alike == null ? -1 : alike[id]) {
            allowed[id >> 6] |= 1L << id;
        }
    }
}
