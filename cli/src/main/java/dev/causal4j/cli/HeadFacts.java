package dev.causal4j.cli;

import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.json.Json;
import dev.causal4j.model.Checkpoint;
import dev.causal4j.model.ModelConfig;
import dev.causal4j.tensor.Matrix;
import dev.causal4j.tokenizer.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.IntToDoubleFunction;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** Facts about the rows of a model's vocabulary, read one by one as its files store them. All sums are in double. */
final class HeadFacts {
    private static final int LISTED = 10;

    /** Rows whose products are summed for the effective dimensions. */
    private static final int SAMPLE = 4096;

    private final Optional<Tokenizer> tokenizer;
    private final ParameterSpec table;
    private final Matrix.Source rows;
    private final int known; // ids past the tokenizer's belong to a padded vocabulary
    private final double[] mean;
    private final double[] norms;

    private HeadFacts(Checkpoint checkpoint, ParameterSpec table) {
        this.tokenizer = checkpoint.tokenizer();
        this.table = table;
        this.rows = checkpoint.rows(table);
        known = Math.min(table.rows(), tokenizer.map(Tokenizer::vocabularySize).orElse(table.rows()));
        mean = mean(0, table.rows());
        norms = IntStream.range(0, table.rows())
                .mapToDouble(n -> Math.sqrt(dot(row(n), row(n))))
                .toArray();
    }

    /** Adds the facts of each table: of a tied head there is one. */
    static void add(Document facts, Checkpoint checkpoint, @Nullable Integer nearest) {
        ModelConfig config = checkpoint.config();
        new HeadFacts(checkpoint, config.embedding()).add(facts, config.tied() ? "head" : "embedding", nearest);
        if (!config.tied()) {
            new HeadFacts(checkpoint, config.head()).add(facts, "projection", nearest);
        }
    }

    private void add(Document facts, String table, @Nullable Integer nearest) {
        double[] sorted = norms.clone();
        Arrays.sort(sorted);
        double squares = dot(norms, norms) / norms.length;
        facts.put(
                        table + "_rows",
                        Json.object(
                                "norm_min", sorted[0],
                                "norm_median", sorted[sorted.length / 2],
                                "norm_max", sorted[sorted.length - 1],
                                "mean_share", dot(mean, mean) / squares,
                                "effective_dimensions", effectiveDimensions()))
                .put(table + "_untrained", untrained());
        if (nearest != null) {
            double[] wanted = row(nearest);
            facts.put(table + "_nearest", list("cosine", -1, n -> dot(wanted, row(n)) / (norms[nearest] * norms[n])));
        }
    }

    /**
     * Tokens that training may not have seen: their rows are the nearest to the mean of those past the tokenizer's last
     * token, or to zero if there are none (after Land and Bartolo 2024, arXiv 2405.05417).
     */
    private List<Map<String, Object>> untrained() {
        double[] unused = known < table.rows() ? mean(known, table.rows()) : new double[table.cols()];
        return list("distance", 1, n -> {
            double[] row = row(n);
            double sum = 0;
            for (int k = 0; k < row.length; k++) {
                sum += (row[k] - unused[k]) * (row[k] - unused[k]);
            }
            return Math.sqrt(sum);
        });
    }

    private List<Map<String, Object>> list(String name, int sign, IntToDoubleFunction measure) {
        record Ranked(int id, double measured) {}
        List<Map<String, Object>> listed = new ArrayList<>();
        IntStream.range(0, known)
                .mapToObj(n -> new Ranked(n, measure.applyAsDouble(n)))
                .sorted(Comparator.comparingDouble((Ranked each) -> sign * each.measured)
                        .thenComparingInt(Ranked::id))
                .limit(LISTED)
                .forEach(each -> listed.add(Json.object(
                        "token_id",
                        each.id,
                        "text",
                        Visible.quoted(
                                tokenizer.map(text -> text.decode(each.id)).orElse("")),
                        name,
                        each.measured)));
        return listed;
    }

    /**
     * (sum of the eigenvalues of E'E)² / the sum of their squares, of the rows less their mean: D if all directions are
     * used alike, 1 if one is. The sum of squares is that of all products of two rows. A sample has too many products of a
     * row with itself, so these and the products of different rows are weighted as in all rows.
     */
    private double effectiveDimensions() {
        int d = table.cols();
        int sampled = Math.min(SAMPLE, table.rows());
        double[][] products = new double[d][d];
        double[] own = new double[sampled]; // products of a row with itself
        for (int i = 0; i < sampled; i++) {
            double[] row = row((int) ((long) i * table.rows() / sampled));
            for (int k = 0; k < d; k++) {
                row[k] -= mean[k];
            }
            for (int k = 0; k < d; k++) {
                for (int other = 0; other < d; other++) {
                    products[k][other] += row[k] * row[other];
                }
            }
            own[i] = dot(row, row);
        }
        double squares =
                Arrays.stream(products).mapToDouble(each -> dot(each, each)).sum();
        double trace = Arrays.stream(own).sum();
        double others = (squares - dot(own, own)) / (sampled - 1) * (1 - 1.0 / table.rows());
        return trace * trace / sampled / (others + dot(own, own) / table.rows());
    }

    private double[] mean(int from, int to) {
        double[] sums = new double[table.cols()];
        for (int n = from; n < to; n++) {
            double[] row = row(n);
            for (int k = 0; k < sums.length; k++) {
                sums[k] += row[k] / (to - from);
            }
        }
        return sums;
    }

    private double[] row(int n) {
        float[] numbers = new float[table.cols()];
        rows.row(n, numbers);
        return IntStream.range(0, numbers.length).mapToDouble(k -> numbers[k]).toArray();
    }

    private static double dot(double[] a, double[] b) {
        double sum = 0;
        for (int k = 0; k < a.length; k++) {
            sum += a[k] * b[k];
        }
        return sum;
    }
}
