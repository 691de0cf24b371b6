package dev.causal4j.tokenizer;

/**
 * A text as tokens, and where they are in it.
 *
 * @param tokens their ids
 * @param starts for each token the first of its bytes in the UTF-8 of the text, where U+FFFD stands for an unpaired
 *     surrogate
 * @param ends the byte behind its last; the same as its start for what is not in the text
 */
public record Encoding(int[] tokens, int[] starts, int[] ends) {}
