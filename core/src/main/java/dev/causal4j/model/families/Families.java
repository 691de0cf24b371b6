package dev.causal4j.model.families;

import dev.causal4j.FormatException;
import dev.causal4j.json.Json;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** The families that can be read. */
public final class Families {
    /** All families, with their {@code model_type} and the names of their tensors. */
    private static final List<Family> ALL = List.of(
            new Gpt2("gpt2", Gpt2.NAMES),
            new Llama("llama", Names.LLAMA),
            new Mistral("mistral", Names.LLAMA),
            new Ministral("ministral", Names.LLAMA),
            new Qwen("qwen2", Names.LLAMA),
            new Qwen("qwen3", Names.LLAMA),
            new Gemma1("gemma", Names.LLAMA.with(Origin.Form.LESS_ONE)),
            new Gemma("gemma2", Gemma.NAMES.with(Origin.Form.LESS_ONE)),
            new Gemma("gemma3_text", Gemma.NAMES.with(Origin.Form.LESS_ONE)),
            new Gemma4("gemma4_text", Gemma4.FUSED),
            new Phi3("phi3", Phi3.NAMES),
            new SmolLm3("smollm3", Names.LLAMA),
            new Olmo2("olmo2", Olmo2.NAMES),
            new Olmo3("olmo3", Olmo2.NAMES),
            new Granite("granite", Names.LLAMA),
            new GptNeox("gpt_neox", GptNeox.NAMES),
            new Mixtral("mixtral", Mixtral.NAMES),
            new Qwen3Moe("qwen3_moe", Names.LLAMA),
            new GptOss("gpt_oss", GptOss.NAMES),
            new Ministral3("ministral3", Names.LLAMA),
            new Lfm2("lfm2", Lfm2.NAMES),
            new Lfm2("lfm2_moe", Lfm2.NAMES),
            new Granite4("granitemoehybrid", Granite4.NAMES),
            new Qwen35("qwen3_5_text", Qwen35.FUSED),
            new Qwen35("qwen3_5_moe_text", Qwen35.FUSED));

    /** A configuration key of our own: value heads have the order of GGUF files. */
    public static final String OWN_KEY = Qwen35.INTERLEAVED;

    /** Families by other types: of language models in multimodal models, and of models that differ by name alone. */
    private static final Map<String, String> LANGUAGE_MODELS = Map.of(
            "gemma3", "gemma3_text",
            "gemma4", "gemma4_text",
            "gemma4_unified", "gemma4_text",
            "gemma4_unified_text", "gemma4_text",
            "qwen3_5", "qwen3_5_text",
            "qwen3_5_moe", "qwen3_5_moe_text");

    /**
     * Reads a configuration.
     *
     * @throws dev.causal4j.UnsupportedModelException if no family has its {@code model_type}
     * @throws FormatException naming the key that is missing, wrong or not supported
     */
    public static Architecture read(Json json) throws FormatException {
        String said = json.string("model_type", "");
        if (said.equals("mistral3")) { // a multimodal model; its language model has one of two types
            return read(Ministral3.text(json));
        }
        String type = LANGUAGE_MODELS.getOrDefault(said, said);
        var family = ALL.stream().filter(each -> each.type().equals(type)).findFirst();
        String known = ALL.stream().map(Family::type).collect(Collectors.joining(", "));
        json.support("model_type", family.isPresent(), known);
        return family.orElseThrow().read(json);
    }

    /** The family with a {@code model_type}, which must exist. */
    public static Family named(String type) {
        return ALL.stream().filter(each -> each.type().equals(type)).findFirst().orElseThrow();
    }

    /** Names of models in Hugging Face's library that do not follow from the type. */
    private static final Map<String, String> ARCHITECTURES = Map.of(
            "gpt2", "GPT2LMHeadModel",
            "gemma3_text", "Gemma3ForCausalLM",
            "qwen3_5_text", "Qwen3_5ForCausalLM",
            "qwen3_5_moe_text", "Qwen3_5MoeForCausalLM",
            "gemma4_text", "Gemma4ForCausalLM",
            "granitemoehybrid", "GraniteMoeHybridForCausalLM",
            "smollm3", "SmolLM3ForCausalLM",
            "gpt_neox", "GPTNeoXForCausalLM");

    /** The class of a family's models in Hugging Face's library, by which programs choose. */
    public static String architecture(Family family) {
        String type = Pattern.compile("(?:^|_)(.)")
                .matcher(family.type())
                .replaceAll(first -> first.group(1).toUpperCase(Locale.ROOT));
        return ARCHITECTURES.getOrDefault(family.type(), type + "ForCausalLM");
    }

    private Families() {}
}
