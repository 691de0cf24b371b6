package dev.causal4j.langchain4j;

import dev.causal4j.generation.Engine;
import dev.causal4j.scoring.Score;
import dev.causal4j.scoring.Scorer;
import dev.causal4j.scoring.ScoringListener;
import dev.causal4j.scoring.ScoringOptions;
import dev.causal4j.scoring.ScoringRequest;
import dev.langchain4j.data.segment.TextSegment;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.model.output.Response;
import dev.langchain4j.model.output.TokenUsage;
import dev.langchain4j.model.scoring.ScoringModel;
import java.util.List;

/**
 * Ranks texts for a query by how likely the query is after each of them: the mean log-probability of its tokens (Ponte and
 * Croft 1998, the query likelihood). Immutable and thread-safe. Owns nothing: its engine's owner closes that.
 */
public final class Causal4jScoringModel implements ScoringModel {
    private final Scorer scorer;

    /**
     * A model that an engine computes; {@link Engine#shared} for one that all callers share.
     *
     * @throws IllegalStateException if the model has no tokenizer
     */
    public Causal4jScoringModel(Engine engine) {
        engine.model().requireTokenizer();
        scorer = new Scorer(engine);
    }

    /**
     * Scores texts, several at once.
     *
     * @return a score below 0 for each; the higher, the better its text fits the query
     * @throws InvalidRequestException if the query is empty, or a text does not fit the context with it, naming
     *     the text, from 1
     */
    @Override
    public Response<List<Double>> scoreAll(List<TextSegment> segments, String query) {
        return Sampling.translating(() -> {
            String question = Sampling.required("query", query);
            List<String> texts = Sampling.required("texts", segments).stream()
                    .map(segment -> Sampling.required("text", segment).text())
                    .toList();
            List<ScoringRequest> requests = scorer.queries(texts, question);
            List<Score> scores = scorer.score(requests, ScoringOptions.DEFAULT, ScoringListener.NONE);
            int tokens = requests.stream().mapToInt(ScoringRequest::length).sum();
            return Response.from(
                    scores.stream()
                            .map(score -> score.totals().meanLogProbability())
                            .toList(),
                    new TokenUsage(tokens, 0));
        });
    }
}
