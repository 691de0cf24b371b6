import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** An SVG picture, for light and dark pages. */
final class Plot {
    private static final String STYLE = """
            <style>.paper{fill:#fff}text{fill:#222}.axis{stroke:#222}.grid{stroke:#ddd}.zero{stroke:#888;stroke-dasharray:4 3}\
            .c0{stroke:#1f77b4;fill:#1f77b4}.c1{stroke:#c0562b;fill:#c0562b}.c2{stroke:#2a8c4a;fill:#2a8c4a}\
            .c3{stroke:#8a5cc2;fill:#8a5cc2}path.line{fill:none;stroke-width:1.5}circle.mark{fill-opacity:.55;stroke:none}\
            @media (prefers-color-scheme:dark){.paper{fill:#161b22}text{fill:#e6e6e6}.axis{stroke:#e6e6e6}.grid{stroke:#333a44}\
            .c0{stroke:#6cb6ff;fill:#6cb6ff}.c1{stroke:#f0a07a;fill:#f0a07a}.c2{stroke:#7bd39a;fill:#7bd39a}\
            .c3{stroke:#c6a5f0;fill:#c6a5f0}}</style>
            """;

    private final StringBuilder svg = new StringBuilder();
    private final int width;
    private final int height;

    private Plot(int width, int height, String title) {
        this.width = width;
        this.height = height;
        add(
                "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 %d %d' font-family='sans-serif' font-size='13'>%n%s"
                        + "<rect class='paper' width='%d' height='%d'/>%n<text x='12' y='22' font-weight='bold'>%s</text>%n",
                width,
                height,
                STYLE,
                width,
                height,
                escaped(title));
    }

    private void add(String format, Object... values) {
        svg.append(String.format(Locale.ROOT, format, values));
    }

    private static String escaped(String text) {
        return text.replace("&", "&amp;").replace("<", "&lt;");
    }

    /** Multiples of 1, 2 or 5 times a power of ten. */
    private static List<Double> ticks(double low, double high, int most) {
        double power = StrictMath.pow(10, Math.floor(StrictMath.log10((high - low) / most)));
        double step = power;
        for (int factor : new int[] {2, 5, 10}) {
            step = (high - low) / step > most ? factor * power : step;
        }
        List<Double> ticks = new ArrayList<>();
        for (long i = (long) Math.ceil(low / step); i * step <= high; i++) {
            ticks.add(i * step);
        }
        return ticks;
    }

    private static List<Double> powers(double low, double high) {
        List<Double> powers = new ArrayList<>();
        for (double power = low; power <= high; power *= 2) {
            powers.add(power);
        }
        return powers;
    }

    private static String number(double value) {
        String digits = String.format(Locale.ROOT, "%.4f", value);
        return digits.replaceAll("\\.?0+$", "").replaceAll("^-0$", "0");
    }

    /** Differences of pairs, a row a comparison: every pair a dot, the mean a bar, the interval a line. */
    static String pairs(String title, Map<String, Statistics.Paired> rows) {
        double most = Statistics.MARGIN * 1.5;
        int longest = 0;
        for (var row : rows.entrySet()) {
            longest = Math.max(longest, row.getKey().length());
            for (double difference : row.getValue().differences()) {
                most = Math.max(most, Math.abs(difference));
            }
            if (Double.isFinite(row.getValue().half())) {
                most = Math.max(most, Math.abs(row.getValue().mean()) + row.getValue().half());
            }
        }
        most *= 1.1;
        int left = 24 + 7 * longest;
        Plot plot = new Plot(left + 440, 70 + 34 * rows.size(), title);
        double scale = 400 / (2 * most);
        double zero = left + 200.0;
        int bottom = plot.height - 32;
        plot.add(
                "<rect class='grid' x='%.1f' y='34' width='%.1f' height='%d' fill='#888' fill-opacity='.15' stroke='none'/>%n",
                zero - Statistics.MARGIN * scale, 2 * Statistics.MARGIN * scale, bottom - 34);
        plot.add("<path class='zero' d='M%.1f 34V%d'/>%n", zero, bottom);
        for (double value : ticks(-most, most, 7)) {
            double x = zero + value * scale;
            plot.add("<path class='axis' d='M%.1f %dv5'/><text x='%.1f' y='%d' text-anchor='middle'>%s</text>%n", x, bottom, x,
                    bottom + 20, number(value));
        }
        int y = 54;
        for (var row : rows.entrySet()) {
            Statistics.Paired paired = row.getValue();
            plot.add("<text x='%d' y='%d' text-anchor='end'>%s</text>%n", left - 10, y + 4, escaped(row.getKey()));
            if (Double.isFinite(paired.half())) {
                plot.add("<path class='c0' stroke-width='2' d='M%.1f %dH%.1f'/>%n", zero + (paired.mean() - paired.half()) * scale,
                        y, zero + (paired.mean() + paired.half()) * scale);
            }
            plot.add("<path class='c0' stroke-width='3' d='M%.1f %dv14'/>%n", zero + paired.mean() * scale, y - 7);
            for (double difference : paired.differences()) {
                plot.add("<circle class='c1 mark' cx='%.1f' cy='%d' r='4'/>%n", zero + difference * scale, y);
            }
            y += 34;
        }
        return plot.svg.append("</svg>\n").toString();
    }

    /** A curve. */
    record Curve(String name, int colour, List<double[]> points) {}

    /** Curves over a linear axis, or over a logarithmic one; marks are vertical lines. */
    static String curves(String title, String across, boolean logarithmic, List<Curve> curves, double... marks) {
        Plot plot = new Plot(760, 420, title);
        double[] x = {Double.MAX_VALUE, -Double.MAX_VALUE};
        double[] y = {0, 0};
        for (Curve curve : curves) {
            for (double[] point : curve.points) {
                x[0] = Math.min(x[0], point[0]);
                x[1] = Math.max(x[1], point[0]);
                y[0] = Math.min(y[0], point[1]);
                y[1] = Math.max(y[1], point[1]);
            }
        }
        double range = Math.max(1e-9, y[1] - y[0]) * 1.05;
        double low = y[0] - range * 0.025;
        for (double value : ticks(low, low + range, 6)) {
            double level = 370 - (value - low) / range * 330;
            plot.add("<path class='grid' d='M70 %.1fH600'/><text x='62' y='%.1f' text-anchor='end'>%s</text>%n", level,
                    level + 4, number(value));
        }
        for (double value : logarithmic ? powers(x[0], x[1]) : ticks(x[0], x[1], 9)) {
            plot.add("<text x='%.1f' y='390' text-anchor='middle'>%s</text>%n", plot.place(value, x, logarithmic), number(value));
        }
        plot.add("<path class='axis' fill='none' d='M70 40V370H600'/><text x='335' y='410' text-anchor='middle'>%s</text>%n",
                escaped(across));
        plot.add("<path class='zero' d='M70 %.1fH600'/>%n", 370 - (0 - low) / range * 330);
        for (double mark : marks) {
            plot.add("<path class='zero' d='M%.1f 40V370'/>%n", plot.place(mark, x, logarithmic));
        }
        List<String> named = new ArrayList<>();
        for (Curve curve : curves) {
            StringBuilder path = new StringBuilder("M");
            for (double[] point : curve.points) {
                path.append(String.format(Locale.ROOT, "%.1f,%.1f ", plot.place(point[0], x, logarithmic),
                        370 - (point[1] - low) / range * 330));
            }
            plot.add("<path class='c%d line' d='%s'/>%n", curve.colour, path.toString().strip());
            if (!named.contains(curve.name)) {
                plot.add("<path class='c%d' stroke-width='3' d='M612 %dh18'/><text x='636' y='%d'>%s</text>%n", curve.colour,
                        54 + 22 * named.size(), 58 + 22 * named.size(), escaped(curve.name));
                named.add(curve.name);
            }
        }
        return plot.svg.append("</svg>\n").toString();
    }

    private double place(double value, double[] range, boolean logarithmic) {
        double part = logarithmic
                ? StrictMath.log(value / range[0]) / StrictMath.log(range[1] / range[0])
                : (value - range[0]) / (range[1] - range[0]);
        return 70 + 530 * part;
    }
}
