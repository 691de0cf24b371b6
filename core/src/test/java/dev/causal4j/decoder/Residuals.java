package dev.causal4j.decoder;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/** The residual stream kept by activations, for tests of other packages. */
public final class Residuals {
    private Residuals() {}

    /** The stream before each layer, then after the last one; each [rows, D]. */
    public static List<float[]> of(Activations kept, int layers, int rows, int hiddenSize) {
        return IntStream.rangeClosed(0, layers)
                .mapToObj(layer -> Arrays.copyOf(kept.input(layer), rows * hiddenSize))
                .toList();
    }
}
