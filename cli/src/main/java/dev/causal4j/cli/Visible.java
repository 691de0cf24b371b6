package dev.causal4j.cli;

import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** Makes untrusted text visible: none of its characters can move the cursor, reorder text, or hide. */
final class Visible {
    /** Control characters, ones that change direction or have no width, unassigned ones. Joiners are part of words. */
    private static final Pattern HIDDEN = Pattern.compile("[\\p{C}\\p{Zl}\\p{Zp}&&[^\\u200c\\u200d]]");

    private Visible() {}

    /** In quotes, on one line, hidden characters as escapes of Java. */
    static String quoted(String text) {
        String escaped = text.replace("\\", "\\\\")
                .replace("\"", "\\\"")
                .replace("\n", "\\n")
                .replace("\r", "\\r")
                .replace("\t", "\\t");
        return '"' + HIDDEN.matcher(escaped).replaceAll(each -> escape(each.group())) + '"';
    }

    private static String escape(String hidden) {
        return hidden.chars().mapToObj(unit -> String.format("\\\\u%04x", unit)).collect(Collectors.joining());
    }
}
