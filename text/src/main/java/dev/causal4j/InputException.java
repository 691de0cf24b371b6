package dev.causal4j;

/**
 * A text or its tokens cannot be processed, for instance because they are too long or empty. The data are wrong, not
 * the program: a caller with many texts can report this one and continue.
 */
public final class InputException extends IllegalArgumentException {
    private final int index;

    /** @param message one line: <em>subject: expected E, got G; remedy</em> */
    public InputException(String message) {
        this(message, 0);
    }

    /** @param index the index of the call's input, from 0 */
    public InputException(String message, int index) {
        super(message);
        this.index = index;
    }

    /** The index of the call's input, from 0. */
    public int index() {
        return index;
    }

    /** This exception for input {@code index} of several; the message names the input, from 1. */
    public InputException at(int index) {
        InputException other = new InputException("input " + (index + 1) + ": " + getMessage(), index);
        other.initCause(this);
        return other;
    }
}
