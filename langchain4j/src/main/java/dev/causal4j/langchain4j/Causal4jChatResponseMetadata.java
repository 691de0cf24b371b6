package dev.causal4j.langchain4j;

import dev.causal4j.generation.Generation;
import dev.langchain4j.model.chat.response.ChatResponseMetadata;

/** The metadata of a response, with the generation that made it. Immutable; each response has an id of its own. */
public final class Causal4jChatResponseMetadata extends ChatResponseMetadata {
    private final Generation generation;

    private Causal4jChatResponseMetadata(Builder builder) {
        super(builder);
        generation = builder.generation;
    }

    /**
     * The answer as tokens, with the text and, if they were asked for, the log-probabilities of each; its seed, and how
     * long it took. Its text may have white space around that of the message.
     */
    public Generation generation() {
        return generation;
    }

    @Override
    public Builder toBuilder() {
        Builder builder = new Builder(generation);
        toBuilder(builder);
        return builder;
    }

    /** Collects the parts; not thread-safe. */
    public static final class Builder extends ChatResponseMetadata.Builder<Builder> {
        private final Generation generation;

        /** A builder for an answer. */
        public Builder(Generation generation) {
            this.generation = generation;
        }

        @Override
        public Causal4jChatResponseMetadata build() {
            return new Causal4jChatResponseMetadata(this);
        }
    }
}
