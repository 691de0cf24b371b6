package dev.causal4j.cli;

import dev.causal4j.head.Prediction;
import dev.causal4j.scoring.Score;
import java.util.List;
import java.util.Locale;

/** The surprisal of each token as bars, a drawing in SVG. A bar leads to its token. */
final class SurprisalPlot {
    private static final int WIDTH = 960;
    private static final int HEIGHT = 220;
    private static final int LEFT = 34;
    private static final int BOTTOM = 24;
    private static final int TOP = 8;
    private static final int MOST_BARS = 800;
    private static final int MOST_LINES = 6;

    private final List<Prediction> predictions;
    private final int first; // index of the first predicted token
    private final int perBar; // tokens whose mean a bar is
    private final double step; // bits from one line of the grid to the next
    private final double highest;

    SurprisalPlot(Score score) {
        predictions = score.predictions();
        first = score.tokens().length - predictions.size();
        perBar = Math.ceilDiv(predictions.size(), MOST_BARS);
        double most = 0;
        for (int from = 0; from < predictions.size(); from += perBar) {
            most = Math.max(most, mean(from));
        }
        double one = 1;
        while (most > MOST_LINES * one) {
            one *= 2;
        }
        step = one;
        highest = one * Math.max(1, Math.ceil(most / one));
    }

    private double mean(int from) {
        return predictions.subList(from, Math.min(predictions.size(), from + perBar)).stream()
                .mapToDouble(each -> Math.min(each.surprisal(), ScorePage.MOST_BITS))
                .average()
                .orElseThrow();
    }

    void draw(double meanSurprisal, StringBuilder out) {
        out.append(String.format(
                "<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"Surprisal of each token in bits\">\n",
                WIDTH, HEIGHT));
        for (double bits = 0; bits <= highest; bits += step) {
            out.append(String.format(
                    Locale.ROOT,
                    "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>"
                            + "<text class=\"y\" x=\"%d\" y=\"%.1f\">%.0f</text>\n",
                    LEFT,
                    WIDTH,
                    y(bits),
                    y(bits),
                    LEFT - 6,
                    y(bits) + 4,
                    bits));
        }
        int bars = Math.ceilDiv(predictions.size(), perBar);
        double slot = (double) (WIDTH - LEFT) / Math.max(bars, 24);
        for (int b = 0; b < bars; b++) {
            bar(b, slot, out);
        }
        double y = y(Math.min(meanSurprisal, highest));
        out.append(String.format(
                Locale.ROOT,
                "<line class=\"mean\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>"
                        + "<text class=\"label\" x=\"%d\" y=\"%.1f\">mean %.2f</text>\n",
                LEFT,
                WIDTH,
                y,
                y,
                WIDTH - 2,
                y - 5,
                meanSurprisal));
        int label = Math.max(1, bars / 10);
        for (int b = 0; b < bars; b += label) {
            out.append(String.format(
                    Locale.ROOT,
                    "<text class=\"x\" x=\"%.1f\" y=\"%d\">%d</text>\n",
                    LEFT + (b + 0.5) * slot,
                    HEIGHT - 6,
                    first + b * perBar));
        }
        out.append("</svg>\n");
    }

    private void bar(int b, double slot, StringBuilder out) {
        double bits = mean(b * perBar);
        double top = y(bits);
        out.append(String.format(
                Locale.ROOT,
                "<a href=\"#t%d\"><rect class=\"slot\" x=\"%.2f\" y=\"%d\" width=\"%.2f\" height=\"%d\"/>"
                        + "<rect class=\"bar\" x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\"/>"
                        + "<title>token %d: %.2f bits</title></a>\n",
                first + b * perBar,
                LEFT + b * slot,
                TOP,
                slot,
                HEIGHT - BOTTOM - TOP,
                LEFT + b * slot + slot * 0.1,
                top,
                Math.min(slot * 0.8, 28),
                Math.max(0.5, HEIGHT - BOTTOM - top),
                first + b * perBar,
                bits));
    }

    private double y(double bits) {
        return HEIGHT - BOTTOM - bits / highest * (HEIGHT - BOTTOM - TOP);
    }
}
