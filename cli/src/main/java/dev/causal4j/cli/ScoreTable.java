package dev.causal4j.cli;

import dev.causal4j.head.Prediction;
import dev.causal4j.scoring.Normalization;
import dev.causal4j.scoring.Ranking;
import dev.causal4j.scoring.Score;
import dev.causal4j.scoring.Score.Totals;
import dev.causal4j.scoring.Scorer.ConstrainedScore;
import dev.causal4j.scoring.Scorer.Spellings;
import java.io.PrintWriter;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.stream.Collectors;

/** Prints scores as tables; on a colour terminal pieces are shaded by probability. */
record ScoreTable(Pieces pieces, PrintWriter out) {
    // From the 256-colour palette, readable under black: green for likely tokens to red for unlikely ones.
    private static final int[] SHADES = {120, 156, 228, 222, 216, 210};
    private static final double[] LEAST = {0.5, 0.2, 0.05, 0.01, 0.001, 0};

    /** Prints a score: its tokens unless only the sums are wanted, and the sums. */
    void score(Score score, boolean totalsOnly, int top) {
        if (!totalsOnly) {
            tokens(score, top);
        }
        out.println(totals(score.totals()));
    }

    /** Prints a line for each token, with its {@code top} best candidates. */
    private void tokens(Score score, int top) {
        int[] tokens = score.tokens();
        int width = Math.max(5, Integer.toString(tokens.length - 1).length());
        out.printf("%" + width + "s  %7s  %10s  %7s  %11s  %s%n", "", "token", "log p", "rank", "probability", "piece");
        for (int i = 0; i < tokens.length; i++) {
            Optional<Prediction> prediction = score.prediction(i);
            String piece =
                    pieces.known() ? pieces.shown(tokens[i], score.pieces().get(i)) : "";
            String start = String.format("%" + width + "d  %7d", i, tokens[i]);
            if (prediction.isEmpty()) {
                out.printf("%s  %10s  %7s  %11s  %s%n", start, "", "", "", piece);
                continue;
            }
            Prediction made = prediction.get();
            String percent = Pieces.percent(made.probability());
            String shown = shaded(piece, made.probability()) + alternatives(made, top);
            out.printf("%s  %10.4f  %7d  %11s  %s%n", start, made.logProbability(), made.rank(), percent, shown);
        }
    }

    private static String shaded(String piece, double probability) {
        if (!Streaming.colors(Streaming.TERMINAL) || piece.isEmpty()) {
            return piece;
        }
        int shade = 0;
        while (probability < LEAST[shade]) {
            shade++;
        }
        return "\u001b[38;5;16;48;5;" + SHADES[shade] + "m" + piece + "\u001b[0m";
    }

    private String alternatives(Prediction prediction, int top) {
        String shown = prediction.alternatives(top).stream()
                .map(each -> pieces.shown(each.token()) + " " + Pieces.percent(each.probability()))
                .collect(Collectors.joining(", "));
        return shown.isEmpty() ? "" : "  [" + shown + "]";
    }

    /** Prints a line of sums. */
    static String totals(Totals totals) {
        StringBuilder line = new StringBuilder(String.format(
                "%,d token%s scored, nll %.4f",
                totals.scoredTokens(), totals.scoredTokens() == 1 ? "" : "s", totals.nll()));
        totals.perplexity().ifPresent(p -> line.append(String.format(", perplexity %.4f", p)));
        totals.bitsPerByte().ifPresent(b -> line.append(String.format(", %.4f bits per byte", b)));
        return line.toString();
    }

    /** Prints a line for each choice; a star marks the likeliest of a column. */
    void ranking(List<String> choices, Ranking ranking) {
        Normalization[] columns = Normalization.values();
        int[] best = new int[columns.length];
        out.print("      ");
        for (int c = 0; c < columns.length; c++) {
            best[c] = ranking.order(columns[c]).getFirst();
            out.printf("  %12s ", name(columns[c]));
        }
        out.println("  choice");
        for (int i = 0; i < choices.size(); i++) {
            out.printf("%6d", i + 1);
            for (int c = 0; c < columns.length; c++) {
                out.printf("  %12.4f%s", ranking.logProbability(i, columns[c]), i == best[c] ? "*" : " ");
            }
            out.println("  " + Visible.quoted(choices.get(i)));
        }
    }

    /** Prints a line for each choice, the likeliest first. */
    static void spellings(List<String> choices, Spellings made, PrintWriter out) {
        out.printf("%6s  %12s  %11s  %9s  choice%n", "", "log p", "share", "spellings");
        for (int i : made.order()) {
            double logProbability = made.logProbabilities().get(i);
            String share = Pieces.percent(made.share(i));
            String choice = Visible.quoted(choices.get(i));
            out.printf(
                    "%6d  %12.4f  %11s  %9d  %s%n",
                    i + 1, logProbability, share, made.counts().get(i), choice);
        }
    }

    /** Prints a line about a text and its constraint. */
    void constraint(ConstrainedScore score) {
        int left = score.leavesAt().orElse(-1);
        out.println(
                left >= 0
                        ? "not allowed: it leaves the constraint at token " + left + ", "
                                + pieces.shown(score.score().tokens()[left])
                        : String.format(
                                "%s: log p %.4f under the constraint, %.4f without, %.4f lost to what was not allowed",
                                score.isAllowed() ? "allowed" : "allowed so far, but not complete",
                                score.logProbability(),
                                0 - score.score().totals().nll(),
                                score.lostLogProbability()));
    }

    private static String name(Normalization normalization) {
        return normalization == Normalization.SUM
                ? "log p"
                : normalization.name().toLowerCase(Locale.ROOT).replace('_', ' ');
    }
}
