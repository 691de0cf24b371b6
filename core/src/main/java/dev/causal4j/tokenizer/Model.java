package dev.causal4j.tokenizer;

import java.util.function.IntConsumer;

/** From words to tokens. Thread-safe. */
sealed interface Model permits BytePair, Unigram {
    /**
     * Gives the tokens of a word.
     *
     * @param word well-formed, not empty
     * @throws IllegalArgumentException if the vocabulary lacks a byte of it and has no token for that
     */
    void encode(String word, IntConsumer to);
}
