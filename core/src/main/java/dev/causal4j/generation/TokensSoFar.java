package dev.causal4j.generation;

import java.util.BitSet;
import java.util.List;

/** What context rules look at: one sequence before its next token. Owned by its sampler; not thread-safe. */
final class TokensSoFar {
    final int promptLength;
    final int maxLength;
    final int[] eos;
    /** Empty between two uses; spares the repetition penalty an allocation per token. */
    final BitSet seen = new BitSet();

    int[] tokens = {};
    int length;

    TokensSoFar(int promptLength, int maxLength, int[] eos) {
        this.promptLength = promptLength;
        this.maxLength = maxLength;
        this.eos = eos;
    }

    /** Whether one token more, the last of {@code sequence}, would end the tokens with the whole sequence. */
    boolean isOneTokenShortOf(List<Integer> sequence) {
        int prefix = sequence.size() - 1;
        if (prefix > length) {
            return false;
        }
        for (int i = 0; i < prefix; i++) {
            if (tokens[length - prefix + i] != sequence.get(i)) {
                return false;
            }
        }
        return true;
    }
}
