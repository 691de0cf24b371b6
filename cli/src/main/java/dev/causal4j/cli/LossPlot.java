package dev.causal4j.cli;

import dev.causal4j.format.WholeFile;
import java.awt.Color;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SortedMap;
import javax.imageio.ImageIO;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.style.Styler;
import org.knowm.xchart.style.markers.SeriesMarkers;

/** The losses of a run over its steps, as an image. */
final class LossPlot {
    /** Its name in the folder of a run. */
    static final String FILE = "loss.png";

    private static final int WIDTH = 960;
    private static final int HEIGHT = 540;
    private static final int MOST_POINTS = 500; // of the training loss; each is the mean of as many steps as that takes

    private LossPlot() {}

    /**
     * Draws it into the folder of a run.
     *
     * @param losses by step; without any, nothing is drawn
     */
    static void write(SortedMap<Long, TrainingLog.Losses> losses, Path folder) throws IOException {
        if (!losses.isEmpty()) {
            WholeFile.write(folder.resolve(FILE), png(losses));
        }
    }

    private static byte[] png(SortedMap<Long, TrainingLog.Losses> losses) throws IOException {
        System.setProperty("java.awt.headless", "true"); // no window is opened
        XYChart chart = new XYChartBuilder()
                .width(WIDTH)
                .height(HEIGHT)
                .title("Loss")
                .xAxisTitle("step")
                .yAxisTitle("nats per token")
                .build();
        chart.getStyler().setLegendPosition(Styler.LegendPosition.InsideNE).setChartBackgroundColor(Color.WHITE);
        addTraining(chart, losses);
        List<Double> steps = new ArrayList<>();
        List<Double> validation = new ArrayList<>();
        losses.forEach((step, loss) -> loss.validation().ifPresent(value -> {
            steps.add((double) step);
            validation.add(value);
        }));
        if (!steps.isEmpty()) {
            chart.addSeries("held out", steps, validation).setMarker(SeriesMarkers.CIRCLE);
        }
        ByteArrayOutputStream image = new ByteArrayOutputStream();
        ImageIO.write(BitmapEncoder.getBufferedImage(chart), "png", image);
        return image.toByteArray();
    }

    private static void addTraining(XYChart chart, SortedMap<Long, TrainingLog.Losses> losses) {
        int perPoint = Math.ceilDiv(losses.size(), MOST_POINTS);
        List<Double> steps = new ArrayList<>();
        List<Double> means = new ArrayList<>();
        double sum = 0;
        int count = 0;
        for (var each : losses.entrySet()) {
            sum += each.getValue().training();
            count++;
            if (count == perPoint || each.getKey().equals(losses.lastKey())) {
                steps.add((double) each.getKey());
                means.add(sum / count);
                sum = 0;
                count = 0;
            }
        }
        String name = perPoint == 1 ? "training" : "training, mean of " + perPoint + " steps";
        chart.addSeries(name, steps, means).setMarker(SeriesMarkers.NONE);
    }
}
