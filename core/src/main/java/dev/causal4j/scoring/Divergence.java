package dev.causal4j.scoring;

import dev.causal4j.compute.Rows;
import dev.causal4j.head.CausalLMHead;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;

/**
 * How a model's predictions of the same tokens differ from a base model's. Several threads may put rows at once.
 *
 * @param base minus the base model's log-probability of each token
 * @param kl Kullback-Leibler divergence from the base model's distribution, of its tokens above e^-16
 * @param dp difference of the token's probabilities
 * @param top 1 where both models have the same likeliest token, the first of equals
 */
record Divergence(double[] base, double[] kl, double[] dp, double[] top) {
    private static final double LEAST = -16;
    private static final Map<String, String> NAMED = Map.of("100", "max", "50", "median", "0", "min");

    static Divergence of(int rows) {
        return new Divergence(new double[rows], new double[rows], new double[rows], new double[rows]);
    }

    /** @param base the base model's logarithms of probabilities */
    void put(int row, double[] base, Rows logits, int target) {
        int from = logits.start(0);
        double normalizer = CausalLMHead.logNormalizer(logits.data(), from, base.length);
        int best = 0;
        int baseBest = 0;
        double sum = 0;
        for (int i = 0; i < base.length; i++) {
            best = logits.data()[from + i] > logits.data()[from + best] ? i : best;
            baseBest = base[i] > base[baseBest] ? i : baseBest;
            if (base[i] > LEAST) {
                sum += StrictMath.exp(base[i]) * (base[i] - (logits.data()[from + i] - normalizer));
            }
        }
        this.base[row] = -base[target];
        kl[row] = sum;
        dp[row] = StrictMath.exp(logits.data()[from + target] - normalizer) - StrictMath.exp(base[target]);
        top[row] = best == baseBest ? 1 : 0;
    }

    /** In their order, as a stream's own sum would not add them. */
    static double sum(double[] x) {
        return Arrays.stream(x).reduce(0, Double::sum);
    }

    static double mean(double[] x) {
        return sum(x) / x.length;
    }

    private static double[] product(double[] x, double[] y) {
        double[] product = new double[x.length];
        Arrays.setAll(product, i -> x[i] * y[i]);
        return product;
    }

    /** Of the two means. */
    private static double covariance(double[] x, double[] y) {
        return (mean(product(x, y)) - mean(x) * mean(y)) / (x.length - 1);
    }

    /** One standard deviation of the mean. */
    static double error(double[] x) {
        return Math.sqrt(covariance(x, x));
    }

    /** Of sorted numbers, between two of them linearly. */
    private static double percentile(double[] x, double percent) {
        double place = percent / 100 * (x.length - 1);
        int below = (int) place;
        double share = place - below;
        return (1 - share) * x[below] + share * x[Math.min(below + 1, x.length - 1)];
    }

    /** @param nll minus this model's log-probability of each token */
    void addTo(SequencedMap<String, Number> figures, double[] nll) {
        double perplexity = StrictMath.exp(mean(nll));
        double basePerplexity = StrictMath.exp(mean(base));
        double covariance = covariance(nll, base);
        figures.put("perplexity_error", perplexity * error(nll));
        figures.put("base_perplexity", basePerplexity);
        figures.put("base_perplexity_error", basePerplexity * error(base));
        figures.put("correlation", covariance / (error(nll) * error(base)));
        double ratio = mean(nll) - mean(base);
        double ratioError = Math.sqrt(covariance(nll, nll) + covariance(base, base) - 2 * covariance);
        figures.put("ln_ratio", ratio);
        figures.put("ln_ratio_error", ratioError);
        figures.put("ratio", StrictMath.exp(ratio));
        figures.put("ratio_error", StrictMath.exp(ratio) * ratioError);
        addTo(figures, "kl", kl, List.of("100", "99.9", "99", "95", "90", "50", "10", "5", "1", "0.1", "0"));
        addTo(figures, "dp", dp, List.of("100", "50", "0"));
        double rms = Math.sqrt(mean(product(dp, dp)));
        figures.put("dp_rms", rms);
        figures.put("dp_rms_error", error(product(dp, dp)) / (2 * rms));
        figures.put("same_top", mean(top));
        figures.put("same_top_error", Math.sqrt(mean(top) * (1 - mean(top)) / (top.length - 1)));
    }

    private static void addTo(SequencedMap<String, Number> figures, String name, double[] x, List<String> percents) {
        double[] sorted = x.clone();
        Arrays.sort(sorted);
        figures.put(name, mean(x));
        figures.put(name + "_error", error(x));
        for (String each : percents) {
            figures.put(name + "_" + NAMED.getOrDefault(each, each), percentile(sorted, Double.parseDouble(each)));
        }
    }
}
