package dev.causal4j.generation;

import dev.causal4j.NonFiniteException;
import dev.causal4j.generation.GenerationOptions.Setting;
import dev.causal4j.generation.LogitRule.TokensSoFar;
import dev.causal4j.kernel.choice.Kernels;
import java.util.List;
import java.util.OptionalLong;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Chooses the next token of one sequence from a row of logits: the rules of {@link GenerationOptions} in the order of
 * Hugging Face transformers, then the largest logit or a draw. Belongs to one sequence; not thread-safe.
 *
 * <p>The draw depends on the seed and the position alone: the chosen token's index in the sequence, prompt included. So
 * it depends neither on earlier draws nor on other sequences of a batch. With a {@link Mark} most draws depend on the
 * last tokens instead.
 */
final class Sampler {
    private final GenerationOptions options;
    private final int promptLength;
    private final Set<Integer> eos;
    private final List<LogitRule> rules;
    private final FilteredTokens candidates;
    private final float[] row;
    private final Mark.@Nullable Seeds marked;

    /**
     * @param modelEos the model's end-of-sequence ids, used unless the options name others
     * @param promptLength number of prompt tokens
     * @param candidates scratch for the tokens that may be chosen
     * @throws IllegalArgumentException if the options name a token outside the vocabulary
     */
    Sampler(GenerationOptions options, Set<Integer> modelEos, int promptLength, FilteredTokens candidates) {
        this.options = options;
        this.promptLength = promptLength;
        this.candidates = candidates;
        this.row = candidates.logits;
        options.requireIdsBelow(row.length);
        this.eos = options.eos().orElse(modelEos);
        this.rules = ContextRules.of(options);
        this.marked = options.mark().map(each -> each.seeds(promptLength)).orElse(null);
    }

    /** Adds a rule before all others. */
    void first(LogitRule rule) {
        rules.addFirst(rule);
    }

    /**
     * Whether the first rule is the only one: then the only token that it allows is taken, since no other rule could
     * ban it.
     */
    boolean hasOneRule() {
        return rules.size() == 1;
    }

    /** The ids that end the sequence. */
    Set<Integer> eos() {
        return eos;
    }

    /**
     * Chooses the token at position {@code length}.
     *
     * @param logits the row [V] at {@code offset}, not modified; -infinity bans a token
     * @param tokens the sequence; its first {@code length} tokens are the prompt and the tokens chosen so far
     * @throws NonFiniteException if a logit is NaN or +infinity, also after a rule, or all are -infinity
     * @throws IllegalStateException if the rules ban all tokens
     */
    int next(float[] logits, int offset, int[] tokens, int length) {
        System.arraycopy(logits, offset, row, 0, row.length);
        int largest = requireFinite("logits", length);
        TokensSoFar soFar = new TokensSoFar(tokens, length, promptLength, eos);
        for (LogitRule rule : rules) {
            rule.apply(row, soFar);
            largest = Kernels.argmax(row, 0, row.length);
            if (row[largest] == Float.NEGATIVE_INFINITY) {
                throw new IllegalStateException(rule.name()
                        + ": expected to leave a token to choose, got all of them banned (position " + length + ")");
            }
        }
        if (!options.rules().isEmpty()) {
            requireFinite("rules", length);
        }
        return options.temperature() == 0 ? largest : draw(tokens, length);
    }

    private int draw(int[] tokens, int position) {
        candidates.start();
        if (options.temperature() != 1) {
            candidates.divide(options.temperature());
        }
        int topK = options.number(Setting.TOP_K).intValue();
        if (topK > 0) {
            candidates.keepTopK(topK);
        }
        double topP = options.number(Setting.TOP_P).doubleValue();
        if (topP < 1) {
            candidates.keepTopP(topP);
        }
        double minP = options.number(Setting.MIN_P).doubleValue();
        if (minP > 0) {
            candidates.keepMinP(minP);
        }
        double typicalP = options.number(Setting.TYPICAL_P).doubleValue();
        if (typicalP < 1) {
            candidates.keepTypical(typicalP);
        }
        OptionalLong seed = marked == null ? OptionalLong.empty() : marked.next(tokens, position);
        return seed.isPresent()
                ? GumbelNoise.draw(candidates, seed.getAsLong(), 0)
                : GumbelNoise.draw(candidates, options.seed(), position);
    }

    /** Returns the token with the largest logit. */
    private int requireFinite(String subject, int position) {
        for (int id = 0; id < row.length; id++) {
            if (!(row[id] < Float.POSITIVE_INFINITY)) {
                throw new NonFiniteException(subject + ": expected finite numbers, got " + row[id] + " at token id "
                        + id + " (position " + position + ")");
            }
        }
        int largest = Kernels.argmax(row, 0, row.length);
        if (row[largest] == Float.NEGATIVE_INFINITY) {
            throw new NonFiniteException(
                    "logits: expected a finite number, got -Infinity for every token (position " + position + ")");
        }
        return largest;
    }
}
