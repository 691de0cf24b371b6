package dev.causal4j.generation;

/**
 * Where the guesses of a sequence's next tokens come from. An engine feeds guessed tokens as further rows of a step and
 * uses the rows up to the first wrong guess. A token depends on the tokens before it, the options and the seed alone,
 * so a draft changes the time of a sequence and no other part of its result, whatever it guesses. Thread-safe.
 *
 * <p>The rule is drafter-invariant speculative decoding (Daliri et al. 2024, arXiv 2408.07978).
 */
@FunctionalInterface
public interface Draft {
    /** No guesses. */
    Draft OFF = _ -> (_, _, _, _) -> 0;

    /** Guesses what followed an earlier place of the text with the same last tokens. */
    Draft LOOKUP = lookup(Integer.MAX_VALUE);

    /**
     * The source of a new sequence.
     *
     * @param prompt its prompt; not to be modified
     */
    DraftSource start(int[] prompt);

    /** As {@link #LOOKUP}, with at most {@code most} guesses a step. */
    static Draft lookup(int most) {
        return prompt -> new Lookup(new int[0], prompt.length, most);
    }

    /** Guesses that the new tokens are mostly these, in their order; where they are not, as {@link #LOOKUP}. */
    static Draft prediction(int[] tokens) {
        int[] own = tokens.clone();
        return prompt -> new Lookup(own, prompt.length, Integer.MAX_VALUE);
    }
}
