package dev.causal4j.tokenizer;

import java.util.List;
import java.util.OptionalInt;

/**
 * The tokens of a model as constraints see them: ids that stand for bytes. {@link Tokenizer} implements it; a class with
 * these methods does so for the tokenizer of another library. Immutable and thread-safe. A compiled constraint is kept
 * while its vocabulary is in use, and serves all equal vocabularies.
 */
public interface Vocabulary {
    /** The number of ids: one more than the largest. A model's logits may be padded beyond it. */
    int vocabularySize();

    /** The UTF-8 bytes that an id stands for inside a text, which may be part of a character; none if it has no text. */
    byte[] bytes(int id);

    /** The bytes that an id stands for at the beginning of a text, where SentencePiece drops a space. */
    default byte[] firstBytes(int id) {
        return bytes(id);
    }

    /** The id of a token by its name, such as {@code <|im_end|>}; empty if there is no such token. */
    OptionalInt id(String piece);

    /** The names of tokens that are no text, such as {@code <|im_end|>}: free text does not spell them. */
    List<String> controlTokens();

    /** Whether a character can be in a text if tokens have its bytes. SentencePiece's mark of a space cannot. */
    default boolean writes(int codePoint) {
        return true;
    }
}
