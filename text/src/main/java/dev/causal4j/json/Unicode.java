package dev.causal4j.json;

import java.nio.charset.StandardCharsets;

/** Texts that have a form in UTF-8, as those without an unpaired surrogate have. Stateless and thread-safe. */
public final class Unicode {
    private Unicode() {}

    /** Whether every surrogate of a text is one of a pair. */
    public static boolean isWellFormed(String text) {
        return text.equals(new String(text.getBytes(StandardCharsets.UTF_8), StandardCharsets.UTF_8));
    }

    /** The text with U+FFFD for each unpaired surrogate; it has as many chars. */
    public static String wellFormed(String text) {
        return isWellFormed(text) ? text : text.replaceAll("\\p{Cs}", "\ufffd");
    }
}
