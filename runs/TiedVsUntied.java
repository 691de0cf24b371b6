import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The table of tied-vs-untied.sh: {@code java -cp LIBRARIES TiedVsUntied.java FOLDER}. */
final class TiedVsUntied {
    private TiedVsUntied() {}

    public static void main(String[] args) throws IOException {
        Path folder = Path.of(args[0]);
        StringBuilder table = new StringBuilder("| hidden size | head | parameters | held-out loss | perplexity | best step"
                + " | seconds |\n|---|---|---|---|---|---|---|\n");
        for (String head : List.of("tied", "untied")) {
            for (int hidden : new int[] {64, 128, 192}) {
                JsonNode run = JsonMapper.shared()
                        .readTree(Files.readString(folder.resolve(hidden + "-" + head).resolve("summary.json")));
                double loss = run.get("validation_loss").doubleValue();
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
        }
        System.out.print(table);
        Files.writeString(folder.resolve("table.md"), table);
    }
}
