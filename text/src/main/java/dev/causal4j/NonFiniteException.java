package dev.causal4j;

/**
 * Hidden vectors, logits, a loss or a gradient are NaN or infinite: the weights are damaged or overflow, or training
 * diverges. The message names the place.
 */
public final class NonFiniteException extends ArithmeticException {
    private final float value;
    private final int position; // -1 where the message says where

    /** @param message one line: <em>subject: expected E, got G</em>, with the position */
    public NonFiniteException(String message) {
        this(message, 0, -1);
    }

    private NonFiniteException(String message, float value, int position) {
        super(message);
        this.value = value;
        this.position = position;
    }

    /**
     * A hidden vector with a number that is not finite.
     *
     * @param position its position in the caller's input
     * @param of the name of the input among several; empty for one
     */
    public static NonFiniteException inHidden(float value, int position, String of) {
        String message = "logits: expected finite numbers, got a hidden vector with " + value + " at position "
                + position + (of.isEmpty() ? "" : " of " + of) + "; the weights are damaged or overflow";
        return new NonFiniteException(message, value, position);
    }

    /** This exception for the whole input, whose position {@code offset} is the first of this part. */
    public NonFiniteException at(int offset, String of) {
        return position < 0 ? this : inHidden(value, position + offset, of);
    }
}
