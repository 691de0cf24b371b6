package dev.causal4j.generation;

import dev.causal4j.InputException;
import dev.causal4j.decoder.PagePool;
import dev.causal4j.flight.Work;
import dev.causal4j.generation.Engine.Requester;
import dev.causal4j.head.Prediction;
import dev.causal4j.model.CausalLM;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** A sequence whose last tokens are scored, each after all before it. */
final class ScoredSequence extends Sequence<List<Prediction>> {
    private final Work work = Work.of(Work.Score::new);
    private double seconds;

    /**
     * @param first the first token to score; the last token is not fed
     * @param positions at least the number of fed tokens
     * @param continued the sequence that is its prefix and is computed first; null for none
     * @throws InputException if there are too many tokens, none before the first scored one, or one is not in the
     *     vocabulary
     */
    ScoredSequence(
            Engine engine,
            Requester requester,
            int[] tokens,
            int first,
            int alternatives,
            Optional<String> salt,
            int positions,
            @Nullable ScoredSequence continued) {
        super(engine, requester, salt, continued);
        work.begin();
        CausalLM model = engine.model();
        int most = model.contextLength() + 1;
        if (first < 1 || first > tokens.length || tokens.length > most || alternatives < 0) {
            throw new InputException("sequence to score: expected 1 to " + most + " tokens, the first to score 1 to"
                    + " their number, and at least 0 alternatives, got " + tokens.length + ", " + first + " and "
                    + alternatives);
        }
        model.head().checkTokens(tokens);
        this.tokens = tokens.clone();
        this.known = tokens.length - 1;
        this.positions = positions;
        this.first = first;
        this.alternatives = alternatives;
    }

    @Override
    int wanted(int from, int to) {
        return Math.clamp(to + 1 - first, 0, to - from);
    }

    @Override
    void giveBack() {
        super.giveBack();
        predictions.clear();
    }

    /** Also true if its last, partial page will soon be cached: fewer tokens are left than they share in that page. */
    @Override
    boolean computesFor(Sequence<?> next) {
        int common = common(next);
        int part = common % PagePool.POSITIONS;
        boolean soon = part >= PrefixCache.LEAST && known - common <= part;
        return super.computesFor(next) || (soon && common - cachedTokens >= PrefixCache.LEAST);
    }

    @Override
    boolean finished() {
        return left() == 0;
    }

    @Override
    void took(double more) {
        seconds += more;
    }

    @Override
    List<Prediction> outcome() {
        work.end(engine.model().name(), known - cachedTokens, seconds);
        return predictions;
    }
}
