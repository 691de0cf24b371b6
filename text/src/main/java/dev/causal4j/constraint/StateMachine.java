package dev.causal4j.constraint;

import org.jspecify.annotations.Nullable;

/** A state of a deterministic automaton over bytes, computed as it goes. Immutable; equal ones may be taken for one. */
interface StateMachine {
    /** The state after a byte (0 to 255); null if no text continues so. */
    @Nullable
    StateMachine next(int b);

    /** Whether a text may end here. */
    boolean accepts();
}
