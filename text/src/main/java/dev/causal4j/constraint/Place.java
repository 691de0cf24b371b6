package dev.causal4j.constraint;

import org.jspecify.annotations.Nullable;

/**
 * The remainder of a part of a grammar: the rest of a sequence, more repetitions, or all of it. {@link Automaton} makes
 * equal ones once. Not thread-safe.
 */
final class Place {
    static final int WHOLE = -1;

    final Expression expression;
    final int position; // part of a sequence, or repetitions so far; or WHOLE
    int id;
    boolean closes; // whether a bracket's end alone remains of a sequence

    // scratch of a step: a stack must not keep others alive by its places
    boolean waits; // whether it is still to be followed

    @Nullable
    Stacks then; // null unless the step came here

    Place(Expression expression, int position) {
        this.expression = expression;
        this.position = position;
    }

    @Override
    @SuppressWarnings("ReferenceEquality") // equal parts of a grammar have other places in it
    public boolean equals(Object other) {
        return other instanceof Place place && place.expression == expression && place.position == position;
    }

    @Override
    public int hashCode() {
        return System.identityHashCode(expression) * 31 + position;
    }
}
