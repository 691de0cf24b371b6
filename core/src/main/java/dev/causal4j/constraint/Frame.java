package dev.causal4j.constraint;

import org.jspecify.annotations.Nullable;

/**
 * What is left to do behind a part of a grammar: the rest of a sequence, more repetitions, or a whole rule; then the
 * parent. Equal if it does the same; {@link Automaton} makes equal ones once.
 */
final class Frame {
    static final int WHOLE = -1;

    final Expression expression;
    final int position; // part of a sequence, or repetitions so far; or WHOLE
    final @Nullable Frame parent; // null for the end of the text
    final int depth;
    int brackets; // that are open
    int id;
    int visit; // the last call that came here

    Frame(Expression expression, int position, @Nullable Frame parent) {
        this.expression = expression;
        this.position = position;
        this.parent = parent;
        this.depth = parent == null ? 1 : parent.depth + 1;
    }

    @Override
    @SuppressWarnings("ReferenceEquality") // equal parts of a grammar have other places in it
    public boolean equals(Object other) {
        return other instanceof Frame frame
                && frame.expression == expression
                && frame.position == position
                && frame.parent == parent;
    }

    @Override
    public int hashCode() {
        return (System.identityHashCode(expression) * 31 + position) * 31 + (parent == null ? 0 : parent.id);
    }
}
