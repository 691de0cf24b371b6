package dev.causal4j.langchain4j;

import dev.causal4j.generation.Chat;
import dev.causal4j.generation.Generation;
import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.generation.GenerationOptions.Setting;
import dev.causal4j.model.CausalLM;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.exception.RateLimitException;
import dev.langchain4j.model.output.FinishReason;
import dev.langchain4j.model.output.TokenUsage;
import java.util.concurrent.RejectedExecutionException;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** Translates parameters to options of the engine, and its results and errors to those of LangChain4j. */
final class Sampling {
    private Sampling() {}

    /** The options of a sequence: the model's own, then the parameters, then the settings of the user's function. */
    static GenerationOptions options(Chat.Format format, Causal4jChatRequestParameters parameters) {
        CausalLM model = format.model();
        GenerationOptions options = GenerationOptions.of(model)
                .withMaxNewTokens(model.contextLength())
                .withSeed(GenerationOptions.randomSeed())
                .withStop(parameters.stopSequences())
                .with(Setting.MAX_NEW_TOKENS, parameters.maxOutputTokens())
                .with(Setting.TEMPERATURE, parameters.temperature())
                .with(Setting.TOP_K, parameters.topK())
                .with(Setting.TOP_P, parameters.topP())
                .with(Setting.FREQUENCY_PENALTY, parameters.frequencyPenalty())
                .with(Setting.PRESENCE_PENALTY, parameters.presencePenalty())
                .with(Setting.SEED, parameters.seed());
        GenerationOptions constrained = Translation.constraint(parameters.responseFormat(), format.whitespace())
                .map(options::withConstraint)
                .orElse(options);
        return parameters.options() == null ? constrained : parameters.options().apply(constrained);
    }

    static FinishReason finishReason(Generation generation) {
        return switch (generation.finishReason()) {
            case EOS, STOP -> FinishReason.STOP;
            case LENGTH, DEADLINE -> FinishReason.LENGTH; // either cuts it
            case CANCELLED -> FinishReason.OTHER;
        };
    }

    static TokenUsage usage(Generation generation) {
        return new TokenUsage(generation.promptTokens().length, generation.tokens().length);
    }

    /** Checks that an argument is not null. */
    static <T> T required(String subject, @Nullable T given) {
        if (given == null) {
            throw new InvalidRequestException(subject + ": expected one, got null");
        }
        return given;
    }

    /** Runs work, and throws LangChain4j's exceptions for ours. */
    static <T> T translating(Supplier<T> work) {
        try {
            return work.get();
        } catch (RejectedExecutionException e) {
            throw new RateLimitException(e.getMessage(), e);
        } catch (IllegalArgumentException e) {
            throw new InvalidRequestException(e.getMessage(), e);
        }
    }
}
