package dev.causal4j.decoder;

import org.jspecify.annotations.Nullable;

/** Intermediate results of a block, read by its backward. In inference all blocks share one. */
final class Tape {
    float[] input = {}; // [N, D], the stream before the block; not of a shared one
    float[] queryKeyValue = {}; // [N, (H + 2 G) n], rotated and scaled in place where no norm needs them as they were
    float[] prepared = {}; // the same, normed, rotated and scaled; with norms of queries and keys
    float[] attention = {}; // [N, H n]
    float[] attentionOut = {}; // [N, D], what the norm after attention reads
    float[] middle = {}; // [N, D], the stream that the feed-forward layer reads
    float[] router = {}; // [N, experts]
    Experts.@Nullable Routes routes; // what the router chose
    float[] inner = {}; // [N, inner], before the activation
    float[] feedForwardOut = {}; // [N, D], what the norm after the feed-forward layer reads

    final boolean keeps;

    /** @param keeps whether a backward will read it */
    Tape(boolean keeps) {
        this.keeps = keeps;
    }

    /** Queries and keys as attention multiplies them. */
    float[] queriesAndKeys() {
        return prepared.length > 0 ? prepared : queryKeyValue;
    }
}
