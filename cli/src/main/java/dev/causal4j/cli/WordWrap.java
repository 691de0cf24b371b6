package dev.causal4j.cli;

import java.io.PrintWriter;
import java.text.BreakIterator;
import java.util.Locale;
import java.util.function.IntSupplier;
import org.jline.utils.AttributedString;

/** Streams text to a terminal and breaks lines between words. Not thread-safe. */
final class WordWrap {
    private final BreakIterator breaks = BreakIterator.getLineInstance(Locale.ROOT);
    private final PrintWriter out;
    private final String terminal;
    private final IntSupplier width;
    private String held = ""; // a word that may be incomplete
    private boolean dim;
    private int column;

    /**
     * @param terminal as for {@link Streaming#colors}
     * @param width the columns of the terminal, which may change
     */
    WordWrap(PrintWriter out, String terminal, IntSupplier width) {
        this.out = out;
        this.terminal = terminal;
        this.width = width;
    }

    /** Prints a text, {@link Streaming#harmless} and dimmed or not. Its last word waits for what follows. */
    void print(String text, boolean dimmed) {
        if (dimmed != dim) {
            placeHeld();
            dim = dimmed;
        }
        held += Streaming.harmless(text);
        breaks.setText(held);
        int from = 0;
        for (int to = breaks.next(); to > 0 && to < held.length(); to = breaks.next()) {
            place(held.substring(from, to));
            from = to;
        }
        held = held.substring(from);
        if (columns(held) >= width.getAsInt()) { // it need not wait
            placeHeld();
        }
    }

    /** Prints what waits, and ends the line. */
    void end() {
        placeHeld();
        out.println();
        column = 0;
    }

    private void placeHeld() {
        place(held);
        held = "";
    }

    /** Prints a word and the space or line end after it. */
    private void place(String text) {
        String word = text.stripTrailing();
        if (!word.isEmpty() && column > 0 && column + columns(word) > width.getAsInt()) {
            out.println();
            column = 0;
        }
        boolean ends = text.endsWith("\n");
        column += columns(text);
        // A space in the column after the last would begin the next line.
        String shown = ends || column > width.getAsInt() ? word : text;
        out.print(dim ? Streaming.dimmed(terminal, shown) : shown);
        if (ends) {
            out.println();
            column = 0;
        }
    }

    /** East Asian characters and emoji take two; a tab takes at most eight. */
    private static int columns(String text) {
        return new AttributedString(text.replace("\n", "").replace("\t", " ".repeat(8))).columnLength();
    }
}
