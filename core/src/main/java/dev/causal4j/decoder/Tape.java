package dev.causal4j.decoder;

import java.util.List;
import org.jspecify.annotations.Nullable;

/** Intermediate results of a block, read by its backward. In inference all blocks share one. */
final class Tape {
    float[] input = {}; // [N, D], the stream before the block; not kept if shared
    float[] projected = {}; // [N, ..], the mixer's projections of its input
    float[] prepared = {}; // [N, ..], the projections as prepared for the mixing of positions
    float[] gates = {}; // [N, ..], the mixer's second projection
    float[] attended = {}; // [N, H n], the heads' results before their gates
    float[] mixed = {}; // [N, ..], the input of the mixer's last projection
    float[] mixerOut = {}; // [N, D], the input of the norm after the mixer
    float[] afterMixer = {}; // [N, D], the stream that the feed-forward layer reads
    float[] router = {}; // [N, experts]
    List<Experts.Route> routes = List.of(); // the experts that the router chose
    float[] inner = {}; // [N, inner], before the activation
    float[] feedForwardOut = {}; // [N, D], the input of the norm after the feed-forward layer
    float[] beforePerLayer = {}; // [N, D], the stream that the layer's own input is added to
    float[] perLayerGate = {}; // [N, p], before the activation
    float[] perLayerOut = {}; // [N, D], the input of the norm after it
    float[] routed = {}; // [N, D], the inputs of a router with a norm of its own
    float[] sideOut = {}; // [N, D], the input of the norm after one of two layers side by side
    private @Nullable Tape beside; // the tape of experts beside a dense layer

    final boolean keeps;

    /** @param keeps whether a backward will read it */
    Tape(boolean keeps) {
        this.keeps = keeps;
    }

    /** The tape of the second of two layers side by side. */
    Tape beside() {
        if (beside == null) {
            beside = new Tape(keeps);
        }
        return beside;
    }
}
