package dev.causal4j.decoder;

import dev.causal4j.decoder.BlockConfig.AttentionConfig;
import dev.causal4j.decoder.BlockConfig.MixerConfig;
import dev.causal4j.tensor.Gradients;

/**
 * The layer of a block that looks at other positions than a row's own. The sequence's cache has what it knows of
 * positions before the step: keys and values in pages, or a {@linkplain KVCache#state state} of fixed size.
 */
sealed interface Mixer permits Attention, ShortConvolution, GatedDeltaNet, Mamba2 {
    /** Floats recorded for each position for a replay: inputs of the convolution, then gates. */
    static int moveSize(MixerConfig config) {
        return switch (config) {
            case AttentionConfig _ -> 0;
            case MixerConfig.ShortConv conv -> conv.channels();
            case MixerConfig.GatedDelta delta -> delta.channels() + 2 * delta.valueHeads();
            case MixerConfig.StateSpace space -> space.recurrence().width() + space.heads();
        };
    }

    /**
     * Reads {@code a.normed} of all rows and writes the results of the wanted ones there. The caches then know the rows: a
     * state is that behind the last one, even if none is wanted. Where states may go back, a forward keeps what {@linkplain
     * Step#keep moves} them; a replay reads that, and no inputs.
     */
    void forward(Step step, Step wanted, Tape tape, Activations a);

    /** Adds the gradients, and writes {@code a.dNormed} from {@code a.dOut}; {@code a.normed} is what entered. */
    void backward(Step step, Tape tape, Activations a, Gradients gradients);
}
