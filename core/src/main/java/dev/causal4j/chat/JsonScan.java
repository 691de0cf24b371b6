package dev.causal4j.chat;

/** Finds the end of a JSON value, given in pieces. Not thread-safe. */
final class JsonScan {
    private int depth;
    private boolean quoted;
    private boolean escaped;
    private boolean whole;

    /**
     * Reads on.
     *
     * @param close a mark that ends the value outside of its strings, though it is not whole; empty for none
     * @param last whether no more text comes
     * @return how far it read
     */
    int read(CharSequence text, int from, String close, boolean last) {
        int at = from;
        while (at < text.length() && !whole && !(!quoted && mayBe(close, text, at, last))) {
            char c = text.charAt(at++);
            if (escaped || (quoted && c == '\\')) {
                escaped = !escaped;
            } else if (c == '"') {
                quoted = !quoted;
                whole = !quoted && depth == 0;
            } else if (!quoted && (c == '{' || c == '[')) {
                depth++;
            } else if (!quoted && (c == '}' || c == ']')) {
                whole = --depth <= 0;
                at -= depth < 0 ? 1 : 0; // the end of what the value stands in
            } else if (!quoted && depth == 0 && (c == ',' || Character.isWhitespace(c))) {
                whole = true;
                at--;
            }
        }
        return at;
    }

    /** Whether a mark stands in the text, or may be there when more comes. */
    private static boolean mayBe(String mark, CharSequence text, int at, boolean last) {
        int end = Math.min(text.length(), at + mark.length());
        return !mark.isEmpty()
                && mark.startsWith(text.subSequence(at, end).toString())
                && (end - at == mark.length() || !last);
    }

    /** Whether the value has ended. */
    boolean isWhole() {
        return whole;
    }
}
