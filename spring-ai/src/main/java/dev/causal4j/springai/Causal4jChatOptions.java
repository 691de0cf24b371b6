package dev.causal4j.springai;

import dev.causal4j.chat.ToolChoice;
import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.generation.GenerationOptions.Setting;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;
import org.springframework.ai.chat.prompt.ChatOptions;
import org.springframework.ai.chat.prompt.DefaultChatOptionsBuilder;
import org.springframework.ai.model.tool.DefaultToolCallingChatOptions;
import org.springframework.ai.model.tool.StructuredOutputChatOptions;
import org.springframework.ai.model.tool.ToolCallingChatOptions;
import org.springframework.ai.tool.ToolCallback;

/**
 * Options of a prompt, with those that only Causal4j's models know. Null means that an option is not set: then the
 * model's own counts. Ranges are checked when a prompt is answered. Immutable.
 */
public final class Causal4jChatOptions extends DefaultToolCallingChatOptions implements StructuredOutputChatOptions {
    private final Builder set; // a copy that nobody changes

    private Causal4jChatOptions(ToolCallingChatOptions shared, Builder set) {
        super(
                shared.getToolCallbacks(),
                shared.getToolContext(),
                shared.getModel(),
                shared.getFrequencyPenalty(),
                shared.getMaxTokens(),
                shared.getPresencePenalty(),
                shared.getStopSequences(),
                shared.getTemperature(),
                shared.getTopK(),
                shared.getTopP());
        this.set = set;
    }

    /** A builder without any. */
    public static Builder builder() {
        return new Builder();
    }

    @Override
    public Builder mutate() {
        return set.clone();
    }

    /** The numbers that are set here and that other providers' options do not have: seed, min-p, and so on. */
    public Map<Setting, Number> getNumbers() {
        return set.numbers;
    }

    /** A JSON Schema that the content obeys while it is written; blank for none. */
    @Override
    public @Nullable String getOutputSchema() {
        return set.outputSchema;
    }

    /**
     * Whether the model may or must call tools. A call that must be made is no longer demanded once the messages end
     * with results of tools, since advisors would ask without end.
     */
    public @Nullable ToolChoice getToolChoice() {
        return set.toolChoice;
    }

    /** Whether arguments of calls obey the whole schema of their tool; they do unless this is false. */
    public @Nullable Boolean getStrictTools() {
        return set.strictTools;
    }

    /** Further variables of the chat template, such as {@code enable_thinking}. */
    public Map<String, Object> getTemplateVariables() {
        return set.templateVariables;
    }

    /** Sets all other options of the engine, such as log-probabilities, biases and constraints, after these. */
    public @Nullable UnaryOperator<GenerationOptions> getGeneration() {
        return set.generation;
    }

    /** Each option of a prompt if it is set there, else this one. Lists of the prompt replace these. */
    Causal4jChatOptions overriddenBy(@Nullable ChatOptions prompt) {
        if (prompt == null) {
            return this;
        }
        if (!(prompt.mutate() instanceof DefaultChatOptionsBuilder<?> others)) {
            throw new IllegalArgumentException("options: expected those of Spring AI or a provider, got "
                    + prompt.getClass().getName());
        }
        Builder own = mutate();
        if (prompt.getStopSequences() != null) {
            own.stopSequences(null);
        }
        if (prompt instanceof ToolCallingChatOptions calling && calling.getToolCallbacks() != null) {
            own.toolCallbacks((List<ToolCallback>) null);
        }
        return own.combineWith(others).build();
    }

    @Override
    public boolean equals(@Nullable Object other) {
        return super.equals(other)
                && other instanceof Causal4jChatOptions that
                && set.own().equals(that.set.own());
    }

    @Override
    public int hashCode() {
        return Objects.hash(super.hashCode(), set.own());
    }

    /** Collects options; null unsets one. Not thread-safe. */
    public static final class Builder extends DefaultToolCallingChatOptions.Builder<Builder>
            implements StructuredOutputChatOptions.Builder<Builder> {
        // Maps are replaced, never changed: clones share them.
        private Map<Setting, Number> numbers = Map.of();
        private @Nullable String outputSchema;
        private @Nullable ToolChoice toolChoice;
        private @Nullable Boolean strictTools;
        private Map<String, Object> templateVariables = Map.of();
        private @Nullable UnaryOperator<GenerationOptions> generation;

        private Builder() {}

        private List<@Nullable Object> own() {
            return Arrays.asList(numbers, outputSchema, toolChoice, strictTools, templateVariables, generation);
        }

        private Builder number(Setting setting, @Nullable Number value) {
            Map<Setting, Number> all = new HashMap<>(numbers);
            all.compute(setting, (_, _) -> value);
            numbers = Collections.unmodifiableMap(all);
            return this;
        }

        /** The seed of the draw: equal seeds give equal answers. Without one each answer has another, which its metadata have. */
        public Builder seed(@Nullable Long seed) {
            return number(Setting.SEED, seed);
        }

        /** Keeps tokens at least this share as likely as the likeliest; 0 is off. */
        public Builder minP(@Nullable Double minP) {
            return number(Setting.MIN_P, minP);
        }

        /** Keeps the most typical tokens that together have this probability; 1 is off. */
        public Builder typicalP(@Nullable Double typicalP) {
            return number(Setting.TYPICAL_P, typicalP);
        }

        /** Above 1, tokens that occurred, also in the prompt, become less likely; 1 is off. */
        public Builder repetitionPenalty(@Nullable Double repetitionPenalty) {
            return number(Setting.REPETITION_PENALTY, repetitionPenalty);
        }

        /** No run of this many tokens occurs twice; 0 is off. */
        public Builder noRepeatNgramSize(@Nullable Integer noRepeatNgramSize) {
            return number(Setting.NO_REPEAT_NGRAM_SIZE, noRepeatNgramSize);
        }

        /** Fewest new tokens before the answer may end. */
        public Builder minTokens(@Nullable Integer minTokens) {
            return number(Setting.MIN_NEW_TOKENS, minTokens);
        }

        /** See {@link Causal4jChatOptions#getOutputSchema}. */
        @Override
        public Builder outputSchema(@Nullable String outputSchema) {
            this.outputSchema = outputSchema;
            return this;
        }

        /** See {@link Causal4jChatOptions#getToolChoice}. */
        public Builder toolChoice(@Nullable ToolChoice toolChoice) {
            this.toolChoice = toolChoice;
            return this;
        }

        /** See {@link Causal4jChatOptions#getStrictTools}. */
        public Builder strictTools(@Nullable Boolean strictTools) {
            this.strictTools = strictTools;
            return this;
        }

        /** See {@link Causal4jChatOptions#getTemplateVariables}; null for none. */
        public Builder templateVariables(@Nullable Map<String, ?> templateVariables) {
            this.templateVariables = templateVariables == null ? Map.of() : Map.copyOf(templateVariables);
            return this;
        }

        /** See {@link Causal4jChatOptions#getGeneration}. */
        public Builder generation(@Nullable UnaryOperator<GenerationOptions> generation) {
            this.generation = generation;
            return this;
        }

        /**
         * Takes all that another builder has set. Its stop sequences and tools are added to these, as in Spring AI's own
         * builders; so are template variables, by name.
         */
        @Override
        public Builder combineWith(ChatOptions.Builder<?> other) {
            if (other instanceof StructuredOutputChatOptions.Builder<?>
                    && other.build() instanceof StructuredOutputChatOptions structured
                    && structured.getOutputSchema() != null) {
                outputSchema = structured.getOutputSchema();
            }
            if (other instanceof Builder that) {
                that.numbers.forEach(this::number);
                toolChoice = that.toolChoice == null ? toolChoice : that.toolChoice;
                strictTools = that.strictTools == null ? strictTools : that.strictTools;
                generation = that.generation == null ? generation : that.generation;
                Map<String, Object> variables = new HashMap<>(templateVariables);
                variables.putAll(that.templateVariables);
                templateVariables(variables);
            }
            return super.combineWith(other);
        }

        @Override
        public Causal4jChatOptions build() {
            return new Causal4jChatOptions(super.build(), clone());
        }
    }
}
