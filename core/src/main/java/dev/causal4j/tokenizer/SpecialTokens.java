package dev.causal4j.tokenizer;

/** How {@link Tokenizer#encode(String, SpecialTokens)} treats text that spells a special token. */
public enum SpecialTokens {
    /** {@code <|endoftext|>} in the text becomes the one special id, as Hugging Face does by default. */
    PARSE,
    /** {@code <|endoftext|>} is plain text and cannot end a document: for untrusted text. */
    AS_TEXT
}
