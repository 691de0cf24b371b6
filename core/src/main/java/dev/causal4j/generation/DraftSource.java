package dev.causal4j.generation;

/** Guesses the next tokens of one sequence. Called on the engine's thread alone, so it may have state. */
@FunctionalInterface
public interface DraftSource {
    /** The result of {@link #matched} for tokens that are known, not guessed. */
    int CERTAIN = Integer.MAX_VALUE;

    /**
     * Guesses the tokens after a sequence. It may be asked again for the same sequence, and for a longer one. A source
     * that throws is not asked again.
     *
     * @param tokens the first {@code length} are the sequence; not to be modified
     * @param most the largest number of guesses
     * @param into receives the guesses; an id that cannot be chosen ends them
     * @return the number of guesses
     */
    int propose(int[] tokens, int length, int most, int[] into);

    /**
     * How many tokens speak for the last proposal, such as the length of a match. An engine learns how often proposals
     * with many or few of them are right.
     */
    default int matched() {
        return 0;
    }
}
