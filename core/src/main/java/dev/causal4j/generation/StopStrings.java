package dev.causal4j.generation;

import java.util.List;

/**
 * Finds stop strings in a text that arrives in pieces, and says which text is safe to show. Belongs to one sequence;
 * not thread-safe.
 *
 * <p>The text ends where a stop string is first complete; of several that are complete at the same character, the
 * longest counts. What comes before it is emitted, it and what follows is not. How the text is cut into pieces changes
 * nothing but the moment of emission: held back is only what may still become a stop string.
 *
 * <p>Each stop string runs the automaton of Knuth, Morris and Pratt, so the time is linear in the text.
 */
final class StopStrings {
    private final List<Automaton> automata;
    private final StringBuilder held = new StringBuilder();
    private int released; // how much of held was emitted already
    private boolean stopped;

    /**
     * Looks for any of {@code stops}; none is allowed.
     *
     * @throws IllegalArgumentException if a stop string is empty
     */
    StopStrings(List<String> stops) {
        automata = stops.stream().map(Automaton::new).toList();
    }

    /** Takes the next piece and returns the text that can be emitted now; nothing once {@link #stopped()}. */
    String accept(String piece) {
        for (int i = 0; i < piece.length() && !stopped; i++) {
            held.append(piece.charAt(i));
            int complete = 0;
            for (Automaton automaton : automata) {
                complete = Math.max(complete, automaton.accept(piece.charAt(i)));
            }
            if (complete > 0) {
                stopped = true;
                held.setLength(held.length() - complete);
            }
        }
        return release(stopped ? 0 : longestPrefix());
    }

    /** Whether a stop string was found. */
    boolean stopped() {
        return stopped;
    }

    /** The text ends here: returns what was held back in case a stop string would follow. */
    String finish() {
        automata.forEach(Automaton::reset);
        return release(0);
    }

    private int longestPrefix() {
        int longest = 0;
        for (Automaton automaton : automata) {
            longest = Math.max(longest, automaton.matched);
        }
        return longest;
    }

    private String release(int keep) {
        int end = held.length() - keep;
        String text = held.substring(released, end);
        released = end;
        // Not at every call: shifting a long held-back tail for each small piece would not be linear.
        if (released > keep) {
            held.delete(0, released);
            released = 0;
        }
        return text;
    }

    private static final class Automaton {
        private final String stop;
        private final int[] border; // border[n]: longest proper prefix of stop that ends stop[0..n)
        private int matched;

        Automaton(String stop) {
            if (stop.isEmpty()) {
                throw GenerationOptions.failed("stop", "a non-empty string", "\"\"");
            }
            this.stop = stop;
            border = new int[stop.length() + 1];
            for (int n = 1; n < stop.length(); n++) {
                border[n + 1] = next(border[n], stop.charAt(n));
            }
        }

        /** The stop string's length if it ends with this character, else 0. */
        int accept(char c) {
            matched = next(matched, c);
            return matched == stop.length() ? matched : 0;
        }

        void reset() {
            matched = 0;
        }

        private int next(int state, char c) {
            while (state > 0 && stop.charAt(state) != c) {
                state = border[state];
            }
            return stop.charAt(state) == c ? state + 1 : 0;
        }
    }
}
