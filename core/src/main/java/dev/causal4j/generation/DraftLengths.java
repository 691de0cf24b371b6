package dev.causal4j.generation;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;

/**
 * Cuts the drafts of a step to the lengths that give the most tokens a second: by the costs of steps, and by how often
 * guesses were right. Not thread-safe.
 */
final class DraftLengths {
    /** Most rows of a step with guesses. */
    private static final int MOST_ROWS = 32;

    /** Steps after which guesses that do not pay are tried again, and how many of them. */
    private static final int PAUSE = 64;

    private static final int TRIED = 2;

    /** Guesses after which a share forgets half of them. */
    private static final int MEMORY = 1024;

    /** Each is the fewest tokens that speak for a guess of the next kind. */
    private static final int[] BOUNDS = {5, 9, 17};

    /** Guesses of one source for which similarly many tokens speak. */
    static final class Kind {
        private int right = 1;
        private int wrong = 1;
        private int pause; // steps in which they did not pay

        private double share() {
            return (double) right / (right + wrong);
        }

        private void learn(boolean isRight) {
            right += isRight ? 1 : 0;
            wrong += isRight ? 0 : 1;
            if (right + wrong >= MEMORY) {
                right = Math.max(1, right / 2);
                wrong = Math.max(1, wrong / 2);
            }
        }
    }

    /** @param share the probability that the guess is taken: that it and all before it are right */
    private record Guess(GeneratedSequence sequence, double share) {}

    private final StepCosts costs;
    private final boolean cuts;
    private final Kind[][] kinds = new Kind[2][BOUNDS.length + 1]; // of the engine's and of requests' sources

    /** @param cuts whether it cuts drafts; else it leaves them whole */
    DraftLengths(StepCosts costs, boolean cuts) {
        this.costs = costs;
        this.cuts = cuts;
        for (Kind[] each : kinds) {
            Arrays.setAll(each, _ -> new Kind());
        }
    }

    /** Cuts the drafts of the sequences of a step. */
    void cut(List<Sequence<?>> ready) {
        List<GeneratedSequence> drafting = new ArrayList<>();
        List<Guess> guesses = new ArrayList<>();
        int rows = 0;
        double tokens = 0; // that the step is expected to give
        for (Sequence<?> each : ready) {
            rows += each.decodes() ? each.knownRows() : 0;
            tokens += each instanceof GeneratedSequence && each.knownRows() == each.left() ? 1 : 0;
            if (each.claims()) {
                continue; // it counts among the prompts
            }
            if (each instanceof GeneratedSequence sequence && (!cuts || sequence.isCertain())) {
                rows += each.draft.length;
                tokens += each.draft.length;
            } else if (each instanceof GeneratedSequence sequence && each.draft.length > 0) {
                drafting.add(sequence);
                double share = 1;
                for (int i = 0; i < each.draft.length; i++) {
                    share *= i < sequence.forced ? 1 : kind(sequence, i).share();
                    guesses.add(new Guess(sequence, share));
                }
            }
        }
        guesses.sort(Comparator.comparingDouble((Guess guess) -> -guess.share)); // stable: in order in each sequence
        int paying =
                paying(rows, tokens, guesses.stream().mapToDouble(Guess::share).toArray());
        List<GeneratedSequence> fed =
                guesses.stream().limit(paying).map(Guess::sequence).toList();
        drafting.forEach(each -> cut(each, Collections.frequency(fed, each)));
    }

    /**
     * How many guesses give the most tokens a second.
     *
     * @param rows the rows of the step without guesses
     * @param tokens the tokens that it gives without them
     * @param shares the probabilities that guesses are taken, falling
     */
    int paying(int rows, double tokens, double... shares) {
        int paying = 0;
        double sum = tokens;
        double best = sum / costs.of(rows, false);
        for (int i = 1; i <= Math.min(shares.length, MOST_ROWS - rows); i++) { // beyond a fall, too: tiles have bounds
            sum += shares[i - 1];
            double rate = sum / costs.of(rows + i, true);
            paying = rate > best ? i : paying;
            best = Math.max(rate, best);
        }
        return paying;
    }

    private void cut(GeneratedSequence sequence, int paying) {
        int count = paying;
        if (sequence.draft.length > sequence.forced) {
            Kind first = kind(sequence, sequence.forced);
            first.pause = paying > sequence.forced ? 0 : first.pause + 1;
            if (first.pause == PAUSE) {
                first.pause = 0;
                count = Math.min(sequence.forced + TRIED, sequence.draft.length);
            }
        }
        sequence.draft = Arrays.copyOf(sequence.draft, count);
    }

    private Kind kind(GeneratedSequence sequence, int guess) {
        long speaking = (long) sequence.matched + guess - sequence.forced;
        int kind = 0;
        while (kind < BOUNDS.length && speaking >= BOUNDS[kind]) {
            kind++;
        }
        return kinds[sequence.hasOwnDraft ? 1 : 0][kind];
    }

    /** Learns how many of the first guesses of a sequence's draft were right, and whether the next one was wrong. */
    void learn(GeneratedSequence sequence, int right, boolean oneWasWrong) {
        for (int i = sequence.forced; i < right + (oneWasWrong ? 1 : 0); i++) {
            kind(sequence, i).learn(i < right);
        }
    }
}
