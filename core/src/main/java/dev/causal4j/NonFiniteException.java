package dev.causal4j;

/**
 * Hidden vectors or logits are NaN or infinite: the weights are damaged, or they overflow. The message names the place.
 */
public final class NonFiniteException extends ArithmeticException {
    private static final long serialVersionUID = 1;

    /** @param message one line: <em>subject: expected E, got G</em>, with the position */
    public NonFiniteException(String message) {
        super(message);
    }
}
