package dev.causal4j.springai;

import dev.causal4j.chat.Answer;
import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.chat.Message;
import dev.causal4j.generation.Chat;
import dev.causal4j.generation.Engine;
import dev.causal4j.generation.GenerationRequest;
import dev.causal4j.generation.Generator;
import io.micrometer.observation.Observation;
import io.micrometer.observation.ObservationRegistry;
import io.micrometer.observation.contextpropagation.ObservationThreadLocalAccessor;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.CancellationException;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;
import org.springframework.ai.chat.model.ChatModel;
import org.springframework.ai.chat.model.ChatResponse;
import org.springframework.ai.chat.observation.ChatModelObservationContext;
import org.springframework.ai.chat.observation.ChatModelObservationConvention;
import org.springframework.ai.chat.observation.ChatModelObservationDocumentation;
import org.springframework.ai.chat.observation.DefaultChatModelObservationConvention;
import org.springframework.ai.chat.prompt.ChatOptions;
import org.springframework.ai.chat.prompt.Prompt;
import reactor.core.publisher.Flux;
import reactor.core.publisher.FluxSink;

/**
 * Answers prompts by a model in this process. Immutable and thread-safe; callers at once are computed together. Owns
 * nothing: its engine's owner closes that.
 *
 * <p>Each option of a prompt counts if it is set there, else the model's own ({@link #getOptions}); lists are replaced.
 * Options of any class are taken, with what they share with {@link Causal4jChatOptions}. Tools are shown to the model and
 * never executed: advisors do that.
 *
 * <p>Thoughts are no text of an answer: its message has them as {@code "thinking"} among its metadata, and later prompts with
 * that message give them back to the template. The metadata of an answer's Spring AI generation have the engine's {@link
 * dev.causal4j.generation.Generation} as {@code "generation"}. An answer that was cut, finish reason {@code LENGTH}, has no
 * calls.
 *
 * <p>Errors: {@link dev.causal4j.InputException} if a prompt does not fit the context, {@link
 * dev.causal4j.TemplateException} if the template refuses the messages, {@link
 * dev.causal4j.constraint.ConstraintException} for a schema that cannot be held, and other {@link
 * IllegalArgumentException}s for an option out of its range, another model, and media; {@link
 * java.util.concurrent.RejectedExecutionException} if the engine's queue is full, and {@link IllegalStateException} if it is
 * closed.
 */
public final class Causal4jChatModel implements ChatModel {
    private static final ChatModelObservationConvention CONVENTION = new DefaultChatModelObservationConvention();

    private final Generator generator;
    private final Chat.Format format;
    private final Causal4jChatOptions options;
    private final ObservationRegistry observations;
    private final @Nullable ChatModelObservationConvention convention;

    private Causal4jChatModel(Builder builder) {
        Engine engine = builder.engine();
        generator = new Generator(engine);
        format = Chat.Format.of(engine.model(), builder.template());
        options = Causal4jChatOptions.builder()
                .model(engine.model().name())
                .build()
                .overriddenBy(builder.options);
        observations = builder.observations;
        convention = builder.convention;
        Translation.generation(format, options);
    }

    /** A builder. */
    public static Builder builder() {
        return new Builder();
    }

    @Override
    public Causal4jChatOptions getOptions() {
        return options;
    }

    /**
     * Answers.
     *
     * @throws CancellationException if this thread is interrupted (the flag stays set), which ends the sequence
     */
    @Override
    public ChatResponse call(Prompt prompt) {
        ChatModelObservationContext context = context(prompt, false);
        return observation(context).observe(() -> {
            Chat.Turn turn = answer(context.getRequest(), Answer.Listener.NONE, _ -> {});
            ChatResponse response = new Responses(format).whole(turn);
            context.setResponse(response);
            return response;
        });
    }

    /**
     * Answers a part at a time: each subscription is a sequence of its own. Parts come on a virtual thread, and only when the
     * subscriber has asked for them; one that is slow holds up its own sequence alone, and cancelling ends it. The last part
     * has an empty text, the finish reason, the usage, all calls, and the whole thought; pieces of a thought are {@code
     * "thinking"} in the metadata of their generation. All errors are signals.
     */
    @Override
    public Flux<ChatResponse> stream(Prompt prompt) {
        return Flux.deferContextual(view -> {
            ChatModelObservationContext context = context(prompt, true);
            Observation observation = observation(context);
            view.<Observation>getOrEmpty(ObservationThreadLocalAccessor.KEY).ifPresent(observation::parentObservation);
            return Flux.create(sink -> Parts.start(sink, () -> stream(context, observation.start(), sink)));
        });
    }

    private void stream(ChatModelObservationContext context, Observation observation, FluxSink<ChatResponse> sink) {
        try {
            Parts parts = new Parts(sink, new Responses(format));
            Chat.Turn turn = observed(context, observation, parts);
            parts.tell(parts.responses.ended(turn, ""));
            sink.complete();
        } catch (RuntimeException | Error e) {
            if (!sink.isCancelled()) {
                sink.error(e);
            }
        }
    }

    private Chat.Turn observed(ChatModelObservationContext context, Observation observation, Parts parts) {
        try {
            Chat.Turn turn = answer(context.getRequest(), parts, parts::begin);
            context.setResponse(parts.responses.whole(turn));
            return turn;
        } catch (RuntimeException | Error e) {
            if (parts.isCancelled()) {
                boolean _ = Thread.interrupted(); // observers are not cancelled
                context.setResponse(parts.cancelled());
            } else {
                observation.error(e);
            }
            throw e;
        } finally {
            observation.stop(); // before the subscriber knows, who may ask for figures
        }
    }

    private Chat.Turn answer(Prompt prompt, Answer.Listener listener, IntConsumer promptTokens) {
        // The context has merged options.
        Causal4jChatOptions asked = (Causal4jChatOptions) Objects.requireNonNull(prompt.getOptions());
        List<Message> messages = Translation.messages(prompt.getInstructions());
        Chat.Format offering = Translation.format(format, asked, messages);
        GenerationRequest request = offering.request(messages, Translation.generation(offering, asked));
        promptTokens.accept(request.prompt().length);
        return offering.answer(request, generator::relay, listener);
    }

    private ChatModelObservationContext context(Prompt prompt, boolean streaming) {
        return ChatModelObservationContext.builder()
                .prompt(new Prompt(prompt.getInstructions(), options.overriddenBy(prompt.getOptions())))
                .provider(Translation.PROVIDER)
                .streaming(streaming)
                .build();
    }

    private Observation observation(ChatModelObservationContext context) {
        return ChatModelObservationDocumentation.CHAT_MODEL_OPERATION.observation(
                convention, CONVENTION, () -> context, observations);
    }

    /** Collects the settings; not thread-safe. */
    public static final class Builder extends Settings<Builder> {
        private @Nullable ChatTemplate template;
        private @Nullable ChatOptions options;
        private ObservationRegistry observations = ObservationRegistry.NOOP;
        private @Nullable ChatModelObservationConvention convention;

        private Builder() {}

        private ChatTemplate template() {
            return Optional.ofNullable(template)
                    .or(engine().model()::chatTemplate)
                    .orElseThrow(() -> new IllegalArgumentException("chat template: expected one in the model's files,"
                            + " got none; call chatTemplate(...), for instance with ChatTemplate.plain()"));
        }

        /**
         * Makes tokens of messages; without it the template in the model's files. A model without one needs {@link
         * ChatTemplate#plain}, or a template that it was trained with.
         */
        public Builder chatTemplate(@Nullable ChatTemplate chatTemplate) {
            template = chatTemplate;
            return this;
        }

        /** Options for what a prompt does not set, usually {@link Causal4jChatOptions}. */
        public Builder options(@Nullable ChatOptions options) {
            this.options = options;
            return this;
        }

        /** Where calls and streams are observed; nowhere without it. */
        public Builder observationRegistry(ObservationRegistry observations) {
            this.observations = observations;
            return this;
        }

        /** Names and tags of observations; without it Spring AI's. */
        public Builder observationConvention(@Nullable ChatModelObservationConvention convention) {
            this.convention = convention;
            return this;
        }

        /**
         * The model.
         *
         * @throws IllegalArgumentException if an option is out of its range, or there is no engine or template
         * @throws IllegalStateException if the model has no tokenizer
         */
        public Causal4jChatModel build() {
            return new Causal4jChatModel(this);
        }
    }
}
