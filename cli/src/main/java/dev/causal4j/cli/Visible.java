package dev.causal4j.cli;

/**
 * Makes text of strangers visible: no character of it can move the cursor, reorder what stands beside it, hide, or
 * become markup.
 */
final class Visible {
    private Visible() {}

    /** In quotes, on one line, hidden characters as escapes of Java. */
    static String quoted(String text) {
        StringBuilder out = new StringBuilder("\"");
        text.codePoints().forEach(c -> {
            switch (c) {
                case '\n' -> out.append("\\n");
                case '\r' -> out.append("\\r");
                case '\t' -> out.append("\\t");
                case '"', '\\' -> out.append('\\').appendCodePoint(c);
                default -> {
                    if (isHidden(c)) {
                        for (char unit : Character.toChars(c)) {
                            out.append(String.format("\\u%04x", (int) unit));
                        }
                    } else {
                        out.appendCodePoint(c);
                    }
                }
            }
        });
        return out.append('"').toString();
    }

    /** As content or quoted attribute of HTML; hidden characters as their code in a box, line ends with a sign. */
    static void html(String text, StringBuilder out) {
        text.codePoints().forEach(c -> {
            switch (c) {
                case '&' -> out.append("&amp;");
                case '<' -> out.append("&lt;");
                case '>' -> out.append("&gt;");
                case '"' -> out.append("&quot;");
                case '\'' -> out.append("&#39;");
                case '\n' -> out.append("<i>\u21b5</i>\n");
                case '\t' -> out.append("<i>\u2192</i>\t");
                default -> {
                    if (isHidden(c)) {
                        out.append(String.format("<b>U+%04X</b>", c));
                    } else {
                        out.appendCodePoint(c);
                    }
                }
            }
        });
    }

    /** Controls, what changes direction or has no width, and what no font can show. Joiners are part of words. */
    private static boolean isHidden(int c) {
        boolean joiner = c == 0x200c || c == 0x200d;
        return !joiner
                && switch (Character.getType(c)) {
                    case Character.CONTROL,
                            Character.FORMAT,
                            Character.LINE_SEPARATOR,
                            Character.PARAGRAPH_SEPARATOR,
                            Character.SURROGATE,
                            Character.PRIVATE_USE,
                            Character.UNASSIGNED -> true;
                    default -> false;
                };
    }
}
