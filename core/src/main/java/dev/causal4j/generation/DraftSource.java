package dev.causal4j.generation;

/**
 * Guesses the next tokens of sequences. An engine feeds guessed tokens as rows of one step. It uses the rows up to the
 * first wrong guess, so a wrong guess costs time and changes no result.
 */
@FunctionalInterface
interface DraftSource {
    /** Guesses nothing. */
    DraftSource NONE = (_, _, _, _) -> 0;

    /**
     * Guesses the next tokens of a sequence. Called on the engine's thread. A source that throws is not asked again for
     * the sequence.
     *
     * @param tokens the first {@code length} are the sequence; not to be modified
     * @param most the largest number of guesses
     * @param into receives the guesses; an id that cannot be chosen ends them
     * @return the number of guesses
     */
    int propose(int[] tokens, int length, int most, int[] into);
}
