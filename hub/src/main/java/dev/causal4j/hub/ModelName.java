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

    /** Organisations of models that the hub first had without one. */
    private static final Map<String, String> OLD = Map.of(
            "gpt2", "openai-community",
            "gpt2-medium", "openai-community",
            "gpt2-large", "openai-community",
            "gpt2-xl", "openai-community",
            "distilgpt2", "distilbert");

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
     * @throws IllegalArgumentException if it is none
     */
    public static ModelName of(String text) {
        return find(text).orElseThrow(() -> {
            String org = OLD.get(text);
            String meant = org == null ? "" : "; did you mean " + org + "/" + text + "?";
            String got = FormatException.quote(text) + meant;
            return new IllegalArgumentException("model: expected org/name or org/name@revision, got " + got);
        });
    }

    /** As it is written; {@code main} goes without saying. */
    @Override
    public String toString() {
        return revision.equals(MAIN) ? repository : repository + "@" + revision;
    }
}
