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

    private static final int MOST_DOTS = 50;
    private static final double LEAST_TICK = 0.01; // a label has two decimals

    private final Formatter svg = new Formatter(Locale.ROOT);
    private final double lastStep;
    private final double low;
    private final double high;

    private LossCurves(List<Point> points) {
        lastStep = Math.max(1, points.getLast().step());
        DoubleSummaryStatistics losses = points.stream()
                .flatMapToDouble(point -> DoubleStream.of(point.loss(), point.heldOut()))
                .filter(Double::isFinite)
                .summaryStatistics();
        double tick = Math.max(LEAST_TICK, tick(losses.getMax() - losses.getMin()));
        long first = (long) Math.floor(losses.getMin() / tick);
        long last = Math.max(first + 1, (long) Math.ceil(losses.getMax() / tick));
        low = first * tick;
        high = last * tick;
        svg.format("<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 720 420' font-family='sans-serif'>\n");
        svg.format("<rect width='720' height='420' fill='white'/>\n<g font-size='13' text-anchor='middle'>\n");
        svg.format("<text x='384' y='412'>step</text>\n<text transform='translate(16 195) rotate(-90)'>loss</text>\n");
        String line = "<path d='M64 %1$.1fH704' stroke='#ddd'/><text x='42' y='%1$.1f' dy='4'>%2$.2f</text>\n";
        for (long i = first; i <= last; i++) {
            svg.format(line, y(i * tick), i * tick);
        }
        double between = Math.max(1, tick(lastStep));
        for (double step = 0; step <= lastStep; step += between) {
            svg.format(
                    "<path d='M%1$.1f 370v6' stroke='#000'/><text x='%1$.1f' y='390'>%2$,.0f</text>\n", x(step), step);
        }
        svg.format("</g>\n<path d='M64 20V370H704' fill='none' stroke='#000'/>\n");
    }

    /** @param points at least one */
    static String svg(List<Point> points) {
        LossCurves curves = new LossCurves(points);
        curves.curve("training", "#1f77b4", 40, points, Point::loss);
        List<Point> evaluated = new ArrayList<>(points);
        evaluated.removeIf(point -> Double.isNaN(point.heldOut()));
        curves.curve("held out", "#d62728", 60, evaluated, Point::heldOut);
        return curves.svg.format("</svg>\n").toString();
    }

    private void curve(String name, String colour, int y, List<Point> points, ToDoubleFunction<Point> loss) {
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
        svg.format("<g stroke='%s' fill='none' stroke-linecap='round'>\n", colour);
        svg.format("<path d='M%s'/>\n", String.join(" ", places));
        if (places.size() <= MOST_DOTS) {
            svg.format("<path d='M%sh0' stroke-width='5'/>\n", String.join("h0M", places));
        }
        String legend = "</g>\n<text x='696' y='%d' font-size='13' text-anchor='end' fill='%s'>%s, last %.4f</text>\n";
        svg.format(legend, y, colour, name, loss.applyAsDouble(points.getLast()));
    }

    private double x(double step) {
        return 64 + step / lastStep * 640;
    }

    private double y(double loss) {
        return 370 - (loss - low) / (high - low) * 350;
    }

    /** The least of 1, 2, 5 and 10 times a power of 10 that divides a range into at most six. */
    private static double tick(double range) {
        double least = Math.max(range / 6, Double.MIN_NORMAL);
        double power = StrictMath.pow(10, Math.floor(StrictMath.log10(least)));
        return power
                * DoubleStream.of(1, 2, 5)
                        .filter(n -> n * power >= least)
                        .findFirst()
                        .orElse(10);
    }
}
