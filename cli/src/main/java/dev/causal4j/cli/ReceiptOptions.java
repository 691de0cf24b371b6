package dev.causal4j.cli;

import dev.causal4j.generation.Generation;
import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.generation.GenerationRequest;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.LoadOptions;
import dev.causal4j.receipt.Receipt;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Options of receipts of generated texts. */
final class ReceiptOptions extends SharedOptions {
    @Option(
            names = {"--receipt", "--receipts"},
            paramLabel = "FILE",
            description = "Add a line for each text to FILE: a receipt, which verify recomputes.")
    private @Nullable Path file;

    @Option(names = "--private-prompt", description = "Receipts have a digest of the prompt instead of the prompt.")
    private boolean privatePrompt;

    @Mixin
    private SigningOption signing = new SigningOption();

    private UnaryOperator<Receipt> sealing = UnaryOperator.identity();

    /** Refuses what does not go together, and reads the key, before anything is loaded. */
    void check() throws IOException {
        refuse(file == null && (privatePrompt || signing.isGiven()), "receipt: expected --receipt FILE, got none");
        sealing = signing.read();
        if (file != null) {
            ResultFile.appending(file).close();
        }
    }

    /** The options of loading, with digests if there are receipts. */
    LoadOptions with(LoadOptions options) {
        return options.withDigests(file != null);
    }

    /** Refuses options that no receipt can state. */
    void check(CausalLM model, GenerationOptions options) {
        if (file != null) {
            Receipt.check(model, options);
        }
    }

    /** Adds the receipt of a text to the file. */
    void add(CausalLM model, GenerationRequest request, Generation made) throws IOException {
        if (file == null) {
            return;
        }
        Receipt receipt = Receipt.of(model, request, made);
        Receipt sealed = sealing.apply(privatePrompt ? receipt.withPrivatePrompt() : receipt);
        try (ResultFile lines = ResultFile.appending(file)) {
            lines.append(new String(sealed.toJson(), StandardCharsets.UTF_8) + "\n");
        }
    }
}
