package dev.causal4j.tokenizer;

/** Says how {@link Tokenizer#encode(String, SpecialTokens)} treats text that spells a special token. */
public enum SpecialTokens {
    /** {@code <|endoftext|>} in the text becomes its special id: for text whose author may steer the model. */
    PARSE,
    /**
     * The default: {@code <|endoftext|>} is plain text and cannot end a document. Added tokens that steer nothing, such
     * as runs of spaces, are still found.
     */
    AS_TEXT
}
