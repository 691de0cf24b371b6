package dev.causal4j.springai;

import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.generation.Chat;
import dev.causal4j.generation.Engine;
import dev.causal4j.generation.Generator;
import dev.causal4j.model.CausalLM;
import io.micrometer.observation.ObservationRegistry;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.springframework.ai.chat.model.ChatModel;
import org.springframework.ai.chat.model.ChatResponse;
import org.springframework.ai.chat.observation.ChatModelObservationConvention;
import org.springframework.ai.chat.prompt.ChatOptions;
import org.springframework.ai.chat.prompt.Prompt;
import reactor.core.publisher.Flux;

/**
 * Answers prompts by a model in this process. Immutable and thread-safe; callers at once are computed together. Owns
 * nothing: its engine's owner closes that.
 */
public final class Causal4jChatModel implements ChatModel {
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
    }

    /** A builder. */
    public static Builder builder() {
        return new Builder();
    }

    @Override
    public Causal4jChatOptions getOptions() {
        return options;
    }

    @Override
    public ChatResponse call(Prompt prompt) {
        throw new UnsupportedOperationException(generator.hashCode() + "" + format + observations + convention);
    }

    @Override
    public Flux<ChatResponse> stream(Prompt prompt) {
        throw new UnsupportedOperationException();
    }

    /** Collects the settings; not thread-safe. */
    public static final class Builder {
        private @Nullable Engine engine;
        private @Nullable ChatTemplate template;
        private @Nullable ChatOptions options;
        private ObservationRegistry observations = ObservationRegistry.NOOP;
        private @Nullable ChatModelObservationConvention convention;

        private Builder() {}

        private Engine engine() {
            if (engine == null) {
                throw new IllegalArgumentException("engine: expected one, got none; call engine(...) or model(...)");
            }
            return engine;
        }

        private ChatTemplate template() {
            return Optional.ofNullable(template)
                    .or(engine().model()::chatTemplate)
                    .orElseThrow(() -> new IllegalArgumentException("chat template: expected one in the model's files,"
                            + " got none; call chatTemplate(...), for instance with ChatTemplate.plain()"));
        }

        /** The engine that computes. Its owner closes it after the last call. */
        public Builder engine(@Nullable Engine engine) {
            this.engine = engine;
            return this;
        }

        /** The model, computed by the engine that all its callers share. Its owner closes it after the last call. */
        public Builder model(@Nullable CausalLM model) {
            return engine(model == null ? null : Engine.shared(model));
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
