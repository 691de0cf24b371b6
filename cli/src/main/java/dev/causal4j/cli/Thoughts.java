package dev.causal4j.cli;

import java.io.PrintWriter;

/** Shows a streamed answer at a terminal, what the model thinks before it dimmed. Not thread-safe. */
final class Thoughts {
    private static final String BEGIN = "<think>";
    private static final String END = "</think>";

    private final PrintWriter out;
    private boolean thinking;
    private String held = ""; // may become a tag

    /** @param thinking whether the prompt ends inside of a thought */
    Thoughts(PrintWriter out, boolean thinking) {
        this.out = out;
        this.thinking = thinking;
    }

    void show(String piece) {
        String text = held + piece;
        for (int at = text.indexOf(tag()); at >= 0; at = text.indexOf(tag())) {
            int end = thinking ? at + tag().length() : at; // the tags are dimmed, too
            write(text.substring(0, end));
            write(thinking ? "" : BEGIN, true);
            text = text.substring(at + tag().length());
            thinking = !thinking;
        }
        int kept = Math.min(tag().length() - 1, text.length());
        while (!text.endsWith(tag().substring(0, kept))) {
            kept--;
        }
        held = text.substring(text.length() - kept);
        write(text.substring(0, text.length() - kept));
        out.flush();
    }

    /** Ends the answer and its line. */
    void end() {
        write(held);
        held = "";
        out.println();
        out.flush();
    }

    private String tag() {
        return thinking ? END : BEGIN;
    }

    private void write(String text) {
        write(text, thinking);
    }

    private void write(String text, boolean dim) {
        String plain = Streaming.harmless(text);
        out.print(dim ? dimmed(plain) : plain);
    }

    /** A text that matters less, if there are colors. */
    static String dimmed(String text) {
        boolean colors = Boolean.getBoolean("causal4j.colors"); // set by the launcher
        return colors && !text.isEmpty() ? "\033[2m" + text + "\033[22m" : text;
    }
}
