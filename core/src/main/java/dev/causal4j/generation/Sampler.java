package dev.causal4j.generation;

import dev.causal4j.NonFiniteException;
import dev.causal4j.generation.LogitRule.TokensSoFar;
import dev.causal4j.kernel.Kernels;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * Chooses the next token of one sequence from a row of logits: the rules of {@link GenerationOptions} in the order of
 * Hugging Face transformers, then the largest logit or a draw. Belongs to one sequence; not thread-safe.
 *
 * <p>The draw depends on the seed and the position alone: the chosen token's index in the sequence, prompt included. So
 * it depends neither on earlier draws nor on other sequences of a batch.
 */
final class Sampler {
    private final GenerationOptions.Builder options;
    private final List<LogitRule> rules;
    private final TokensSoFar soFar;
    private final Candidates candidates;
    private final float[] row;

    /**
     * @param modelEos the model's end-of-sequence ids, used unless the options name others
     * @param promptLength number of prompt tokens
     * @param candidates scratch for the tokens that may be chosen
     * @throws IllegalArgumentException if the options name a token outside the vocabulary
     */
    Sampler(GenerationOptions options, Set<Integer> modelEos, int promptLength, Candidates candidates) {
        this.options = options.settings;
        this.candidates = candidates;
        this.row = candidates.row;
        Set<Integer> given = this.options.eos;
        if (given != null) {
            given.stream().filter(id -> id >= row.length).findFirst().ifPresent(id -> {
                throw GenerationOptions.failed("eos", "token ids below the vocabulary size (" + row.length + ")", id);
            });
        }
        // A model's end-of-sequence id outside a cut vocabulary never occurs.
        Set<Integer> eos = (given == null ? modelEos : given)
                .stream().filter(id -> id < row.length).collect(Collectors.toUnmodifiableSet());
        soFar = new TokensSoFar(promptLength, eos);
        rules = ContextRules.of(this.options, row.length);
    }

    /**
     * Chooses the token at position {@code length}.
     *
     * @param logits the row [V] at {@code offset}, not modified; -infinity bans a token
     * @param tokens the sequence; its first {@code length} tokens are the prompt and those chosen so far
     * @throws NonFiniteException if a logit is NaN or +infinity, or all are -infinity
     * @throws IllegalStateException if the rules ban all tokens
     */
    int next(float[] logits, int offset, int[] tokens, int length) {
        Objects.checkFromIndexSize(offset, row.length, logits.length);
        Objects.checkFromIndexSize(0, length, tokens.length);
        requireFinite(logits, offset, length);
        System.arraycopy(logits, offset, row, 0, row.length);
        soFar.are(tokens, length);
        for (LogitRule rule : rules) {
            rule.apply(row, soFar);
            if (allBanned()) {
                throw new IllegalStateException(rule.name()
                        + ": expected to leave a token to choose, got all of them banned (position " + length + ")");
            }
        }
        return options.temperature == 0 ? Kernels.argmax(row, 0, row.length) : draw(length);
    }

    private int draw(int position) {
        candidates.start();
        if (options.temperature != 1) {
            candidates.divide(options.temperature);
        }
        if (options.topK > 0) {
            candidates.keepTopK(options.topK);
        }
        if (options.topP < 1) {
            candidates.keepTopP(options.topP);
        }
        if (options.minP > 0) {
            candidates.keepMinP(options.minP);
        }
        if (options.typicalP < 1) {
            candidates.keepTypical(options.typicalP);
        }
        return GumbelNoise.draw(candidates, options.seed, position);
    }

    private boolean allBanned() {
        return row[Kernels.argmax(row, 0, row.length)] == Float.NEGATIVE_INFINITY;
    }

    private void requireFinite(float[] logits, int offset, int position) {
        boolean any = false;
        for (int id = 0; id < row.length; id++) {
            float x = logits[offset + id];
            if (!(x < Float.POSITIVE_INFINITY)) {
                throw new NonFiniteException("logits: expected finite numbers, got " + x + " at token id " + id
                        + " (position " + position + ")");
            }
            any |= x > Float.NEGATIVE_INFINITY;
        }
        if (!any) {
            throw new NonFiniteException(
                    "logits: expected a finite number, got -Infinity for every token (position " + position + ")");
        }
    }
}
