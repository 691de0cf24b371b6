package dev.causal4j.cli;

import dev.causal4j.generation.Draft;
import java.util.Locale;
import picocli.CommandLine.Option;

/** The source of guesses of a text's next tokens. */
final class DraftOption extends SharedOptions {
    private enum Source {
        OFF,
        LOOKUP;

        @Override
        public String toString() { // for /show
            return name().toLowerCase(Locale.ROOT);
        }
    }

    @Option(
            names = "--draft",
            paramLabel = "SOURCE",
            description = "Guess next tokens to save steps: lookup copies what followed the last tokens before, off"
                    + " does not. Changes no token; default: off.")
    private Source source = Source.OFF;

    @Option(
            names = "--draft-tokens",
            paramLabel = "N",
            description = "Most guesses of a step; default: ${DEFAULT-VALUE}, the most that it may be.")
    private int most = Draft.MOST;

    Draft draft() {
        refuse(most < 1 || most > Draft.MOST, "draft-tokens: expected 1 to " + Draft.MOST + ", got " + most);
        return source == Source.OFF ? Draft.OFF : Draft.lookup(most);
    }
}
