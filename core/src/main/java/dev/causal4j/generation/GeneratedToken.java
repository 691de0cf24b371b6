package dev.causal4j.generation;

import dev.causal4j.head.Prediction;
import java.util.Optional;

/**
 * A generated token.
 *
 * @param sequence index of its request
 * @param token its id
 * @param text the text that it completes: whole characters, without an end that may still become a stop string; perhaps
 *     empty, and always for a model without a tokenizer
 * @param prediction its log-probability and rank, if requested
 * @param constraintBytes roughly the bytes that a constraint keeps for this sequence alone
 */
public record GeneratedToken(
        int sequence, int token, String text, Optional<Prediction> prediction, long constraintBytes) {}
