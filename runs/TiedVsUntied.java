import java.awt.Color;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import javax.imageio.ImageIO;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.style.Styler;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The table and the plot of tied-vs-untied.sh: {@code java -cp LIBRARIES TiedVsUntied.java FOLDER}. */
final class TiedVsUntied {
    private TiedVsUntied() {}

    public static void main(String[] args) throws IOException {
        System.setProperty("java.awt.headless", "true");
        Path folder = Path.of(args[0]);
        XYChart chart = new XYChartBuilder()
                .width(960)
                .height(600)
                .title("Tied against untied, equal steps")
                .xAxisTitle("parameters")
                .yAxisTitle("perplexity of the held-out text")
                .build();
        chart.getStyler().setLegendPosition(Styler.LegendPosition.InsideNE).setChartBackgroundColor(Color.WHITE);
        StringBuilder table = new StringBuilder("| hidden size | head | parameters | held-out loss | perplexity | best step"
                + " | seconds |\n|---|---|---|---|---|---|---|\n");
        for (String head : List.of("tied", "untied")) {
            List<Double> parameters = new ArrayList<>();
            List<Double> perplexities = new ArrayList<>();
            for (int hidden : new int[] {64, 128, 192}) {
                JsonNode run = JsonMapper.shared()
                        .readTree(Files.readString(folder.resolve(hidden + "-" + head).resolve("summary.json")));
                double loss = run.get("validation_loss").doubleValue();
                parameters.add(run.get("parameters").doubleValue());
                perplexities.add(Math.exp(loss));
                table.append(String.format(
                        Locale.ROOT,
                        "| %d | %s | %,d | %.4f | %.2f | %d | %.0f |%n",
                        hidden,
                        head,
                        run.get("parameters").longValue(),
                        loss,
                        Math.exp(loss),
                        run.get("best_step").longValue(),
                        run.get("seconds").doubleValue()));
            }
            chart.addSeries(head, parameters, perplexities);
        }
        System.out.print(table);
        Files.writeString(folder.resolve("table.md"), table);
        ImageIO.write(
                BitmapEncoder.getBufferedImage(chart),
                "png",
                folder.resolve("tied-vs-untied.png").toFile());
    }
}
