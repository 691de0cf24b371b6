package dev.causal4j.cli;

import dev.causal4j.json.Json;
import dev.causal4j.model.CausalLM;
import dev.causal4j.tensor.Matrix;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.function.IntToDoubleFunction;
import java.util.stream.IntStream;

/** Facts about the rows of a model's vocabulary, by reading its weights. All sums are in double. */
final class HeadFacts {
    private static final int LISTED = 10;

    /** Rows whose products are summed for the effective dimensions. */
    private static final int SAMPLE = 4096;

    private final CausalLM model;
    private final Matrix table;
    private final double[] mean;
    private final double[] norms;

    private HeadFacts(CausalLM model, Matrix table) {
        this.model = model;
        this.table = table;
        mean = mean(0, table.rows());
        norms = IntStream.range(0, table.rows())
                .mapToDouble(n -> Math.sqrt(dot(row(n), row(n))))
                .toArray();
    }

    /** Adds the facts of each table: of a tied head there is one. */
    static void add(Document facts, CausalLM model, int nearest) {
        HeadFacts embedding = new HeadFacts(model, model.head().embedding());
        HeadFacts projection = model.head().tied()
                ? embedding
                : new HeadFacts(model, model.head().projection());
        if (projection != embedding) {
            embedding.add(facts, "embedding", nearest);
        }
        projection.add(facts, projection == embedding ? "head" : "projection", nearest);
    }

    private void add(Document facts, String table, int nearest) {
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
        if (nearest >= 0) {
            double[] wanted = row(nearest);
            facts.put(table + "_nearest", list("cosine", -1, n -> dot(wanted, row(n)) / (norms[nearest] * norms[n])));
        }
    }

    /**
     * Tokens that training may not have seen: their rows are the nearest to the mean of those past the tokenizer's last
     * token, or to zero if there are none (after Land and Bartolo 2024, arXiv 2405.05417).
     */
    private List<Map<String, Object>> untrained() {
        int known = model.choosableTokens();
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
        IntStream.range(0, model.choosableTokens())
                .mapToObj(n -> new Ranked(n, measure.applyAsDouble(n)))
                .sorted(Comparator.comparingDouble((Ranked each) -> sign * each.measured)
                        .thenComparingInt(Ranked::id))
                .limit(LISTED)
                .forEach(each -> listed.add(Json.object(
                        "token_id",
                        each.id,
                        "text",
                        Visible.quoted(model.tokenizer()
                                .map(known -> known.decode(each.id))
                                .orElse("")),
                        name,
                        each.measured)));
        return listed;
    }

    /**
     * (sum of the eigenvalues of E'E)² / the sum of their squares, of the rows less their mean: D if all directions are
     * used alike, 1 if one is.
     */
    private double effectiveDimensions() {
        int d = table.cols();
        int rows = Math.min(SAMPLE, table.rows());
        double[][] products = new double[d][d];
        for (int i = 0; i < rows; i++) {
            double[] row = row((int) ((long) i * table.rows() / rows));
            for (int k = 0; k < d; k++) {
                row[k] -= mean[k];
            }
            for (int k = 0; k < d; k++) {
                for (int other = 0; other < d; other++) {
                    products[k][other] += row[k] * row[other];
                }
            }
        }
        double trace = 0;
        double squares = 0;
        for (int k = 0; k < d; k++) {
            trace += products[k][k];
            squares += dot(products[k], products[k]);
        }
        return trace * trace / squares;
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
        table.row(n, numbers, 0);
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
