package dev.causal4j.generation;

/**
 * A token as it is made.
 *
 * @param sequence index of its request
 * @param token its id
 * @param text the text that became certain with it: whole characters only, often a word, sometimes empty, never part of
 *     what may still become a stop string; always empty for a model without a tokenizer
 */
public record GeneratedToken(int sequence, int token, String text) {}
