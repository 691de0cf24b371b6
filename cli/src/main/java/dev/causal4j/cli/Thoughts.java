package dev.causal4j.cli;

import java.io.PrintWriter;
import java.util.function.IntSupplier;

/** Shows a streamed answer at a terminal, what the model thinks before it dimmed. Not thread-safe. */
final class Thoughts {
    private static final String BEGIN = "<think>";
    private static final String END = "</think>";

    private final PrintWriter out;
    private final WordWrap lines;
    private boolean thinking;
    private String held = ""; // may become a tag

    /**
     * @param thinking whether the prompt ends inside of a thought
     * @param width of the terminal
     */
    Thoughts(PrintWriter out, boolean thinking, IntSupplier width) {
        this.out = out;
        this.thinking = thinking;
        lines = new WordWrap(out, Streaming.TERMINAL, width);
    }

    void show(String piece) {
        String text = held + piece;
        for (int at = text.indexOf(tag()); at >= 0; at = text.indexOf(tag())) {
            int end = thinking ? at + tag().length() : at; // the tags are dimmed, too
            lines.print(text.substring(0, end), thinking);
            lines.print(thinking ? "" : BEGIN, true);
            text = text.substring(at + tag().length());
            thinking = !thinking;
        }
        int kept = Math.min(tag().length() - 1, text.length());
        while (!text.endsWith(tag().substring(0, kept))) {
            kept--;
        }
        held = text.substring(text.length() - kept);
        lines.print(text.substring(0, text.length() - kept), thinking);
        out.flush();
    }

    /** Prints a text of which is known whether it is a thought. */
    void print(String text, boolean thought) {
        lines.print(text, thought);
        out.flush();
    }

    /** Ends the answer and its line. */
    void end() {
        lines.print(held, thinking);
        held = "";
        lines.end();
        out.flush();
    }

    private String tag() {
        return thinking ? END : BEGIN;
    }
}
