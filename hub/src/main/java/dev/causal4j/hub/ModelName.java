package dev.causal4j.hub;

import dev.causal4j.FormatException;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The name of a model on the hub: {@code org/name}, or {@code org/name@revision}. Immutable.
 *
 * @param repository {@code org/name}
 * @param revision a branch, tag or commit
 */
public record ModelName(String repository, String revision) {
    private static final String MAIN = "main";

    /** Models that are known by other names: one that the hub first had, and Ollama's; GPT-2's sizes are apart. */
    private static final Map<String, String> KNOWN = Map.of(
            "distilgpt2", "distilbert/distilgpt2",
            "smollm2:135m", "HuggingFaceTB/SmolLM2-135M-Instruct",
            "smollm2:360m", "HuggingFaceTB/SmolLM2-360M-Instruct",
            "qwen3:0.6b", "Qwen/Qwen3-0.6B",
            "qwen3:1.7b", "Qwen/Qwen3-1.7B");

    // As the hub allows them; two dashes separate the parts in the cache.
    private static final String PART = "\\w(?:[\\w.-]{0,94}\\w)?";
    private static final String STEP = "[\\w+][\\w.+-]*";
    private static final Pattern NAME = Pattern.compile("(?=.{1,400}$)(?!.*\\.\\.)(?![^@]*--)" + "(" + PART + "/" + PART
            + ")(?:@(" + STEP + "(?:/" + STEP + ")*))?");

    /** The name that a text is, if it is one. */
    public static Optional<ModelName> find(String text) {
        Matcher name = NAME.matcher(text);
        if (!name.matches()) {
            return Optional.empty();
        }
        return Optional.of(new ModelName(name.group(1), name.group(2) == null ? MAIN : name.group(2)));
    }

    /**
     * The name that a text is.
     *
     * @throws IllegalArgumentException if it is not a name
     */
    public static ModelName of(String text) {
        return find(text).orElseThrow(() -> {
            String hint =
                    meant(text).map(name -> "; did you mean " + name + "?").orElse("");
            String got = FormatException.quote(text) + hint;
            return new IllegalArgumentException("model: expected org/name or org/name@revision, got " + got);
        });
    }

    /** The name on the hub of a model that is known by another name, such as {@code qwen3:0.6b}. */
    public static Optional<String> meant(String text) {
        boolean gpt2 = text.matches("gpt2(-medium|-large|-xl)?");
        return Optional.ofNullable(gpt2 ? "openai-community/" + text : KNOWN.get(text));
    }

    /** As it is written; {@code main} is left out. */
    @Override
    public String toString() {
        return revision.equals(MAIN) ? repository : repository + "@" + revision;
    }
}
