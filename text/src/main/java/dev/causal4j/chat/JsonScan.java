package dev.causal4j.chat;

import dev.causal4j.chat.AnswerParser.Stop;

/** Reads a JSON value of an answer, which comes in pieces. Not thread-safe. */
final class JsonScan {
    private final AnswerParser answer;
    private final String close;
    private int depth;
    private boolean quoted;
    private boolean escaped;
    private boolean whole;

    /** @param close a mark that ends the value outside of its strings, though it is not whole; empty for none */
    JsonScan(AnswerParser answer, String close) {
        this.answer = answer;
        this.close = close;
    }

    /** Reads on, and returns what it read. */
    String read() {
        StringBuilder text = answer.text;
        int from = answer.at;
        int at = from;
        while (at < text.length() && !whole && (quoted || !answer.mayBeNext(close, at))) {
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
        answer.at = at;
        return text.substring(from, at);
    }

    /** Stops until the value has ended or is cut; returns whether it is whole. */
    boolean awaitEnd() throws Stop {
        if (!whole && !answer.ended && (close.isEmpty() || answer.text.indexOf(close, answer.at) != answer.at)) {
            throw new Stop();
        }
        return whole;
    }
}
