package dev.causal4j.spark;

import dev.causal4j.generation.GenerationOptions;
import java.io.Serializable;
import java.util.List;
import java.util.Map;

/** Sets the options of generating, which begin with the model's own; travels to the executors. */
@FunctionalInterface
public interface GenerationSettings extends Serializable {
    /** Changes nothing. */
    GenerationSettings NONE = options -> options;

    /** Sets options and returns them. The seed is that of the row, and prompts are cut from the left, unless they are set. */
    GenerationOptions.Builder apply(GenerationOptions.Builder options);

    /**
     * Settings by their names in SQL: {@code max_new_tokens}, {@code min_new_tokens}, {@code temperature}, {@code top_k},
     * {@code top_p}, {@code min_p}, {@code typical_p}, {@code repetition_penalty}, {@code no_repeat_ngram_size}, {@code
     * frequency_penalty}, {@code presence_penalty}, {@code stop} (one text) and {@code seed}.
     *
     * <p>Applying them throws IllegalArgumentException for a name that is not known or a value that is none.
     */
    static GenerationSettings of(Map<String, String> values) {
        Map<String, String> kept = Map.copyOf(values);
        return options -> {
            kept.forEach((name, value) -> set(options, name, value));
            return options;
        };
    }

    private static void set(GenerationOptions.Builder options, String name, String value) {
        try {
            var _ = switch (name) {
                case "max_new_tokens" -> options.maxNewTokens(Integer.parseInt(value));
                case "min_new_tokens" -> options.minNewTokens(Integer.parseInt(value));
                case "temperature" -> options.temperature(Double.parseDouble(value));
                case "top_k" -> options.topK(Integer.parseInt(value));
                case "top_p" -> options.topP(Double.parseDouble(value));
                case "min_p" -> options.minP(Double.parseDouble(value));
                case "typical_p" -> options.typicalP(Double.parseDouble(value));
                case "repetition_penalty" -> options.repetitionPenalty(Double.parseDouble(value));
                case "no_repeat_ngram_size" -> options.noRepeatNgramSize(Integer.parseInt(value));
                case "frequency_penalty" -> options.frequencyPenalty(Double.parseDouble(value));
                case "presence_penalty" -> options.presencePenalty(Double.parseDouble(value));
                case "stop" -> options.stop(List.of(value));
                case "seed" -> options.seed(Long.parseLong(value));
                default ->
                    throw new IllegalArgumentException("options: expected names of options of generating, such as"
                            + " max_new_tokens, got \"" + name + "\"");
            };
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException(name + ": expected a number, got \"" + value + "\"", e);
        }
    }
}
