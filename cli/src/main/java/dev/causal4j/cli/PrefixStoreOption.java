package dev.causal4j.cli;

import dev.causal4j.generation.Engine;
import dev.causal4j.generation.PrefixStore;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.LoadOptions;
import java.io.IOException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The folder in which the keys and values of prompts are kept for later runs. */
final class PrefixStoreOption extends SharedOptions implements AutoCloseable {
    @Option(
            names = "--prefix-store",
            paramLabel = "DIR",
            description =
                    "Folder of yours alone (mode 0700) that keeps computed prompts: one that begins like an earlier"
                            + " one is read, not computed again. Changes no token.")
    private @Nullable Path folder;

    @Option(
            names = "--prefix-store-size",
            paramLabel = "GB",
            description = "Most bytes of that folder; what was least recently used is deleted; default: 10.")
    private double gigabytes = PrefixStore.DEFAULT_BYTES / 1e9;

    private @Nullable CausalLM used;

    /** The options of loading, with the digests that name the files. */
    LoadOptions addTo(LoadOptions options) {
        return folder == null ? options : options.withDigests(true);
    }

    /** The store; null if none is asked for. */
    @Nullable
    PrefixStore open() throws IOException {
        refuse(!(gigabytes >= 0), "prefix-store-size: expected at least 0 GB, got " + gigabytes);
        return folder == null ? null : PrefixStore.open(folder, (long) (gigabytes * 1e9));
    }

    /** Lets the shared engine of a model use the store. */
    CausalLM use(CausalLM model) throws IOException {
        PrefixStore store = open();
        if (store != null) {
            Engine.shared(model, store);
            used = model;
        }
        return model;
    }

    /** Waits until everything is written. */
    @Override
    public void close() {
        if (used != null) {
            used.close();
        }
    }
}
