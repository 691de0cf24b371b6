package dev.causal4j.generation;

import java.util.Locale;
import java.util.Set;

/**
 * Changes a row of logits before a token is chosen: a grammar, a mask, a penalty. Implement it and add it with {@link
 * GenerationOptions#withRule}.
 *
 * <p>Rules run for greedy and sampled choice, in the order in which they were added: after bias, penalties, n-gram and
 * length rules, before temperature and filters. A rule is called on the generating thread, once for each token that a
 * sequence takes, in order. It is never called for a row after a wrong guess.
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
        String words = getClass().getSimpleName().replaceAll("(?<=[a-z])(?=[A-Z])", "-");
        return getClass().isHidden() ? "rule" : words.toLowerCase(Locale.ROOT);
    }

    /**
     * The sequence before its next token. Valid during a call of the rule.
     *
     * @param tokens the first {@code length} are the prompt and the tokens chosen so far; not to be modified
     * @param length number of tokens, including the prompt
     * @param promptLength number of prompt tokens
     * @param eos the ids that end the sequence
     */
    record TokensSoFar(int[] tokens, int length, int promptLength, Set<Integer> eos) {
        /** Token {@code i}, from 0. */
        public int token(int i) {
            return tokens[i];
        }
    }
}
