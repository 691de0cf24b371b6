package dev.causal4j.server;

import dev.causal4j.generation.Generation;
import dev.causal4j.server.Choice.Fragment;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Writes one choice: as the parts of a stream, or as a whole. Not thread-safe. */
abstract class ChoiceWriter {
    final TextRequest ask;

    /** Parts that are written and not sent. */
    final List<Map<String, Object>> parts = new ArrayList<>();

    ChoiceWriter(TextRequest ask) {
        this.ask = ask;
    }

    /** Writes the parts that a fragment completes; none if what it says depends on what comes. */
    abstract void part(Fragment fragment);

    /** Writes the last parts, at least one. */
    abstract void last(Fragment fragment, Generation made);

    /** The whole choice, from all its fragments, where no parts were written. */
    abstract Map<String, Object> whole(List<Fragment> fragments, Generation made);

    /** How many tokens of thought so far stand before the answer. */
    int thoughts() {
        return 0;
    }

    /** Makes the writers of choices. */
    @FunctionalInterface
    interface Factory {
        /** Begins the choice of a sequence, after its opening. */
        ChoiceWriter begin(TextRequest ask, int sequence, Fragment opening);
    }
}
