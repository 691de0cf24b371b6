package dev.causal4j.tokenizer;

/** How {@link Tokenizer#encode(String, SpecialTokens)} treats text that spells a special token. */
public enum SpecialTokens {
    /** {@code <|endoftext|>} in the text becomes the one special id: for text whose author may steer the model. */
    PARSE,
    /**
     * {@code <|endoftext|>} is plain text and cannot end a document, the default. Added tokens that steer nothing, such as
     * runs of spaces, are found all the same.
     */
    AS_TEXT
}
