package dev.causal4j.server;

import dev.causal4j.generation.Generation;
import dev.causal4j.server.Choice.Fragment;
import java.util.List;
import java.util.Map;

/** Writes one choice: as the parts of a stream, or as a whole. Not thread-safe. */
interface ChoiceWriter {
    /** The parts that a fragment completes; none if what it says depends on what comes. */
    List<Map<String, Object>> part(Fragment fragment);

    /** The last parts, at least one. */
    List<Map<String, Object>> last(Fragment fragment, Generation made);

    /** The whole choice, from all its fragments, where no parts were written. */
    Map<String, Object> whole(List<Fragment> fragments, Generation made);

    /** How many tokens of thought so far stand before the answer. */
    default int thoughts() {
        return 0;
    }

    /** Makes the writers of choices. */
    @FunctionalInterface
    interface Factory {
        /** Begins the choice of a sequence, after its opening. */
        ChoiceWriter begin(TextRequest ask, int sequence, Fragment opening);
    }
}
