package dev.causal4j.langchain4j;

import dev.causal4j.generation.Engine;
import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.model.CausalLM;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import java.util.List;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * The settings of all models, for their builders. Null means that a setting is not set; then the model's own default
 * counts. Not thread-safe.
 */
abstract class Settings<B extends Settings<B>> {
    private final Causal4jChatRequestParameters.Builder own = Causal4jChatRequestParameters.builder();
    private ChatRequestParameters defaults = Causal4jChatRequestParameters.EMPTY;
    private @Nullable Engine engine;

    @SuppressWarnings("unchecked") // a builder of B is a B
    final B self() {
        return (B) this;
    }

    Engine engine() {
        if (engine == null) {
            throw new IllegalArgumentException("engine: expected one, got none; call engine(...) or model(...)");
        }
        return engine;
    }

    Causal4jChatRequestParameters parameters() {
        return Causal4jChatRequestParameters.builder()
                .modelName(engine().model().name())
                .overrideWith(defaults)
                .overrideWith(own.build())
                .build();
    }

    /** The engine that computes. Its owner closes it after the last call. */
    public B engine(@Nullable Engine engine) {
        this.engine = engine;
        return self();
    }

    /** The model, computed by the engine that all its callers share. Its owner closes it after the last call. */
    public B model(@Nullable CausalLM model) {
        return engine(model == null ? null : Engine.shared(model));
    }

    /** Parameters for settings that this builder does not set by name. */
    public B defaultRequestParameters(@Nullable ChatRequestParameters parameters) {
        defaults = parameters == null ? Causal4jChatRequestParameters.EMPTY : parameters;
        return self();
    }

    /** Divides the logits; 0 takes the likeliest token. */
    public B temperature(@Nullable Double temperature) {
        own.temperature(temperature);
        return self();
    }

    /** Keeps the fewest most likely tokens with this probability together; above 0, at most 1. */
    public B topP(@Nullable Double topP) {
        own.topP(topP);
        return self();
    }

    /** Keeps the most likely tokens, this many; 0 for all. */
    public B topK(@Nullable Integer topK) {
        own.topK(topK);
        return self();
    }

    /** Taken from a token's logit for each time that it was generated. */
    public B frequencyPenalty(@Nullable Double frequencyPenalty) {
        own.frequencyPenalty(frequencyPenalty);
        return self();
    }

    /** Taken from a token's logit once it was generated. */
    public B presencePenalty(@Nullable Double presencePenalty) {
        own.presencePenalty(presencePenalty);
        return self();
    }

    /** Most new tokens; without it as many as the context has room for. */
    public B maxOutputTokens(@Nullable Integer maxOutputTokens) {
        own.maxOutputTokens(maxOutputTokens);
        return self();
    }

    /** Texts that end the answer, which keeps what comes before them. */
    public B stopSequences(@Nullable List<String> stopSequences) {
        own.stopSequences(stopSequences == null ? List.of() : stopSequences);
        return self();
    }

    /** Equal seeds give equal texts; without a seed each text has another one, which its metadata have. */
    public B seed(@Nullable Long seed) {
        own.seed(seed);
        return self();
    }

    /** Sets all other options of the engine, such as log-probabilities, biases and rules; called for each request. */
    public B options(@Nullable UnaryOperator<GenerationOptions> options) {
        own.options(options);
        return self();
    }
}
