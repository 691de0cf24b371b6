package dev.causal4j.generation;

import dev.causal4j.constraint.Constraint;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * One sequence to generate. Immutable while its array is not modified; equal requests have equal tokens and options.
 *
 * @param prompt token ids, which are not copied; empty starts from the model's BOS token
 * @param options the options of this sequence, with its seed
 */
public record GenerationRequest(int[] prompt, GenerationOptions options) {
    /**
     * A request that generates given tokens, which a constraint must allow, to measure their predictions and the masses
     * that the constraint leaves.
     */
    public static GenerationRequest following(int[] prompt, int[] tokens, Constraint constraint) {
        return new GenerationRequest(
                prompt,
                GenerationOptions.DEFAULT
                        .withConstraint(constraint)
                        .withMaxNewTokens(tokens.length)
                        .withLogProbabilities(0)
                        .withRule(new GivenTokens(prompt.length, tokens.clone())));
    }

    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof GenerationRequest that
                && Arrays.equals(prompt, that.prompt)
                && options.equals(that.options);
    }

    @Override
    public int hashCode() {
        return 31 * Arrays.hashCode(prompt) + options.hashCode();
    }

    @Override
    public String toString() {
        return "GenerationRequest[prompt=" + Arrays.toString(prompt) + ", options=" + options + "]";
    }
}
