package dev.causal4j.generation;

import dev.causal4j.constraint.Matcher;
import java.util.Arrays;
import java.util.Set;
import java.util.stream.LongStream;

/** The tokens that a constraint allows next in one sequence. Bans the others before any other rule. Not thread-safe. */
final class Mask implements LogitRule {
    private final Matcher matcher;
    private final Set<Integer> eos;
    private final int vocabularySize;
    private final long[] allowed; // bits by token id
    private int others; // allowed tokens that do not end the sequence
    private boolean ends;

    /** @throws IllegalStateException if no token can follow */
    Mask(Matcher matcher, Set<Integer> eos, int vocabularySize) {
        this.matcher = matcher;
        this.eos = eos;
        this.vocabularySize = vocabularySize;
        this.allowed = new long[Math.ceilDiv(vocabularySize, Long.SIZE)];
        compute();
    }

    private void compute() {
        Arrays.fill(allowed, 0);
        matcher.mask(allowed);
        allowed[allowed.length - 1] &= -1L >>> -vocabularySize; // clears the bits behind the last token
        eos.forEach(id -> allowed[id / Long.SIZE] &= ~(1L << id));
        others = LongStream.of(allowed).mapToInt(Long::bitCount).sum();
        ends = matcher.isAccepting();
        if (others == 0 && !ends) {
            throw new IllegalStateException("constraint: expected a token that can follow, got none");
        }
        if (ends) {
            eos.forEach(id -> allowed[id / Long.SIZE] |= 1L << id);
        }
    }

    /** Whether nothing but an end can follow. */
    boolean isComplete() {
        return others == 0;
    }

    /** Adds a token that does not end the sequence. Returns whether the text is complete then. */
    boolean accept(int token) {
        matcher.accept(token);
        compute();
        return isComplete();
    }

    /**
     * Finds the tokens that follow because nothing else can.
     *
     * @param into receives the first of them
     * @return their number
     */
    int forced(int[] into) {
        int count = 0;
        try {
            Mask ahead = others == 1 && !ends && into.length > 0 ? new Mask(matcher.copy(), eos, vocabularySize) : this;
            for (; count < into.length && ahead.others == 1 && !ahead.ends; count++) {
                into[count] = ahead.only();
                ahead.accept(into[count]);
            }
        } catch (RuntimeException | Error _) {
            // It is thrown again when the sequence gets there.
        }
        return count;
    }

    private int only() {
        int word = 0;
        while (allowed[word] == 0) {
            word++;
        }
        return word * Long.SIZE + Long.numberOfTrailingZeros(allowed[word]);
    }

    @Override
    public void apply(float[] logits, TokensSoFar soFar) {
        for (int id = 0; id < logits.length; id++) {
            if ((allowed[id / Long.SIZE] >>> id & 1) == 0) {
                logits[id] = Float.NEGATIVE_INFINITY;
            }
        }
    }

    @Override
    public String name() {
        return "constraint";
    }
}
