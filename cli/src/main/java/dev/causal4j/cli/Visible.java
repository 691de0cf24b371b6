package dev.causal4j.cli;

/** Makes untrusted text visible: none of its characters can move the cursor, reorder text, or hide. */
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

    /**
     * Control characters, characters that change direction or have no width, and unassigned ones. Joiners are part of
     * words.
     */
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
