package dev.causal4j.tokenizer;

import java.nio.charset.StandardCharsets;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/** Encodes words. Thread-safe. */
sealed interface Model permits BytePair, Unigram {
    /**
     * Passes on the tokens of a word.
     *
     * @param word well-formed, not empty
     * @throws IllegalArgumentException if the vocabulary lacks a byte of it and has no token for that
     */
    void encode(String word, IntConsumer to);

    /** The tokens of a text's bytes; null if a byte has none. */
    static int @Nullable [] bytes(int[] ofBytes, String text) {
        byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
        int[] ids = new int[utf8.length];
        for (int i = 0; i < ids.length; i++) {
            ids[i] = ofBytes[utf8[i] & 0xff];
            if (ids[i] < 0) {
                return null;
            }
        }
        return ids;
    }
}
