package dev.causal4j.generation;

import java.util.Locale;

/**
 * One change to a row of logits before a token is chosen from it. The set is closed; each rule is an immutable record
 * whose Javadoc holds its formula, where x is the row of logits, p its softmax and n the number of tokens so far, prompt
 * included. A banned token has logit -infinity.
 *
 * <p>The usual rules are made from the plain settings of {@link GenerationOptions}; the others, and unusual forms of
 * the usual ones, are added with {@link GenerationOptions.Builder#rules}. They run in the order of {@link #position()},
 * however they were added.
 */
public sealed interface LogitRule permits ContextRule, SamplingRule {
    /**
     * Where the rule stands in the order of Hugging Face transformers (the same in 4.48 and 5), by its number there. The
     * gaps are rules of other kinds of model (encoders, guidance, beams) or those that a bias expresses.
     */
    default int position() {
        return switch (this) {
            case ContextRule.LogitBias _, ContextRule.SequenceBias _ -> 2;
            case ContextRule.RepetitionPenalty _ -> 5;
            case ContextRule.NoRepeatNgram _ -> 6;
            case ContextRule.BadWords _ -> 8;
            case ContextRule.MinLength _ -> 9;
            case ContextRule.MinNewTokens _ -> 10;
            case ContextRule.ForcedBos _ -> 12;
            case ContextRule.ForcedEos _ -> 13;
            case ContextRule.ReplaceNonFinite _ -> 14;
            case SamplingRule.Temperature _ -> 19;
            case SamplingRule.TopH _ -> 20;
            case SamplingRule.TopK _ -> 21;
            case SamplingRule.TopP _ -> 22;
            case SamplingRule.MinP _ -> 23;
            case SamplingRule.TypicalP _ -> 24;
            case SamplingRule.EpsilonCutoff _ -> 25;
            case SamplingRule.EtaCutoff _ -> 26;
        };
    }

    /** The rule's name as flags and messages spell it: {@code top-k} for TopK. */
    default String subject() {
        return getClass().getSimpleName().replaceAll("(?<=[a-z])(?=[A-Z])", "-").toLowerCase(Locale.ROOT);
    }
}
