package dev.causal4j.cli;

import dev.causal4j.generation.TokenListener;
import java.io.PrintWriter;
import java.util.regex.Pattern;

/** Prints generated text as it comes, and makes it harmless for terminals. */
final class Streaming {
    /** Set by the launcher if standard output is a terminal. */
    static final String TERMINAL = "causal4j.terminal.out";

    /** Set by the launcher if standard error is a terminal. */
    static final String ERRORS = "causal4j.terminal";

    private static final Pattern CONTROL = Pattern.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f]");

    private Streaming() {}

    /**
     * Prints texts as they are {@link #shown} until the reader closes the output.
     *
     * @param text whether the model has a tokenizer; token ids if not
     */
    static TokenListener to(PrintWriter out, boolean text) {
        return token -> {
            if (text) {
                out.print(shown(token.text()));
            } else {
                out.print(token.token() + " ");
            }
            return !out.checkError();
        };
    }

    /** A text for standard output: on a terminal {@link #harmless}, for a pipe or file as it is. */
    static String shown(String text) {
        return Boolean.getBoolean(TERMINAL) ? harmless(text) : text;
    }

    /**
     * Whether a stream gets colors: the launcher found that they are wanted.
     *
     * @param terminal the property that is set if the stream is a terminal
     */
    static boolean colors(String terminal) {
        return Boolean.getBoolean("causal4j.colors") && Boolean.getBoolean(terminal);
    }

    /** A dimmed text if the stream gets {@link #colors}, else the text. */
    static String dimmed(String terminal, String text) {
        return colors(terminal) && !text.isEmpty() ? "\033[2m" + text + "\033[22m" : text;
    }

    /** The text with U+FFFD for what would steer a terminal: control characters besides tabs and line ends. */
    static String harmless(String text) {
        return CONTROL.matcher(text).replaceAll("\ufffd");
    }
}
