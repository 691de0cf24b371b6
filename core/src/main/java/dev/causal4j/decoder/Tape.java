package dev.causal4j.decoder;

import java.util.List;

/** Intermediate results of a block, read by its backward. In inference all blocks share one. */
final class Tape {
    float[] input = {}; // [N, D], the stream before the block; not of a shared one
    float[] queryKeyValue = {}; // [N, (H + 2 G) n], prepared in place unless a norm reads them in the backward
    float[] prepared = {}; // the same, normed, rotated and scaled; empty without such a norm
    float[] attention = {}; // [N, H n]
    float[] attentionOut = {}; // [N, D], the input of the norm after attention
    float[] middle = {}; // [N, D], the stream that the feed-forward layer reads
    float[] router = {}; // [N, experts]
    List<Experts.Route> routes = List.of(); // the experts that the router chose
    float[] inner = {}; // [N, inner], before the activation
    float[] feedForwardOut = {}; // [N, D], the input of the norm after the feed-forward layer

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
