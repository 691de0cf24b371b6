package dev.causal4j.cli;

import dev.causal4j.head.Candidate;
import dev.causal4j.head.Prediction;
import dev.causal4j.model.CausalLM;
import dev.causal4j.scoring.Normalization;
import dev.causal4j.scoring.Ranking;
import dev.causal4j.scoring.Score;
import dev.causal4j.scoring.Score.Totals;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** Scores and predictions as JSON. Immutable. */
final class ScoreDocument {
    /** The fields that {@link #add(Score, ObjectNode)} may set. */
    static final Set<String> FIELDS = Set.of(
            "tokens",
            "pieces",
            "logprobs",
            "ranks",
            "top",
            "nll",
            "scored_tokens",
            "scored_bytes",
            "perplexity",
            "bits_per_byte");

    private final Pieces pieces;
    private final boolean totalsOnly;
    private final int top;

    /**
     * @param totalsOnly leaves the tokens out
     * @param top requested alternatives; 0 leaves them out
     */
    ScoreDocument(CausalLM model, boolean totalsOnly, int top) {
        this.pieces = new Pieces(model);
        this.totalsOnly = totalsOnly;
        this.top = top;
    }

    /** Adds a score to a document. */
    void add(Score score, ObjectNode document) {
        if (!totalsOnly) {
            addTokens(score, document);
        }
        add(score.totals(), document);
    }

    private void addTokens(Score score, ObjectNode document) {
        document.set("tokens", Json.array(score.tokens()));
        if (pieces.known()) {
            ArrayNode texts = document.putArray("pieces");
            score.pieces().forEach(texts::add);
        } else {
            document.putNull("pieces");
        }
        ArrayNode logProbabilities = document.putArray("logprobs");
        ArrayNode ranks = document.putArray("ranks");
        for (int i = 0; i < score.tokens().length; i++) {
            Optional<Prediction> prediction = score.prediction(i);
            double logProbability = prediction.map(Prediction::logProbability).orElse(Double.NaN);
            logProbabilities.add(Json.number(logProbability));
            ranks.add(prediction.map(Prediction::rank).orElse(null));
        }
        if (top > 0) {
            ArrayNode alternatives = document.putArray("top");
            for (int i = 0; i < score.tokens().length; i++) {
                score.prediction(i)
                        .ifPresentOrElse(
                                prediction -> addAlternatives(prediction, alternatives.addArray()),
                                alternatives::addNull);
            }
        }
    }

    static void add(Totals totals, ObjectNode document) {
        document.set("nll", Json.number(totals.nll()));
        document.put("scored_tokens", totals.scoredTokens()).put("scored_bytes", totals.scoredBytes());
        document.set("perplexity", Json.number(totals.perplexity().orElse(Double.NaN)));
        document.set("bits_per_byte", Json.number(totals.bitsPerByte().orElse(Double.NaN)));
    }

    /** Choices in the given order, and their indexes, the likeliest first. */
    ObjectNode ranking(int[] prompt, List<String> choices, Ranking ranking) {
        ObjectNode document = Json.object();
        document.set("prompt_tokens", Json.array(prompt));
        ArrayNode array = document.putArray("choices");
        for (int i = 0; i < choices.size(); i++) {
            ObjectNode choice = array.addObject().put("text", choices.get(i));
            if (!totalsOnly) {
                addTokens(ranking.choices().get(i), choice);
            }
            for (Normalization normalization : Normalization.values()) {
                choice.set(name(normalization), Json.number(ranking.logProbability(i, normalization)));
            }
        }
        ObjectNode orders = document.putObject("order");
        for (Normalization normalization : Normalization.values()) {
            ArrayNode order = orders.putArray(name(normalization));
            ranking.order(normalization).forEach(order::add);
        }
        return document;
    }

    static String name(Normalization normalization) {
        return normalization == Normalization.SUM
                ? "logprob"
                : "logprob_" + normalization.name().toLowerCase(Locale.ROOT);
    }

    /** Adds predictions of generated tokens. */
    void predictions(List<Prediction> predictions, ArrayNode array) {
        for (Prediction prediction : predictions) {
            ObjectNode object = array.addObject().put("token", prediction.token());
            object.set("logprob", Json.number(prediction.logProbability()));
            object.put("rank", prediction.rank());
            addAlternatives(prediction, object.putArray("top"));
        }
    }

    private void addAlternatives(Prediction prediction, ArrayNode array) {
        for (Candidate alternative : prediction.alternatives(top)) {
            ObjectNode object = array.addObject().put("token", alternative.token());
            if (pieces.known()) {
                object.put("piece", pieces.of(alternative.token()));
            } else {
                object.putNull("piece");
            }
            object.set("logprob", Json.number(alternative.logProbability()));
        }
    }
}
