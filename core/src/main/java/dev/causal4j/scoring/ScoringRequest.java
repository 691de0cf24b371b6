package dev.causal4j.scoring;

import dev.causal4j.InputException;
import java.util.Arrays;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * One text to score. Immutable while its arrays are not modified; compared by content.
 *
 * @param prefix token ids before the text, context only; with a prefix the first token is scored too
 * @param tokens the text
 */
public record ScoringRequest(int[] prefix, int[] tokens) {
    /**
     * Checks that at least one token can be scored.
     *
     * @throws InputException if there is no token, or only one and no prefix
     */
    public ScoringRequest {
        boolean alone = prefix.length == 0;
        if (tokens.length < (alone ? 2 : 1)) {
            throw new InputException("text: expected at least "
                    + (alone ? "two tokens (the first has no prediction), got " : "one token, got ")
                    + (tokens.length == 0 ? "none" : "one")
                    + (alone ? "; give a longer text or a prefix" : ""));
        }
    }

    /** The first token that has a prediction. */
    int firstScored() {
        return prefix.length == 0 ? 1 : 0;
    }

    /** How many tokens the prefix and the text have. */
    public int length() {
        return prefix.length + tokens.length;
    }

    /** The prefix and the text. */
    int[] sequence() {
        return IntStream.concat(Arrays.stream(prefix), Arrays.stream(tokens)).toArray();
    }

    /** A text without a prefix. */
    public static ScoringRequest of(int... tokens) {
        return new ScoringRequest(new int[0], tokens);
    }

    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof ScoringRequest that
                && Arrays.equals(prefix, that.prefix)
                && Arrays.equals(tokens, that.tokens);
    }

    @Override
    public int hashCode() {
        return 31 * Arrays.hashCode(prefix) + Arrays.hashCode(tokens);
    }

    @Override
    public String toString() {
        return "ScoringRequest[prefix=" + Arrays.toString(prefix) + ", tokens=" + Arrays.toString(tokens) + "]";
    }
}
