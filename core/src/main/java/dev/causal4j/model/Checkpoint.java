package dev.causal4j.model;

import dev.causal4j.FormatException;
import dev.causal4j.format.JsonConfig;
import dev.causal4j.format.TensorStore;
import dev.causal4j.tensor.DType;
import dev.causal4j.tokenizer.Tokenizer;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.FutureTask;

/**
 * The files of a model, opened and checked against each other: what the model is can be told without reading its weights.
 * Immutable and thread-safe.
 */
public final class Checkpoint {
    static final String CONFIG = "config.json";

    private final GPT2Config config;
    private final GPT2Checkpoint weights;
    private final Optional<Tokenizer> tokenizer;

    private Checkpoint(GPT2Config config, GPT2Checkpoint weights, Optional<Tokenizer> tokenizer) {
        this.config = config;
        this.weights = weights;
        this.tokenizer = tokenizer;
    }

    /**
     * Opens a folder in Hugging Face layout: config.json, safetensors, and a tokenizer if there is one.
     *
     * @throws FormatException if a file is not what it should be
     * @throws IOException if reading fails
     */
    public static Checkpoint open(Path folder) throws IOException {
        if (!Files.isDirectory(folder)) {
            throw new FormatException(
                    folder.toString(),
                    "the folder of a model",
                    Files.exists(folder) ? "not a folder" : "no such folder",
                    "check the path");
        }
        // A vocabulary takes longer to read than all the rest.
        FutureTask<Optional<Tokenizer>> tokenizer = new FutureTask<>(() -> Tokenizer.load(folder));
        Thread.ofPlatform().name("causal4j-tokenizer").daemon().start(tokenizer);
        GPT2Config config = config(folder.toString(), JsonConfig.read(folder.resolve(CONFIG)));
        GPT2Checkpoint weights =
                new GPT2Checkpoint(folder.toString(), TensorStore.open(folder, Arena.ofAuto()), config);
        return of(folder.toString(), config, weights, await(tokenizer));
    }

    private static <T> T await(Future<T> future) throws IOException {
        try {
            return future.get();
        } catch (ExecutionException e) {
            switch (e.getCause()) {
                case IOException failure -> throw failure;
                case RuntimeException failure -> throw failure;
                case Error failure -> throw failure;
                case null, default -> throw new IllegalStateException(e);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("tokenizer: expected to be read, got an interrupt");
        }
    }

    /**
     * The same of what has been opened already, for instance from resources.
     *
     * @param subject what messages call the model
     */
    public static Checkpoint of(String subject, JsonConfig config, TensorStore tensors, Optional<Tokenizer> tokenizer)
            throws FormatException {
        GPT2Config gpt2 = config(subject, config);
        return of(subject, gpt2, new GPT2Checkpoint(subject, tensors, gpt2), tokenizer);
    }

    private static GPT2Config config(String subject, JsonConfig json) throws FormatException {
        return GPT2Config.from(json, subject + "/" + CONFIG);
    }

    private static Checkpoint of(
            String subject, GPT2Config config, GPT2Checkpoint weights, Optional<Tokenizer> tokenizer)
            throws FormatException {
        if (tokenizer.isPresent() && tokenizer.get().vocabularySize() > config.vocabularySize()) {
            throw new FormatException(
                    subject,
                    "a tokenizer of at most vocab_size = " + config.vocabularySize() + " entries",
                    tokenizer.get().vocabularySize() + " entries",
                    "tokenizer and weights do not belong together");
        }
        return new Checkpoint(config, weights, tokenizer);
    }

    /**
     * Loads the model.
     *
     * @param dtype empty for the stored one
     * @throws FormatException if the weights are converted ones of another dtype, or their scales are damaged
     * @throws IllegalArgumentException if a weight to quantise is not finite
     */
    public CausalLM load(Optional<DType> dtype) throws FormatException {
        DType chosen = dtype(dtype);
        return new CausalLM(weights.decoder(chosen), weights.head(chosen), tokenizer, config.bos(), config.eos());
    }

    /**
     * The dtype {@link #load} would use.
     *
     * @throws FormatException if the weights are converted ones of another dtype
     */
    public DType dtype(Optional<DType> wanted) throws FormatException {
        DType chosen = wanted.orElse(weights.storedDType());
        weights.check(chosen);
        return chosen;
    }

    /** What config.json says. Whether the weights are tied is for {@link #tied} to tell. */
    public GPT2Config config() {
        return config;
    }

    /** Empty for a model that takes token ids alone. */
    public Optional<Tokenizer> tokenizer() {
        return tokenizer;
    }

    /**
     * The tokenizer.
     *
     * @throws IllegalStateException if the model has none, saying what to do
     */
    public Tokenizer requireTokenizer() {
        return CausalLM.require(tokenizer);
    }

    /** Whether the head's projection is the embedding; see {@link dev.causal4j.head.CausalLMHead#tied}. */
    public boolean tied() {
        return weights.tied();
    }

    /** Parameters; a tied embedding counts once. */
    public long parameters() {
        return weights.parameters();
    }

    /** Parameters that tying saves; 0 for an untied head. */
    public long parametersSavedByTying() {
        return weights.tied() ? weights.embeddingParameters() : 0;
    }
}
