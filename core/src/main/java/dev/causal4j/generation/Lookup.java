package dev.causal4j.generation;

/**
 * Guesses what followed an earlier place with the same last tokens: in the sequence itself, or in a text that was
 * predicted. A search reads the texts backwards, some 5 ns a token, and needs no table.
 */
final class Lookup implements Draft.Source {
    /** Fewest equal tokens before a place. */
    private static final int LEAST = 2;

    /** Most equal tokens that are counted before a place. */
    private static final int MOST = 32;

    /** Most places of a text that are compared. */
    private static final int PLACES = 8;

    private final int[] predicted;
    private final int most;
    private int next; // the predicted token that continues the sequence, or -1 where it left the prediction
    private int read; // the tokens that were compared with the prediction
    private int matched;

    /**
     * @param predicted the text that the new tokens are expected to be; may be empty
     * @param promptLength the tokens before the new ones
     * @param most most guesses of a step
     */
    Lookup(int[] predicted, int promptLength, int most) {
        this.predicted = predicted;
        this.most = most;
        this.read = promptLength;
    }

    @Override
    public int propose(int[] tokens, int length, int room, int[] into) {
        int wanted = length < read ? 0 : Math.min(most, room); // forced tokens that it saw may be gone
        for (; read < length; read++) {
            boolean follows = next >= 0 && next < predicted.length && predicted[next] == tokens[read];
            next = follows ? next + 1 : -1;
            matched = follows ? matched + 1 : 0;
        }
        if (next < 0 || next == predicted.length) {
            matched = LEAST - 1;
            next = search(predicted, predicted.length, tokens, length);
            int own = search(tokens, length, tokens, length);
            if (own >= 0) { // a longer match than the prediction's
                next = -1;
                for (int i = 0; i < wanted; i++) { // what it copies may reach into what it has copied
                    into[i] = own + i < length ? tokens[own + i] : into[own + i - length];
                }
                return wanted;
            }
        }
        int count = next < 0 ? 0 : Math.min(wanted, predicted.length - next);
        System.arraycopy(predicted, Math.max(next, 0), into, 0, count);
        return count;
    }

    /**
     * Finds the place in the first {@code end} tokens of a text before which most of the sequence's last tokens stand,
     * more than matched so far, and sets their number. Returns the index of the token after them: of several the last
     * one, or -1.
     */
    private int search(int[] text, int end, int[] tokens, int length) {
        int best = -1;
        int places = 0;
        for (int i = end - 1; i >= LEAST && length >= LEAST && places < PLACES; i--) {
            if (text[i - 1] == tokens[length - 1] && text[i - 2] == tokens[length - 2]) {
                places++;
                int equal = LEAST;
                while (equal < Math.min(MOST, Math.min(i, length))
                        && text[i - 1 - equal] == tokens[length - 1 - equal]) {
                    equal++;
                }
                if (equal > matched) {
                    matched = equal;
                    best = i;
                }
            }
        }
        return best;
    }

    @Override
    public int matched() {
        return matched;
    }
}
