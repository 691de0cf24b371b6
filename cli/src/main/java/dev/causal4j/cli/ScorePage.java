package dev.causal4j.cli;

import dev.causal4j.format.WholeFile;
import dev.causal4j.head.Candidate;
import dev.causal4j.head.Prediction;
import dev.causal4j.model.CausalLM;
import dev.causal4j.scoring.Score;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Objects;

/**
 * A score as a page of HTML: the text shaded by surprisal, what the model thought of each token, a plot. It needs
 * nothing from outside and runs no script; its policy forbids both. {@code page.html#t5} shows token 5.
 */
final class ScorePage {
    /** Alternatives of a token that the page shows. */
    static final int ALTERNATIVES = 5;

    /** A token takes about a kilobyte of page; browsers hold 20 MB easily. */
    static final int MOST_TOKENS = 20_000;

    /** Where the shades end; also drawn for a probability of 0. */
    static final double MOST_BITS = 64;

    private static final double DARKEST_BITS = 16;

    private static final String HEAD = """
            <!doctype html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            <title>Surprisal, token by token</title>
            <style>
            """;

    private final Score score;
    private final Pieces pieces;
    private final String model;
    private final StringBuilder out = new StringBuilder(1 << 16);

    private ScorePage(CausalLM model, Score score) {
        this.score = score;
        this.pieces = new Pieces(model);
        this.model = String.format(
                Locale.ROOT,
                "a model of %,d parameters in %s",
                model.parameters(),
                model.dtype().label());
    }

    static void write(Path file, CausalLM model, Score score) throws IOException {
        WholeFile.write(file, new ScorePage(model, score).page().getBytes(StandardCharsets.UTF_8));
    }

    private String page() throws IOException {
        out.append(HEAD);
        try (InputStream style = Objects.requireNonNull(ScorePage.class.getResourceAsStream("score.css"))) {
            out.append(new String(style.readAllBytes(), StandardCharsets.UTF_8));
        }
        out.append("</style>\n</head>\n<body>\n<h1>Surprisal, token by token</h1>\n<p>How unexpected each token is to ")
                .append(model)
                .append(", given the tokens before it: minus the logarithm to base 2 of its probability.</p>\n");
        totals();
        out.append("<h2>Text</h2>\n<div class=\"scale\">0 bits<i></i>")
                .append((int) DARKEST_BITS)
                .append(" bits or more; point at a token, or move with Tab, for what the model expected</div>\n");
        text();
        out.append("<h2>Surprisal in bits, by token</h2>\n");
        new SurprisalPlot(score).draw(meanBits(), out);
        return out.append("</body>\n</html>\n").toString();
    }

    private double meanBits() {
        return score.nll() / StrictMath.log(2) / score.scoredTokens();
    }

    private void totals() {
        out.append("<dl>");
        total("tokens scored", String.format(Locale.ROOT, "%,d", score.scoredTokens()));
        total("perplexity", String.format(Locale.ROOT, "%.2f", score.perplexity()));
        total("bits per token", String.format(Locale.ROOT, "%.3f", meanBits()));
        score.bitsPerByte().ifPresent(bits -> total("bits per byte", String.format(Locale.ROOT, "%.3f", bits)));
        total("nll", String.format(Locale.ROOT, "%.3f", score.nll()));
        out.append("</dl>\n");
    }

    private void total(String name, String value) {
        out.append("<div><dt>").append(name).append("</dt><dd>").append(value).append("</dd></div>");
    }

    private void text() {
        out.append("<div class=\"text\">");
        List<String> texts = pieces.of(score.tokens());
        for (int i = 0; i < score.tokens().length; i++) {
            int token = score.tokens()[i];
            int at = i;
            double bits = score.prediction(i).map(Prediction::surprisal).orElse(0.0);
            out.append(String.format(
                    Locale.ROOT,
                    "<a class=\"%s\" id=\"t%d\" href=\"#t%d\" style=\"--s:%.1f\">",
                    score.prediction(i).isPresent() ? "t" : "t first",
                    i,
                    i,
                    100 * Math.min(1, bits / DARKEST_BITS)));
            if (texts.isEmpty() || texts.get(i).isEmpty()) {
                out.append("<b>").append(pieces.bytes(token)).append("</b>");
            } else {
                Visible.html(texts.get(i), out);
            }
            out.append("<span class=\"tip\" role=\"tooltip\"><strong>");
            Visible.html(pieces.shown(token, texts.isEmpty() ? "" : texts.get(i)), out);
            out.append("</strong>");
            score.prediction(i)
                    .ifPresentOrElse(
                            prediction -> tip(at, prediction),
                            () -> fact("token " + token + " at 0: nothing precedes it, so nothing predicts it"));
            out.append("</span></a>");
        }
        out.append("</div>\n");
    }

    private void tip(int i, Prediction prediction) {
        fact(String.format(Locale.ROOT, "token %d at %d", prediction.token(), i));
        fact(String.format(
                Locale.ROOT, "rank %d, probability %s", prediction.rank(), Pieces.percent(prediction.probability())));
        fact(String.format(
                Locale.ROOT, "%.2f bits, log p = %.4f", prediction.surprisal(), prediction.logProbability()));
        out.append("<hr>");
        for (Candidate each : prediction.alternatives(ALTERNATIVES)) {
            out.append(String.format(
                    Locale.ROOT,
                    "<span class=\"%s\" style=\"--p:%.1f\"><span>",
                    each.token() == prediction.token() ? "row chosen" : "row",
                    100 * each.probability()));
            Visible.html(pieces.shown(each.token()), out);
            out.append("</span><span>")
                    .append(Pieces.percent(each.probability()))
                    .append("</span></span>");
        }
    }

    private void fact(String fact) {
        out.append("<span class=\"facts\">").append(fact).append("</span>");
    }
}
