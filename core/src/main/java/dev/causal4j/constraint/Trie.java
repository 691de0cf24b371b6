package dev.causal4j.constraint;

import java.util.Arrays;
import java.util.List;

/** Tokens by their bytes, as nodes in depth-first order; the first node is the root. Immutable and thread-safe. */
final class Trie {
    final byte[] label;
    final short[] depth; // bytes up to the label
    final int[] end; // the node behind the last one below
    final int[] token; // -1 for none
    final int[] alike; // by token, another with the same bytes; -1 for none
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
        short[] depths = new short[most];
        int[] ends = new int[most];
        int[] ids = new int[most];
        alike = new int[bytes.length];
        Arrays.fill(ids, -1);
        Arrays.fill(alike, -1);
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
                depths[nodes] = (short) at;
                open[at] = nodes++;
            }
            alike[id] = ids[open[at]];
            ids[open[at]] = id;
            last = text;
        }
        for (; at >= 0; at--) {
            ends[open[at]] = nodes;
        }
        label = Arrays.copyOf(labels, nodes);
        depth = Arrays.copyOf(depths, nodes);
        end = Arrays.copyOf(ends, nodes);
        token = Arrays.copyOf(ids, nodes);
    }

    /** Adds the tokens of a node. */
    void add(int node, long[] allowed) {
        for (int id = token[node]; id >= 0; id = alike[id]) {
            allowed[id >> 6] |= 1L << id;
        }
    }
}
