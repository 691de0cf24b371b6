package dev.causal4j.cli;

import dev.causal4j.head.Prediction;
import dev.causal4j.scoring.Normalization;
import dev.causal4j.scoring.Ranking;
import dev.causal4j.scoring.Score;
import dev.causal4j.scoring.Score.Totals;
import dev.causal4j.scoring.Scorer.Spellings;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.IntStream;

/**
 * Scores and predictions as JSON. Immutable.
 *
 * @param totalsOnly leaves the tokens out
 * @param top requested alternatives; 0 leaves them out
 */
record ScoreDocument(Pieces pieces, boolean totalsOnly, int top) {
    /** The fields that {@link #add(Score, Document)} may set. */
    static final Set<String> FIELDS = Set.of(
            "tokens pieces logprobs ranks top nll scored_tokens scored_bytes perplexity bits_per_byte bits".split(" "));

    /** Adds a score to a document. */
    Document add(Score score, Document document) {
        if (!totalsOnly) {
            addTokens(score, document);
        }
        return add(score.totals(), document).put("bits", score.bits());
    }

    private void addTokens(Score score, Document document) {
        document.put("tokens", score.tokens())
                .put("pieces", pieces.known() ? score.pieces() : null)
                .put("logprobs", each(score, Prediction::logProbability))
                .put("ranks", each(score, Prediction::rank));
        if (top > 0) {
            document.put("top", each(score, this::alternatives));
        }
    }

    private static <T> List<Optional<T>> each(Score score, Function<Prediction, T> figure) {
        return IntStream.range(0, score.tokens().length)
                .mapToObj(i -> score.prediction(i).map(figure))
                .toList();
    }

    static Document add(Totals totals, Document document) {
        return document.put("nll", totals.nll())
                .put("scored_tokens", totals.scoredTokens())
                .put("scored_bytes", totals.scoredBytes())
                .put("perplexity", totals.perplexity())
                .put("bits_per_byte", totals.bitsPerByte());
    }

    /** Choices in the given order, and their indexes, the likeliest first. */
    Document ranking(int[] prompt, List<String> choices, Ranking ranking) {
        List<Document> scored = new ArrayList<>();
        for (int i = 0; i < choices.size(); i++) {
            Document choice = new Document().put("text", choices.get(i));
            if (!totalsOnly) {
                addTokens(ranking.choices().get(i), choice);
            }
            for (Normalization normalization : Normalization.values()) {
                choice.put(name(normalization), ranking.logProbability(i, normalization));
            }
            scored.add(choice);
        }
        Document order = new Document();
        for (Normalization normalization : Normalization.values()) {
            order.put(name(normalization), ranking.order(normalization));
        }
        return new Document()
                .put("prompt_tokens", prompt)
                .put("choices", scored)
                .put("order", order);
    }

    /** Choices in the given order, and their indexes, the likeliest first. */
    static Document spellings(int[] prompt, List<String> choices, Spellings made) {
        List<Document> scored = IntStream.range(0, choices.size())
                .mapToObj(i -> new Document()
                        .put("text", choices.get(i))
                        .put("logprob", made.logProbabilities().get(i))
                        .put("share", made.share(i))
                        .put("spellings", made.counts().get(i)))
                .toList();
        return new Document()
                .put("prompt_tokens", prompt)
                .put("choices", scored)
                .put("order", made.order());
    }

    static String name(Normalization normalization) {
        return normalization == Normalization.SUM
                ? "logprob"
                : "logprob_" + normalization.name().toLowerCase(Locale.ROOT);
    }

    /** Predictions of generated tokens. */
    List<Document> predictions(List<Prediction> predictions) {
        return predictions.stream()
                .map(each -> new Document()
                        .put("token", each.token())
                        .put("logprob", each.logProbability())
                        .put("rank", each.rank())
                        .put("top", alternatives(each)))
                .toList();
    }

    private List<Document> alternatives(Prediction prediction) {
        return prediction.alternatives(top).stream()
                .map(each -> new Document()
                        .put("token", each.token())
                        .put("piece", pieces.known() ? pieces.of(each.token()) : null)
                        .put("logprob", each.logProbability()))
                .toList();
    }
}
