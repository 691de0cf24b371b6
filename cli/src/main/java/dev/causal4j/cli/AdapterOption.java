package dev.causal4j.cli;

import dev.causal4j.model.CausalLM;
import dev.causal4j.model.LoadOptions;
import java.io.IOException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The option of commands that can add an adapter to a model. */
final class AdapterOption {
    @Option(
            names = "--adapter",
            paramLabel = "DIR",
            description = "Folder with a LoRA adapter of the model, in PEFT's layout: from train or from Python.")
    private @Nullable Path folder;

    boolean isGiven() {
        return folder != null;
    }

    /** The options with the adapter merged into the weights, if one is given. */
    LoadOptions mergedBy(LoadOptions options) {
        return options.withMerged(folder);
    }

    /** The model with the adapter, if one is given. */
    CausalLM addTo(CausalLM model) throws IOException {
        return folder == null ? model : model.withAdapter(folder);
    }
}
