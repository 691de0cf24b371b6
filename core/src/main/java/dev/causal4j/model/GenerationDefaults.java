package dev.causal4j.model;

import dev.causal4j.FormatException;
import dev.causal4j.format.Json;
import dev.causal4j.model.families.Architecture;
import java.util.Map;

/**
 * How a model generates unless it is told otherwise: its {@code generation_config.json}, with the meaning it has in
 * Hugging Face transformers. Without {@code "do_sample": true} the file asks for the likeliest token, whatever its
 * temperature and filters are. Lengths and rules that are no {@code GenerationOptions} are left out. Immutable.
 *
 * @param source the file, which a copy keeps; empty without one
 * @param temperature 0 for the likeliest token
 * @param topK 0 for all tokens; 50 in a file that samples and does not say
 * @param topP 1 for all tokens
 * @param minP 0 for all tokens
 * @param typicalP 1 for all tokens
 * @param repetitionPenalty 1 for none
 * @param noRepeatNgramSize 0 for none
 */
public record GenerationDefaults(
        Map<?, ?> source,
        double temperature,
        int topK,
        double topP,
        double minP,
        double typicalP,
        double repetitionPenalty,
        int noRepeatNgramSize) {
    static final String FILE = "generation_config.json";

    /** The defaults of a model without the file: its own distribution. */
    public static final GenerationDefaults NONE = new GenerationDefaults(Map.of(), 1, 0, 1, 0, 1, 1, 0);

    static GenerationDefaults of(Json json) throws FormatException {
        boolean samples = json.bool("do_sample", false);
        int absent = json.isNull("top_k") ? 0 : 50;
        int topK = json.integer("top_k", absent, -1, Architecture.MOST); // some write -1 for none
        double temperature = json.number("temperature", 1, 0, 1e9);
        double topP = json.number("top_p", 1, 1e-9, 1);
        double minP = json.number("min_p", 0, 0, 1);
        double typicalP = json.number("typical_p", 1, 1e-9, 1);
        return new GenerationDefaults(
                json.root(),
                samples ? temperature : 0,
                samples ? Math.max(topK, 0) : 0,
                samples ? topP : 1,
                samples ? minP : 0,
                samples ? typicalP : 1,
                json.number("repetition_penalty", 1, 1e-9, 1e9),
                json.integer("no_repeat_ngram_size", 0, 0, Architecture.MOST));
    }
}
