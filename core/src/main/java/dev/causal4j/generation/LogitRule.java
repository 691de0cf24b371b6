package dev.causal4j.generation;

import java.util.Locale;
import java.util.Set;

/**
 * Changes a row of logits before a token is chosen: a grammar, a mask, a penalty. Implement it and add it with {@link
 * GenerationOptions.Builder#rule}.
 *
 * <p>Rules run for greedy and sampled choice, in the order in which they were added: after bias, repetition penalty,
 * n-gram and length rules, before temperature and filters. A rule is called on the generating thread, once for each
 * token of each sequence whose options have it.
 */
@FunctionalInterface
public interface LogitRule {
    /**
     * Changes the logits in place.
     *
     * @param logits [V]; -infinity marks a banned token and should stay
     * @param soFar the sequence before its next token
     */
    void apply(float[] logits, TokensSoFar soFar);

    /** The rule's name in messages: {@code no-repeat-ngram} for a class NoRepeatNgram. */
    default String name() {
        return getClass().isHidden()
                ? "rule"
                : getClass()
                        .getSimpleName()
                        .replaceAll("(?<=[a-z])(?=[A-Z])", "-")
                        .toLowerCase(Locale.ROOT);
    }

    /** The tokens of a sequence so far, for a {@link LogitRule}. Valid during a call of the rule. */
    public final class TokensSoFar {
        private final int promptLength;
        private final Set<Integer> eos;
        private int[] tokens = {};
        private int length;

        TokensSoFar(int promptLength, Set<Integer> eos) {
            this.promptLength = promptLength;
            this.eos = Set.copyOf(eos);
        }

        TokensSoFar are(int[] tokens, int length) {
            this.tokens = tokens;
            this.length = length;
            return this;
        }

        /** Number of tokens, including the prompt. */
        public int length() {
            return length;
        }

        /** Number of prompt tokens. */
        public int promptLength() {
            return promptLength;
        }

        /** Token {@code i}, from 0. */
        public int token(int i) {
            return tokens[i];
        }

        /** The ids that end the sequence. */
        public Set<Integer> eos() {
            return eos;
        }
    }
}
