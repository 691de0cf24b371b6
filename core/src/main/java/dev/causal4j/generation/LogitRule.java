package dev.causal4j.generation;

import java.util.Locale;

/**
 * Changes a row of logits before a token is chosen from it: a grammar, a mask, a penalty. Anybody may implement it and add
 * it with {@link GenerationOptions.Builder#rule}.
 *
 * <p>Rules run for greedy and sampled choice alike, in the order in which they were added: after the options' own bias,
 * repetition penalty, n-gram and length rules, before temperature and truncation. A rule is called in the thread that
 * generates, once for each token of each sequence whose options have it.
 */
@FunctionalInterface
public interface LogitRule {
    /**
     * Changes the logits in place.
     *
     * @param logits [V] one for each token that may be chosen; -infinity bans a token and should stay so
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
}
