package dev.causal4j.generation;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class LookupTest {
    private static int[] guesses(Draft.Source source, int most, int... tokens) {
        int[] into = new int[most];
        return Arrays.copyOf(into, source.propose(tokens, tokens.length, most, into));
    }

    private static Draft.Source lookup(int[] predicted, int promptLength) {
        return new Lookup(predicted, promptLength, 15);
    }

    @Test
    void itCopiesWhatFollowedTheLastTwoTokens() {
        Draft.Source source = lookup(new int[0], 2);
        assertThat(guesses(source, 3, 9, 1, 2, 3, 4, 5, 6, 1, 2)).containsExactly(3, 4, 5);
        assertThat(source.matched()).isEqualTo(2);
        assertThat(guesses(source, 3, 9, 1, 2, 3, 4, 5, 6, 7, 2)).isEmpty();
    }

    @Test
    void theLongestMatchWinsAndOfEqualOnesTheLatest() {
        Draft.Source source = lookup(new int[0], 1);
        assertThat(guesses(source, 1, 8, 1, 2, 50, 7, 1, 2, 51, 7, 1, 2, 52, 8, 1, 2))
                .containsExactly(50);
        assertThat(source.matched()).isEqualTo(3);
        assertThat(guesses(source, 1, 8, 1, 2, 50, 7, 1, 2, 51, 7, 1, 2, 52, 9, 1, 2))
                .containsExactly(52);
    }

    @Test
    void aRepetitionIsContinuedBeyondItsEnd() {
        assertThat(guesses(lookup(new int[0], 1), 7, 1, 2, 3, 1, 2, 3)).containsExactly(1, 2, 3, 1, 2, 3, 1);
        assertThat(guesses(lookup(new int[0], 1), 3, 5, 5, 5)).containsExactly(5, 5, 5);
    }

    @Test
    void onlyEightPlacesAreCompared() {
        int[] tokens = IntStream.range(0, 10)
                .flatMap(i -> IntStream.of(i == 0 ? 77 : 66, 1, 2, 10 + i))
                .toArray();
        tokens = IntStream.concat(IntStream.of(tokens), IntStream.of(77, 1, 2)).toArray();
        assertThat(guesses(lookup(new int[0], 1), 1, tokens)).containsExactly(19); // not 10, ten places before
    }

    @Test
    void aPredictionIsFollowedFromItsStartAndFoundAgainAfterAChange() {
        int[] predicted = {11, 12, 13, 14, 15, 16, 17, 18};
        Draft.Source source = lookup(predicted, 2);
        assertThat(guesses(source, 3, 1, 2)).containsExactly(11, 12, 13);
        assertThat(guesses(source, 3, 1, 2, 11, 12)).containsExactly(13, 14, 15);
        assertThat(source.matched()).isEqualTo(2);
        assertThat(guesses(source, 3, 1, 2, 11, 12, 99)).isEmpty(); // left it
        assertThat(guesses(source, 3, 1, 2, 11, 12, 99, 14)).isEmpty();
        assertThat(guesses(source, 4, 1, 2, 11, 12, 99, 14, 15)).containsExactly(16, 17, 18);
        assertThat(guesses(source, 4, 1, 2, 11, 12, 99, 14, 15, 16, 17, 18)).isEmpty(); // at its end
    }

    /** A scan is the whole cost: no table grows, and the time is linear in the tokens. */
    @Test
    void aLongTextWithoutMatchesIsReadOnce() {
        int[] tokens = new Random(1).ints(1 << 20, 0, 1 << 30).toArray();
        Draft.Source source = lookup(tokens.clone(), tokens.length);
        assertThat(guesses(source, 15, tokens)).hasSize(15); // the prediction, from its start
        assertThat(guesses(lookup(new int[0], 1), 15, tokens)).isEmpty();
    }

    @Test
    void shortTextsHaveNoMatch() {
        assertThat(guesses(lookup(new int[0], 0), 3)).isEmpty();
        assertThat(guesses(lookup(new int[0], 0), 3, 1)).isEmpty();
        assertThat(guesses(lookup(new int[] {1}, 1), 3, 1)).containsExactly(1);
        assertThat(guesses(lookup(new int[0], 1), 0, 5, 5, 5)).isEmpty();
    }
}
