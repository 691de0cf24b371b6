package dev.causal4j.model.families;

import dev.causal4j.FormatException;
import dev.causal4j.format.Json;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;

/** The families that can be read. */
public final class Families {
    /** All families. */
    private static final List<Family> ALL = List.of(
            new Gpt2(),
            new Llama(),
            new Mistral(),
            new Qwen2(),
            new Qwen3(),
            new Gemma2(),
            new Gemma3(),
            new Phi3(),
            new SmolLm3(),
            new Olmo2(),
            new Granite(),
            new GptNeox(),
            new Mixtral(),
            new Qwen3Moe(),
            new GptOss());

    /**
     * The family of a configuration.
     *
     * @throws dev.causal4j.UnsupportedModelException if no family has its {@code model_type}
     */
    public static Family of(Json json) throws FormatException {
        String type = json.string("model_type", "");
        Optional<Family> family =
                ALL.stream().filter(each -> each.types().contains(type)).findFirst();
        String known = ALL.stream().map(Family::type).collect(Collectors.joining(", "));
        json.support("model_type", family.isPresent(), known);
        return family.orElseThrow();
    }

    private Families() {}
}
