package dev.causal4j.tokenizer;

/** What {@link Tokenizer#encode(String, SpecialTokens)} does with text that spells a special token. */
public enum SpecialTokens {
    /** {@code <|endoftext|>} in the text becomes the one special id, as Hugging Face does by default. */
    PARSE,
    /** {@code <|endoftext|>} is text like any other and cannot end a document: for text of people you do not trust. */
    AS_TEXT
}
