package dev.causal4j;

/** A valid model that this version cannot run: its family, arithmetic or tokenizer is not supported. */
public final class UnsupportedModelException extends FormatException {
    /**
     * A model that is not supported, in a message as {@link FormatException} has it.
     *
     * @param subject the file and the place in it
     * @param expected what is supported
     * @param got what the model asks for
     * @param remedy what to do about it
     */
    public UnsupportedModelException(String subject, String expected, String got, String remedy) {
        super(subject, expected, got, remedy);
    }
}
