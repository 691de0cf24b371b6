package dev.causal4j.generation;

import dev.causal4j.head.Prediction;
import dev.causal4j.model.CausalLM;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** A sequence whose tokens from some on are scored, each after those before it. */
final class Scoring extends Sequence<List<Prediction>> {
    final int alternatives;
    final List<Scoring> continuations = new ArrayList<>(); // which begin with what this one has computed
    private final int[] tokens;
    private final int first;
    private final List<Prediction> predictions = new ArrayList<>();
    private boolean begunContinuations;

    /** @param first the first token to score; the last token is not fed */
    Scoring(CausalLM model, int[] tokens, int first, int alternatives) {
        super(model, "");
        this.tokens = tokens;
        this.first = first;
        this.alternatives = alternatives;
    }

    @Override
    int[] tokens() {
        return tokens;
    }

    @Override
    int known() {
        return tokens.length - 1;
    }

    @Override
    int positions() {
        return Math.max(
                known(),
                continuations.stream().mapToInt(Scoring::positions).max().orElse(0));
    }

    @Override
    boolean decodes() {
        return false;
    }

    @Override
    int wanted(int from, int to) {
        return Math.clamp(to + 1 - first, 0, to - from);
    }

    /** Lets the continuations begin with copies of the cache, once it has all. */
    List<Scoring> continued() {
        begunContinuations = finished() && failure == null;
        if (!begunContinuations) {
            return List.of();
        }
        continuations.forEach(continuation -> continuation.cache = cache.copy());
        return continuations;
    }

    /** The tokens that the wanted rows of this step predict. */
    int[] targets() {
        int to = cache.length() + 1;
        return Arrays.copyOfRange(tokens, to - wanted, to);
    }

    void take(List<Prediction> next) {
        next.forEach(each -> predictions.add(
                new Prediction(each.token(), each.logProbability(), each.rank(), each.alternatives(alternatives))));
    }

    @Override
    boolean finished() {
        return left() == 0;
    }

    @Override
    List<Prediction> outcome() {
        return predictions;
    }

    @Override
    void close() {
        super.close();
        if (!begunContinuations) {
            continuations.forEach(continuation -> {
                continuation.failure = failure;
                continuation.close();
            });
        }
    }
}
