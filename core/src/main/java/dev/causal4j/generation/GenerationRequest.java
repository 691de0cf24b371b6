package dev.causal4j.generation;

import dev.causal4j.constraint.Constraint;
import java.util.Arrays;
import java.util.Set;
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
        int[] own = tokens.clone();
        GenerationOptions options = giving(own).withConstraint(constraint).withLogProbabilities(0);
        return new GenerationRequest(prompt, options.withDraft(begun -> new GivenTokens(begun.length, own, false)));
    }

    /** A request that generates given tokens, to measure its time. */
    public static GenerationRequest replaying(int[] prompt, int[] tokens) {
        return new GenerationRequest(
                prompt, giving(tokens.clone()).withTemperature(0).withEos(Set.of()));
    }

    private static GenerationOptions giving(int[] own) {
        return GenerationOptions.DEFAULT.withMaxNewTokens(own.length).withRule(new GivenTokens(0, own, false));
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
