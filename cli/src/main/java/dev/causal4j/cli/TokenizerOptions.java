package dev.causal4j.cli;

import dev.causal4j.austen.AustenModel;
import dev.causal4j.model.Checkpoint;
import dev.causal4j.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Options of commands that use a tokenizer. */
final class TokenizerOptions {
    @Option(names = "--tokenizer", paramLabel = "FILE", description = "A tokenizer.json, or the folder of a tokenizer.")
    private @Nullable Path file;

    @Option(
            names = "--model",
            paramLabel = "PATH",
            description = "Folder in Hugging Face layout, GGUF file, or org/name that was pulled. Without it and"
                    + " --tokenizer the embedded model's tokenizer is used.")
    private @Nullable Path model;

    Tokenizer load() throws IOException {
        Path from = file != null || model == null ? file : ModelOptions.path(model);
        if (from == null) {
            try (Checkpoint embedded = AustenModel.open()) {
                return embedded.requireTokenizer();
            }
        }
        return load(from, "check the path");
    }

    static Tokenizer load(Path from, String remedy) throws IOException {
        return Checkpoint.readTokenizer(from)
                .orElseThrow(() -> new IOException(
                        from + ": expected tokenizer.json, or vocab.json and merges.txt, got neither; " + remedy));
    }
}
