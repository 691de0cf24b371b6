package dev.causal4j.model;

import dev.causal4j.FormatException;
import dev.causal4j.json.Json;
import dev.causal4j.model.families.Architecture;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The options of generation that a model has by default: its {@code generation_config.json}, with its meaning in
 * Hugging Face transformers. Without {@code "do_sample": true} the file asks for the likeliest token, whatever its
 * temperature and filters are. Lengths, and rules without a {@code GenerationOptions} setting, are left out. Immutable.
 *
 * @param source the content of the file, kept for copies; empty without one
 * @param numbers how tokens are chosen, by the names in the file; 0 for the temperature means the likeliest token
 */
public record GenerationDefaults(Map<?, ?> source, Map<String, Number> numbers) {
    static final String FILE = "generation_config.json";

    /** The defaults of a model without the file: its own distribution. */
    public static final GenerationDefaults NONE = new GenerationDefaults(Map.of(), Map.of());

    static GenerationDefaults of(Json json) throws FormatException {
        boolean samples = json.bool("do_sample", false);
        int absent = json.isNull("top_k") ? 0 : 50;
        int topK = json.integer("top_k", absent, -1, Architecture.MOST); // some files have -1 for none
        double temperature = json.number("temperature", 1, 0, 1e9);
        double topP = json.number("top_p", 1, 1e-9, 1);
        double minP = json.number("min_p", 0, 0, 1);
        double typicalP = json.number("typical_p", 1, 1e-9, 1);
        Map<String, Number> numbers = new LinkedHashMap<>();
        numbers.put("temperature", samples ? temperature : 0.0);
        numbers.put("top_k", samples ? Math.max(topK, 0) : 0);
        numbers.put("top_p", samples ? topP : 1.0);
        numbers.put("min_p", samples ? minP : 0.0);
        numbers.put("typical_p", samples ? typicalP : 1.0);
        numbers.put("repetition_penalty", json.number("repetition_penalty", 1, 1e-9, 1e9));
        numbers.put("no_repeat_ngram_size", json.integer("no_repeat_ngram_size", 0, 0, Architecture.MOST));
        return new GenerationDefaults(json.root(), Collections.unmodifiableMap(numbers));
    }
}
