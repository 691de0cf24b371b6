package dev.causal4j;

/**
 * A text or its tokens cannot be processed, for instance because it is too long or empty. It is the data that is wrong and
 * not the program: a caller that works on many texts can report this one and go on.
 */
public final class InputException extends IllegalArgumentException {
    private static final long serialVersionUID = 1;

    private final int index;

    /** @param message one line: <em>subject: expected E, got G; remedy</em> */
    public InputException(String message) {
        this(message, 0);
    }

    /** @param index which of the call's inputs it is about, from 0 */
    public InputException(String message, int index) {
        super(message);
        this.index = index;
    }

    /** Which of the call's inputs the message is about, from 0. */
    public int index() {
        return index;
    }

    /** The same about input {@code index} of several, which the message then names, from 1. */
    public InputException at(int index) {
        InputException other = new InputException("input " + (index + 1) + ": " + getMessage(), index);
        other.initCause(this);
        return other;
    }
}
