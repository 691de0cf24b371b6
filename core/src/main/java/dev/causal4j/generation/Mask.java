package dev.causal4j.generation;

import dev.causal4j.InputException;
import dev.causal4j.compute.Rows;
import dev.causal4j.constraint.Matcher;
import dev.causal4j.head.CausalLMHead;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Set;
import java.util.stream.LongStream;

/** The tokens that a constraint allows next in one sequence. Bans the others before any other rule. Not thread-safe. */
final class Mask implements LogitRule {
    private static final int NONE = -1;

    private final Matcher matcher;
    private final Set<Integer> eos;
    private final int vocabularySize;
    private final long[] allowed; // bits by token id
    private int others; // allowed tokens that do not end the sequence
    private boolean ends;
    private int taken = NONE; // a token that the matcher has still to accept
    final List<Double> logMasses = new ArrayList<>(); // of measured rows
    final List<Long> nanos = new ArrayList<>(); // times of the masks

    /** A mask whose first {@link #make} is still to come. */
    Mask(Matcher matcher, Set<Integer> eos, int vocabularySize) {
        this.matcher = matcher;
        this.eos = eos;
        this.vocabularySize = vocabularySize;
        this.allowed = new long[Math.ceilDiv(vocabularySize, Long.SIZE)];
    }

    /**
     * Makes the mask.
     *
     * @param waits whether to make it however long it takes; else it is made only if it is known or costs little
     * @return whether it is made
     * @throws InputException if no token can follow
     */
    boolean make(boolean waits) {
        long start = System.nanoTime();
        if (taken != NONE) {
            if (waits) {
                matcher.accept(taken);
            } else if (!matcher.tryAccept(taken)) {
                return false;
            }
            taken = NONE;
        }
        Arrays.fill(allowed, 0);
        if (waits) {
            matcher.mask(allowed);
        } else if (!matcher.tryMask(allowed)) {
            return false;
        }
        allowed[allowed.length - 1] &= -1L >>> -vocabularySize; // clears the bits after the last token
        eos.forEach(id -> allowed[id / Long.SIZE] &= ~(1L << id));
        others = LongStream.of(allowed).mapToInt(Long::bitCount).sum();
        ends = matcher.isAccepting();
        if (others == 0 && !ends) {
            throw new InputException("constraint: expected a token that can follow, got none; ban fewer tokens");
        }
        if (ends) {
            eos.forEach(id -> allowed[id / Long.SIZE] |= 1L << id);
        }
        nanos.add(System.nanoTime() - start);
        return true;
    }

    /** Roughly the bytes that the constraint keeps for this text alone. */
    long bytes() {
        return matcher.bytes();
    }

    /** Whether nothing but an end can follow. */
    boolean isComplete() {
        return others == 0;
    }

    /** Whether exactly one token can follow. */
    boolean isForced() {
        return others == 1 && !ends;
    }

    /**
     * Adds a token that does not end the sequence, and makes the next mask if it costs little. Returns whether it is
     * made.
     */
    boolean tryAccept(int token) {
        taken = token;
        return make(false);
    }

    /** Measures the share that the allowed tokens have in the softmax of a row [1, V]. */
    void measure(Rows logits) {
        float[] kept = new float[others + (ends ? eos.size() : 0)];
        for (int word = 0, count = 0; word < allowed.length; word++) {
            for (long rest = allowed[word]; rest != 0; rest &= rest - 1) {
                kept[count++] = logits.data()[logits.offset() + word * Long.SIZE + Long.numberOfTrailingZeros(rest)];
            }
        }
        double all = CausalLMHead.logNormalizer(logits.data(), logits.offset(), logits.stride());
        // Rounding may give more than 0.
        logMasses.add(Math.min(0, CausalLMHead.logNormalizer(kept, 0, kept.length) - all));
    }

    /**
     * Finds the tokens that are forced because nothing else can follow, as far as their masks cost little.
     *
     * @param into receives them, as many as it has room for
     * @return their number
     */
    int forced(int[] into) {
        if (!isForced() || into.length == 0) {
            return 0;
        }
        into[0] = only();
        int count = 1;
        try {
            Mask ahead = new Mask(matcher.copy(), eos, vocabularySize);
            while (count < into.length && ahead.tryAccept(into[count - 1]) && ahead.isForced()) {
                into[count++] = ahead.only();
            }
        } catch (RuntimeException | Error _) {
            // It is thrown again when the sequence reaches this token.
        }
        return count;
    }

    /** The token with the lowest id that can follow. */
    int only() {
        return BitSet.valueOf(allowed).nextSetBit(0);
    }

    @Override
    public void apply(float[] logits, TokensSoFar soFar) {
        for (int word = 0; word < allowed.length; word++) {
            int from = word * Long.SIZE;
            long banned = ~allowed[word];
            if (banned == -1) {
                Arrays.fill(logits, from, Math.min(from + Long.SIZE, logits.length), Float.NEGATIVE_INFINITY);
                continue;
            }
            for (; banned != 0; banned &= banned - 1) {
                int id = from + Long.numberOfTrailingZeros(banned);
                if (id < logits.length) {
                    logits[id] = Float.NEGATIVE_INFINITY;
                }
            }
        }
    }

    @Override
    public String name() {
        return "constraint";
    }
}
