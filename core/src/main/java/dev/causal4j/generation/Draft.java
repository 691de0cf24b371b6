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
    /** Guesses the next tokens of one sequence. Called on the engine's thread alone, so it may have state. */
    @FunctionalInterface
    interface Source {
        /** The result of {@link #matched} for tokens that are known, not guessed. */
        int CERTAIN = Integer.MAX_VALUE;

        /**
         * Guesses the tokens after a sequence. It may be asked again for the same tokens, for more, or for fewer. A
         * source that throws is not asked again.
         *
         * @param tokens the first {@code length} are the sequence; not to be modified
         * @param most the largest number of guesses
         * @param into receives the guesses; an id that cannot be chosen ends them
         * @return the number of guesses
         */
        int propose(int[] tokens, int length, int most, int[] into);

        /**
         * How many tokens speak for the last proposal, such as the length of a match. An engine learns how often
         * proposals with many or few of them are right.
         */
        default int matched() {
            return 0;
        }
    }

    /** Most guesses of a step: with the last token 16 rows, a tile of products. */
    int MOST = 15;

    /** No guesses. */
    Draft OFF = _ -> (_, _, _, _) -> 0;

    /** Guesses what followed an earlier place of the text with the same last tokens. */
    Draft LOOKUP = lookup(MOST);

    /**
     * The source of a new sequence.
     *
     * @param prompt its prompt; not to be modified
     */
    Source start(int[] prompt);

    /** As {@link #LOOKUP}, with at most {@code most} guesses a step. */
    static Draft lookup(int most) {
        return prompt -> new Lookup(new int[0], prompt.length, most);
    }

    /**
     * Guesses these tokens and no others, as many in a step as a prompt may have, whatever they cost: to check a text
     * that is most likely right as a whole.
     */
    static Draft claim(int[] tokens) {
        int[] own = tokens.clone();
        return prompt -> new GivenTokens(prompt.length, own, true);
    }

    /** Guesses that the new tokens are mostly these, in their order; where they are not, as {@link #LOOKUP}. */
    static Draft prediction(int[] tokens) {
        int[] own = tokens.clone();
        return prompt -> new Lookup(own, prompt.length, MOST);
    }
}
