package dev.causal4j.constraint;

/** A deterministic automaton over bytes, computed as it goes. Immutable; equal ones may be taken for one. */
interface StateMachine {
    /** The state behind a byte (0 to 255); -1 if no text goes on so. */
    int next(int state, int b);

    /** Whether a text may end in a state. */
    boolean accepts(int state);
}
