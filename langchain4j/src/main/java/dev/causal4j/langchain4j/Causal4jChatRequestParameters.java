package dev.causal4j.langchain4j;

import dev.causal4j.generation.GenerationOptions;
import dev.langchain4j.exception.UnsupportedFeatureException;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.request.DefaultChatRequestParameters;
import java.util.Objects;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/** Parameters of a request, with those that only Causal4j's models know. Immutable. */
public final class Causal4jChatRequestParameters extends DefaultChatRequestParameters {
    /** No parameters. */
    public static final Causal4jChatRequestParameters EMPTY = builder().build();

    private final @Nullable Long seed;
    private final @Nullable UnaryOperator<GenerationOptions> options;

    private Causal4jChatRequestParameters(Builder builder) {
        super(builder);
        seed = builder.seed;
        options = builder.options;
    }

    /** The seed of the draw: equal seeds give equal answers. Null for another one each time, which the metadata have. */
    public @Nullable Long seed() {
        return seed;
    }

    /** Sets all other options of the engine, after the other parameters; null for nothing. */
    public @Nullable UnaryOperator<GenerationOptions> options() {
        return options;
    }

    /** @throws UnsupportedFeatureException if the parameters are of another provider, whose own settings would be lost */
    @Override
    public Causal4jChatRequestParameters overrideWith(ChatRequestParameters that) {
        return builder().overrideWith(this).overrideWith(that).build();
    }

    /** These parameters; where one is not set, the other's. Errors as of {@link #overrideWith}. */
    @Override
    public Causal4jChatRequestParameters defaultedBy(ChatRequestParameters that) {
        return builder().overrideWith(that).overrideWith(this).build();
    }

    @Override
    public boolean equals(@Nullable Object other) {
        return super.equals(other)
                && other instanceof Causal4jChatRequestParameters that
                && Objects.equals(seed, that.seed)
                && Objects.equals(options, that.options);
    }

    @Override
    public int hashCode() {
        return Objects.hash(super.hashCode(), seed, options);
    }

    /** A builder without any. */
    public static Builder builder() {
        return new Builder();
    }

    /** Collects parameters; not thread-safe. */
    public static class Builder extends DefaultChatRequestParameters.Builder<Builder> {
        private @Nullable Long seed;
        private @Nullable UnaryOperator<GenerationOptions> options;

        /** @throws UnsupportedFeatureException if the parameters are of another provider, whose own settings would be lost */
        @Override
        public Builder overrideWith(ChatRequestParameters parameters) {
            if (parameters instanceof Causal4jChatRequestParameters that) {
                seed = that.seed == null ? seed : that.seed;
                options = that.options == null ? options : that.options;
            } else if (parameters.getClass() != DefaultChatRequestParameters.class) {
                throw new UnsupportedFeatureException("parameters: expected those that all providers know, or"
                        + " Causal4jChatRequestParameters, since others are not supported, got "
                        + parameters.getClass().getSimpleName());
            }
            return super.overrideWith(parameters);
        }

        /** See {@link Causal4jChatRequestParameters#seed()}. */
        public Builder seed(@Nullable Long seed) {
            this.seed = seed;
            return this;
        }

        /** See {@link Causal4jChatRequestParameters#options()}. */
        public Builder options(@Nullable UnaryOperator<GenerationOptions> options) {
            this.options = options;
            return this;
        }

        @Override
        public Causal4jChatRequestParameters build() {
            return new Causal4jChatRequestParameters(this);
        }
    }
}
