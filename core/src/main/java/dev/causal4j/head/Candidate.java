package dev.causal4j.head;

/**
 * A token that may come next.
 *
 * @param token its id
 * @param logit its unnormalised score
 */
public record Candidate(int token, float logit) {}
