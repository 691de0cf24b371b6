package dev.causal4j.generation;

import java.util.Optional;
import java.util.Set;

/**
 * When the tokens themselves end a sequence. Immutable. Only new tokens are put to it: an end-of-sequence token inside
 * the prompt ends nothing, and the prompt does not count towards {@code maxNewTokens}.
 *
 * @param eos the end-of-sequence ids; none means that only the length ends a sequence
 */
public record StopRule(Set<Integer> eos, int maxNewTokens) {
    public StopRule {
        eos = Set.copyOf(eos);
        Expectation.atLeast(0, "max-new-tokens", maxNewTokens);
    }

    /** Whether the sequence ends after {@code token}, its {@code newTokens}-th new one. EOS comes before LENGTH. */
    public Optional<FinishReason> after(int token, int newTokens) {
        if (eos.contains(token)) {
            return Optional.of(FinishReason.EOS);
        }
        return newTokens >= maxNewTokens ? Optional.of(FinishReason.LENGTH) : Optional.empty();
    }
}
