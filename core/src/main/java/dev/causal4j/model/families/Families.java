package dev.causal4j.model.families;

import dev.causal4j.FormatException;
import dev.causal4j.format.Json;
import java.util.List;
import java.util.stream.Collectors;

/** The families that can be read. */
public final class Families {
    /** All families, with their {@code model_type}. */
    private static final List<Family> ALL = List.of(
            new Gpt2("gpt2"),
            new Llama("llama"),
            new Mistral("mistral"),
            new Qwen2("qwen2"),
            new Qwen3("qwen3"),
            new Gemma("gemma2"),
            new Gemma("gemma3_text"),
            new Phi3("phi3"),
            new SmolLm3("smollm3"),
            new Olmo2("olmo2"),
            new Granite("granite"),
            new GptNeox("gpt_neox"),
            new Mixtral("mixtral"),
            new Qwen3Moe("qwen3_moe"),
            new GptOss("gpt_oss"));

    /**
     * The family of a configuration.
     *
     * @throws dev.causal4j.UnsupportedModelException if no family has its {@code model_type}
     */
    public static Family of(Json json) throws FormatException {
        String type = json.string("model_type", "");
        var family = ALL.stream().filter(each -> each.types().contains(type)).findFirst();
        String known = ALL.stream().map(Family::type).collect(Collectors.joining(", "));
        json.support("model_type", family.isPresent(), known);
        return family.orElseThrow();
    }

    private Families() {}
}
