package dev.causal4j.training;

import dev.causal4j.head.CausalLMHead;

/**
 * A training row. Immutable while its arrays are not modified.
 *
 * @param tokens [T] token ids
 * @param targets [T] the token that follows each of them, or {@link CausalLMHead#IGNORED} where none counts
 */
public record Example(int[] tokens, int[] targets) {
    /** @throws IllegalArgumentException if the lengths differ */
    public Example {
        if (targets.length != tokens.length) {
            throw new IllegalArgumentException(
                    "example: expected a target for each of " + tokens.length + " tokens, got " + targets.length);
        }
    }

    /** The example of the T + 1 tokens from {@code from} on, padded where there are fewer. */
    static Example of(Tokens tokens, long from, int length) {
        int[] ids = new int[length + 1];
        int real = (int) Math.min(ids.length, tokens.count() - from);
        tokens.copy(from, ids, 0, real);
        return Tokens.example(ids, real);
    }
}
