package dev.causal4j.generation;

import java.util.Arrays;
import java.util.List;

/**
 * Finds stop strings in streamed text, and releases text that cannot become part of one. Not thread-safe.
 *
 * <p>The text ends before the first complete stop string; of several that are complete at the same character, the
 * longest counts. The cuts between pieces change only when text is emitted, never which. Text is held back only if it
 * may still become a stop string.
 *
 * <p>Each stop string has an automaton of Knuth, Morris and Pratt, so the time is linear in the text. The automaton's
 * table grows with the longest match so far, since many sequences may wait with long stop strings.
 */
final class StopStrings {
    private List<Automaton> automata; // none once the text has ended
    private final StringBuilder held = new StringBuilder();
    private int released; // characters of {@code held} that are emitted
    private boolean stopped;

    /** Looks for any of {@code stops}; none may be empty. */
    StopStrings(List<String> stops) {
        automata = stops.stream().map(Automaton::new).toList();
    }

    /** Adds the next piece and returns the text that can be emitted; nothing once {@link #stopped()}. */
    String accept(String piece) {
        for (int i = 0; i < piece.length() && !stopped; i++) {
            held.append(piece.charAt(i));
            int complete = 0;
            for (Automaton automaton : automata) {
                complete = Math.max(complete, automaton.accept(piece.charAt(i)));
            }
            if (complete > 0) {
                stopped = true;
                automata = List.of();
                held.setLength(held.length() - complete);
            }
        }
        int longest =
                automata.stream().mapToInt(automaton -> automaton.matched).max().orElse(0);
        return release(stopped ? 0 : longest);
    }

    /** Whether a stop string was found. */
    boolean stopped() {
        return stopped;
    }

    /** Ends the text and returns the held-back part. */
    String finish() {
        automata = List.of();
        return release(0);
    }

    private String release(int keep) {
        int end = held.length() - keep;
        String text = held.substring(released, end);
        released = end;
        // Not at every call: shifting a long tail for each small piece would be quadratic.
        if (released > keep) {
            held.delete(0, released);
            released = 0;
        }
        return text;
    }

    private static final class Automaton {
        private final String stop;
        private int[] border = new int[2]; // border[n]: longest proper prefix of stop that ends stop[0..n)
        private int longest = 1; // the borders up to it are known
        private int matched;

        Automaton(String stop) {
            this.stop = stop;
        }

        /** The stop string's length if it ends with this character, else 0. */
        int accept(char c) {
            matched = next(matched, c);
            if (matched > longest) { // by one character
                border = matched < border.length ? border : Arrays.copyOf(border, 2 * matched);
                border[matched] = next(border[longest], c);
                longest = matched;
            }
            return matched == stop.length() ? matched : 0;
        }

        private int next(int state, char c) {
            while (state > 0 && stop.charAt(state) != c) {
                state = border[state];
            }
            return stop.charAt(state) == c ? state + 1 : 0;
        }
    }
}
