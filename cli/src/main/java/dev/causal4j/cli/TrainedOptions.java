package dev.causal4j.cli;

import dev.causal4j.training.TrainingScope;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Option;

/** Options that choose which part of a model is trained. */
final class TrainedOptions {
    @ArgGroup(exclusive = true)
    private @Nullable Part part;

    @Option(
            names = "--lora-alpha",
            paramLabel = "A",
            description = "Low-rank matrices are scaled by A / R; default: 2 R.")
    private @Nullable Double loraAlpha;

    /** Without any of them, everything is trained. */
    private static final class Part {
        @Option(names = "--head-only", description = "Train only the head's projection, and a tied embedding with it.")
        private boolean headOnly;

        @Option(names = "--last-layers", paramLabel = "N", description = "Train the last N layers and the last norm.")
        private @Nullable Integer lastLayers;

        @Option(
                names = "--lora-rank",
                paramLabel = "R",
                description = "Train matrices of rank R added to those of all layers (LoRA). The model that is written"
                        + " has their sum; DIR/adapter has them alone, in PEFT's layout.")
        private @Nullable Integer loraRank;
    }

    /**
     * The chosen part.
     *
     * @throws IllegalArgumentException if a number is out of its range
     */
    TrainingScope scope() {
        if (loraAlpha != null && (part == null || part.loraRank == null)) {
            throw new IllegalArgumentException("lora-alpha: expected --lora-rank with it, got none");
        }
        if (part == null) {
            return new TrainingScope.All();
        }
        if (part.headOnly) {
            return new TrainingScope.Head();
        }
        if (part.lastLayers != null) {
            return new TrainingScope.LastLayers(part.lastLayers);
        }
        int rank = Objects.requireNonNull(part.loraRank);
        return new TrainingScope.LowRank(rank, loraAlpha == null ? 2.0 * rank : loraAlpha, true, true);
    }
}
