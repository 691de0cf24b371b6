package dev.causal4j.decoder;

import java.util.List;
import org.jspecify.annotations.Nullable;

/** Intermediate results of a block, read by its backward. In inference all blocks share one. */
final class Tape {
    float[] input = {}; // [N, D], the stream before the block; not of a shared one
    float[] projected = {}; // [N, ..], what the mixer makes of its input
    float[] prepared = {}; // [N, ..], what it makes of that before it looks at other positions
    float[] gates = {}; // [N, ..], what it projects beside
    float[] attended = {}; // [N, H n], what heads saw, before their gates
    float[] mixed = {}; // [N, ..], what it projects back
    float[] mixerOut = {}; // [N, D], the input of the norm after the mixer
    float[] afterMixer = {}; // [N, D], the stream that the feed-forward layer reads
    float[] router = {}; // [N, experts]
    List<Experts.Route> routes = List.of(); // the experts that the router chose
    float[] inner = {}; // [N, inner], before the activation
    float[] feedForwardOut = {}; // [N, D], the input of the norm after the feed-forward layer
    float[] beforePerLayer = {}; // [N, D], the stream that the layer's own input is added to
    float[] perLayerGate = {}; // [N, p], before the activation
    float[] perLayerOut = {}; // [N, D], the input of the norm after it
    float[] routed = {}; // [N, D], what a router with a norm of its own reads
    float[] sideOut = {}; // [N, D], the input of the norm after one of two layers side by side
    private @Nullable Tape beside; // of experts beside a dense layer

    final boolean keeps;

    /** @param keeps whether a backward will read it */
    Tape(boolean keeps) {
        this.keeps = keeps;
    }

    /** Where the second of two layers side by side keeps its results. */
    Tape beside() {
        if (beside == null) {
            beside = new Tape(keeps);
        }
        return beside;
    }
}
