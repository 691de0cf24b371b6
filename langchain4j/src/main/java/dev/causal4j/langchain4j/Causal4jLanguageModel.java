package dev.causal4j.langchain4j;

import static dev.langchain4j.internal.InternalStreamingChatResponseHandlerUtils.withLoggingExceptions;

import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.generation.Chat;
import dev.causal4j.generation.Generation;
import dev.causal4j.generation.Generator;
import dev.causal4j.generation.TokenListener;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.exception.RateLimitException;
import dev.langchain4j.model.StreamingResponseHandler;
import dev.langchain4j.model.language.LanguageModel;
import dev.langchain4j.model.language.StreamingLanguageModel;
import dev.langchain4j.model.output.Response;
import java.util.Map;

/**
 * Continues texts by a model in this process, whole or a part at a time; no chat template is needed. Immutable and
 * thread-safe. Owns nothing: its engine's owner closes that.
 *
 * <p>The metadata of a response have the {@link Generation} as {@code "generation"}.
 */
public final class Causal4jLanguageModel implements LanguageModel, StreamingLanguageModel {
    private final Chat.Format format;
    private final Generator generator;
    private final Causal4jChatRequestParameters parameters;

    private Causal4jLanguageModel(Builder builder) {
        format = Chat.Format.of(builder.engine().model(), ChatTemplate.plain());
        generator = new Generator(builder.engine());
        parameters = builder.parameters();
        Sampling.options(format, parameters);
    }

    /** A builder. */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * Continues a text.
     *
     * @return the new text
     * @throws InvalidRequestException if there is no prompt, or it does not fit the context
     * @throws RateLimitException if the engine's queue is full
     */
    @Override
    public Response<String> generate(String prompt) {
        return generate(prompt, TokenListener.NONE);
    }

    /**
     * Continues a text and returns at once. The handler is called on a virtual thread of its own, so a slow one holds
     * nobody up; what it throws goes to its {@code onError}, as all errors do, and the text continues.
     */
    @Override
    public void generate(String prompt, StreamingResponseHandler<String> handler) {
        Thread.ofVirtual().name("causal4j-text").start(() -> {
            try {
                Response<String> response = generate(prompt, token -> {
                    if (!token.text().isEmpty()) {
                        guarded(handler, () -> handler.onNext(token.text()));
                    }
                    return true;
                });
                guarded(handler, () -> handler.onComplete(response));
            } catch (RuntimeException | Error e) {
                withLoggingExceptions(() -> handler.onError(e));
            }
        });
    }

    private static void guarded(StreamingResponseHandler<String> handler, Runnable call) {
        try {
            call.run();
        } catch (RuntimeException e) {
            withLoggingExceptions(() -> handler.onError(e));
        }
    }

    private Response<String> generate(String prompt, TokenListener listener) {
        return Sampling.translating(() -> {
            String text = Sampling.required("prompt", prompt);
            Generation generation =
                    generator.relay(generator.request(text, Sampling.options(format, parameters)), listener);
            return Response.from(
                    generation.text(),
                    Sampling.usage(generation),
                    Sampling.finishReason(generation),
                    Map.of("generation", generation));
        });
    }

    /** Collects the settings; not thread-safe. */
    public static class Builder extends Settings<Builder> {
        /**
         * The model.
         *
         * @throws IllegalArgumentException if a setting is out of its range, or there is no engine
         * @throws IllegalStateException if the model has no tokenizer
         */
        public Causal4jLanguageModel build() {
            return new Causal4jLanguageModel(this);
        }
    }
}
