package dev.causal4j.generation;

import dev.causal4j.head.Prediction;
import java.util.Optional;

/**
 * A token as it is made.
 *
 * @param sequence index of its request
 * @param token its id
 * @param text the text that became certain with it: whole characters only, often a word, sometimes empty, never part of
 *     what may still become a stop string; always empty for a model without a tokenizer
 * @param prediction its log-probability and rank, if the options ask for it
 */
public record GeneratedToken(int sequence, int token, String text, Optional<Prediction> prediction) {}
