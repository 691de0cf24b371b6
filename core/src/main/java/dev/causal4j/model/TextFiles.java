package dev.causal4j.model;

import dev.causal4j.UnsupportedModelException;
import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.tokenizer.Tokenizer;
import java.io.IOException;
import java.io.InterruptedIOException;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.FutureTask;
import org.jspecify.annotations.Nullable;

/**
 * The files of a model that are about texts. Immutable and thread-safe.
 *
 * @param templates not parsed, so that a model with an unsupported template can generate and score
 * @param embedding how it embeds; empty for a model that was not trained to
 */
record TextFiles(Optional<Tokenizer> tokenizer, ChatTemplate.Source templates, Optional<EmbeddingConfig> embedding) {
    static TextFiles of(@Nullable Tokenizer tokenizer) {
        return new TextFiles(Optional.ofNullable(tokenizer), ChatTemplate.Source.NONE, Optional.empty());
    }

    /** Starts to read a tokenizer on a thread of its own. */
    static Future<Optional<Tokenizer>> begin(Callable<Optional<Tokenizer>> reading) {
        FutureTask<Optional<Tokenizer>> tokenizer = new FutureTask<>(reading);
        Thread.ofPlatform().name("causal4j-tokenizer").daemon().start(tokenizer);
        return tokenizer;
    }

    /** The tokenizer; empty if its kind is not supported, which is logged. */
    static Optional<Tokenizer> await(Future<Optional<Tokenizer>> tokenizer) throws IOException {
        try {
            return tokenizer.get();
        } catch (ExecutionException e) {
            return switch (e.getCause()) {
                case UnsupportedModelException other -> {
                    Checkpoint.warn("{0}; the model takes token ids alone", String.valueOf(other.getMessage()));
                    yield Optional.empty();
                }
                case IOException failure -> throw failure;
                case RuntimeException failure -> throw failure;
                case Error failure -> throw failure;
                case null, default -> throw new IllegalStateException(e);
            };
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("tokenizer: expected to be read, got an interrupt");
        }
    }
}
