package dev.causal4j.cli;

import dev.causal4j.cli.TrainingLog.Point;
import java.util.ArrayList;
import java.util.DoubleSummaryStatistics;
import java.util.Formatter;
import java.util.List;
import java.util.Locale;
import java.util.function.ToDoubleFunction;
import java.util.stream.DoubleStream;

/** Draws the losses of a run over its steps as an SVG picture; the axes meet at (64, 370) and end at (704, 20). */
final class LossCurves {
    /** Points of a curve; of more, each is the mean of several. */
    private static final int MOST_POINTS = 400;

    private static final int PARTS = 5; // of an axis
    private static final double LEAST_RANGE = 0.01; // a label has three decimals

    private final Formatter svg = new Formatter(Locale.ROOT);
    private final double lastStep;
    private final double low;
    private final double range;

    private LossCurves(List<Point> points) {
        lastStep = Math.max(1, points.getLast().step());
        DoubleSummaryStatistics losses = points.stream()
                .flatMapToDouble(point -> DoubleStream.of(point.loss(), point.heldOut()))
                .filter(Double::isFinite)
                .summaryStatistics();
        low = losses.getMin();
        range = Math.max(LEAST_RANGE, losses.getMax() - low);
        svg.format("<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 720 420' font-family='sans-serif'>\n");
        svg.format("<rect width='720' height='420' fill='white'/>\n<g font-size='13' text-anchor='middle'>\n");
        svg.format("<text x='384' y='412'>step</text>\n<text transform='translate(16 195) rotate(-90)'>loss</text>\n");
        String line = "<path d='M64 %1$.1fH704' stroke='#ddd'/><text x='40' y='%1$.1f' dy='4'>%2$.3f</text>\n";
        String tick = "<path d='M%1$.1f 370v6' stroke='#000'/><text x='%1$.1f' y='390'>%2$,.0f</text>\n";
        for (int i = 0; i <= PARTS; i++) {
            double loss = low + range * i / PARTS;
            double step = Math.rint(lastStep * i / PARTS);
            svg.format(line, y(loss), loss).format(tick, x(step), step);
        }
        svg.format("</g>\n<path d='M64 20V370H704' fill='none' stroke='#000'/>\n");
    }

    /** @param points at least one */
    static String svg(List<Point> points) {
        LossCurves curves = new LossCurves(points);
        curves.curve("training", "#1f77b4", 40, points, Point::loss);
        curves.curve("held out", "#d62728", 60, points, Point::heldOut);
        return curves.svg.format("</svg>\n").toString();
    }

    private void curve(String name, String colour, int y, List<Point> all, ToDoubleFunction<Point> loss) {
        List<Point> points = all.stream()
                .filter(point -> !Double.isNaN(loss.applyAsDouble(point)))
                .toList();
        if (points.isEmpty()) {
            return;
        }
        List<String> places = new ArrayList<>();
        int size = Math.ceilDiv(points.size(), MOST_POINTS);
        for (int from = 0; from < points.size(); from += size) {
            List<Point> some = points.subList(from, Math.min(points.size(), from + size));
            double step = some.stream().mapToDouble(Point::step).average().orElseThrow();
            double mean = some.stream().mapToDouble(loss).average().orElseThrow();
            places.add(String.format(Locale.ROOT, "%.1f,%.1f", x(step), y(mean)));
        }
        String line = "<path d='M%sh0' stroke='%s' stroke-width='2' stroke-linecap='round' fill='none'/>\n";
        svg.format(line, String.join(" ", places), colour); // h0: a point alone is a dot
        String legend = "<text x='696' y='%d' font-size='13' text-anchor='end' fill='%s'>%s, last %.4f</text>\n";
        svg.format(legend, y, colour, name, loss.applyAsDouble(points.getLast()));
    }

    private double x(double step) {
        return 64 + step / lastStep * 640;
    }

    private double y(double loss) {
        return 370 - (loss - low) / range * 350;
    }
}
