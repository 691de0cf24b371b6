package dev.causal4j.generation;

/**
 * One sequence to generate.
 *
 * @param prompt token ids; empty starts from the model's BOS token
 * @param options what to generate, with the seed of this sequence
 */
public record GenerationRequest(int[] prompt, GenerationOptions options) {}
