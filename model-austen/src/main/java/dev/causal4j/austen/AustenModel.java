package dev.causal4j.austen;

import dev.causal4j.model.CausalLM;
import dev.causal4j.model.Checkpoint;
import dev.causal4j.model.LoadOptions;
import dev.causal4j.tensor.DType;
import dev.causal4j.tokenizer.Tokenizer;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * Loads the embedded model: GPT-2's architecture, 5 layers of 256, a context of 256 tokens and 3,072 byte pairs, trained
 * on Jane Austen's six novels; bf16. Thread-safe. The model's card is README.md of this module.
 */
public final class AustenModel {
    private static final String SUBJECT = "causal4j-austen";

    private AustenModel() {}

    /** Loads the model as it is stored, in bf16. Each call makes a new one. */
    public static CausalLM load() {
        return load(LoadOptions.DEFAULT);
    }

    /** Loads the model in a dtype of choice; f32 gives the same bits from twice the memory. */
    public static CausalLM load(DType dtype) {
        return load(LoadOptions.DEFAULT.withDtype(dtype));
    }

    /** Loads the model with options. */
    public static CausalLM load(LoadOptions options) {
        try (Checkpoint checkpoint = open()) {
            return checkpoint.load(options);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Opens the files of the model without loading the weights. */
    public static Checkpoint open() {
        try {
            return Checkpoint.of(
                    SUBJECT,
                    resource("config.json"),
                    resource("model.safetensors"),
                    Tokenizer.fromJson(SUBJECT + "/tokenizer.json", resource("tokenizer.json")));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Writes the model's files into a folder, in Hugging Face layout. */
    public static void export(Path folder) throws IOException {
        for (String name : List.of("config.json", "model.safetensors", "tokenizer.json")) {
            Files.write(folder.resolve(name), resource(name));
        }
    }

    private static byte[] resource(String name) throws IOException {
        try (InputStream in = AustenModel.class.getResourceAsStream(name)) {
            if (in == null) {
                throw new IllegalStateException(SUBJECT + ": expected the resource " + name + ", got none");
            }
            return in.readAllBytes();
        }
    }
}
