package dev.causal4j.generation;

import dev.causal4j.kernel.Kernels;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.OptionalInt;
import java.util.Set;

/**
 * Chooses the next token of one sequence from a row of logits: the rules of {@link GenerationOptions} in their canonical
 * order, then the largest logit or a draw. Belongs to one sequence, whose scratch it owns; not thread-safe.
 *
 * <p>The draw for a position depends on the seed and the position alone, position being the chosen token's index in the
 * sequence, prompt included. So a choice depends on neither the draws before it nor the other sequences of a batch.
 */
public final class Sampler {
    private final long seed;
    private final boolean greedy;
    private final boolean acceptsNonFinite;
    private final List<ContextRule> contextRules = new ArrayList<>();
    private final List<SamplingRule> samplingRules = new ArrayList<>();
    private final TokensSoFar soFar;
    private final float[] row; // [V]
    private final Candidates candidates;

    /**
     * A sampler for one sequence.
     *
     * @param modelEos the model's end-of-sequence ids, in force unless the options name others
     * @param promptLength how many of the sequence's tokens are prompt
     * @param vocabularySize V, the logits in a row
     * @throws IllegalArgumentException if a rule names a token outside the vocabulary
     */
    public Sampler(GenerationOptions options, Set<Integer> modelEos, int promptLength, int vocabularySize) {
        Expectation.atLeast(0, "prompt length", promptLength);
        Expectation.atLeast(1, "vocabulary size", vocabularySize);
        seed = options.seed();
        greedy = options.temperature() == 0;
        for (LogitRule rule : options.logitRules()) {
            switch (rule) {
                case ContextRule context -> contextRules.add(requireInside(vocabularySize, context));
                case SamplingRule sampling -> samplingRules.add(sampling);
            }
        }
        acceptsNonFinite = contextRules.stream().anyMatch(ContextRule.ReplaceNonFinite.class::isInstance);
        for (int id : options.eos().orElse(Set.of())) {
            if (id >= vocabularySize) {
                throw Expectation.failed("eos", "token ids below the vocabulary size (" + vocabularySize + ")", id);
            }
        }
        // A model's own end-of-sequence id may lie outside a cut vocabulary; it then never occurs.
        int[] eos = options.eosOr(modelEos).stream()
                .mapToInt(Integer::intValue)
                .filter(id -> id < vocabularySize)
                .sorted()
                .toArray();
        soFar = new TokensSoFar(promptLength, promptLength + options.maxNewTokens(), eos);
        row = new float[vocabularySize];
        candidates = new Candidates(greedy ? 0 : vocabularySize);
    }

    /** How many tokens this sampler chooses from: those with ids below. */
    int vocabularySize() {
        return row.length;
    }

    /**
     * Chooses the token at position {@code length}.
     *
     * @param logits holds the row [V] at {@code offset}; it is left unchanged. -infinity bans a token
     * @param tokens the sequence, whose first {@code length} are given: the prompt and what was chosen so far
     * @throws ArithmeticException if a logit is NaN or +infinity, or all are -infinity
     * @throws IllegalStateException if the rules ban all tokens
     */
    public int next(float[] logits, int offset, int[] tokens, int length) {
        Objects.checkFromIndexSize(offset, row.length, logits.length);
        Objects.checkFromIndexSize(0, length, tokens.length);
        if (!acceptsNonFinite) {
            requireFinite(logits, offset, length);
        }
        System.arraycopy(logits, offset, row, 0, row.length);
        applyContextRules(tokens, length);
        OptionalInt choice = choose(length);
        if (choice.isEmpty()) {
            throw allBanned(logits, offset);
        }
        return choice.getAsInt();
    }

    private void applyContextRules(int[] tokens, int length) {
        soFar.tokens = tokens;
        soFar.length = length;
        for (int i = 0; i < contextRules.size(); i++) {
            contextRules.get(i).apply(row, soFar);
        }
    }

    /** The choice from {@code row}; empty if all its tokens are banned. */
    private OptionalInt choose(int length) {
        if (greedy) {
            int largest = Kernels.argmax(row, 0, row.length);
            return row[largest] == Float.NEGATIVE_INFINITY ? OptionalInt.empty() : OptionalInt.of(largest);
        }
        candidates.take(row);
        if (candidates.count == 0) {
            return OptionalInt.empty();
        }
        for (int i = 0; i < samplingRules.size(); i++) {
            samplingRules.get(i).apply(candidates);
        }
        return OptionalInt.of(GumbelNoise.draw(candidates, seed, length));
    }

    private void requireFinite(float[] logits, int offset, int position) {
        for (int id = 0; id < row.length; id++) {
            float x = logits[offset + id];
            if (!(x < Float.POSITIVE_INFINITY)) {
                throw new ArithmeticException("logits: expected finite numbers, got " + x + " at token id " + id
                        + " (position " + position + ")");
            }
        }
    }

    /** Runs the rules once more to tell after which of them no token is left. */
    private RuntimeException allBanned(float[] logits, int offset) {
        System.arraycopy(logits, offset, row, 0, row.length);
        String position = " (position " + soFar.length + ")";
        if (row[Kernels.argmax(row, 0, row.length)] == Float.NEGATIVE_INFINITY) {
            return new ArithmeticException(
                    "logits: expected a finite number, got -Infinity for every token" + position);
        }
        String culprit = "";
        for (int i = 0;
                i < contextRules.size() && row[Kernels.argmax(row, 0, row.length)] != Float.NEGATIVE_INFINITY;
                i++) {
            contextRules.get(i).apply(row, soFar);
            culprit = contextRules.get(i).subject();
        }
        return new IllegalStateException(
                culprit + ": expected to leave a token to choose, got all of them banned" + position);
    }

    private static ContextRule requireInside(int vocabularySize, ContextRule rule) {
        if (rule.largestToken() >= vocabularySize) {
            throw Expectation.failed(
                    rule.subject(),
                    "token ids below the vocabulary size (" + vocabularySize + ")",
                    rule.largestToken());
        }
        return rule;
    }
}
