package dev.causal4j.scoring;

import dev.causal4j.compute.Rows;
import dev.causal4j.head.CausalLMHead;
import dev.causal4j.head.Prediction;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.function.ToDoubleFunction;

/**
 * A scored token, and how a model's prediction of it differs from a base model's.
 *
 * @param nll minus the model's log-probability of the token
 * @param base minus the base model's; NaN without a base model, like all after it
 * @param kl Kullback-Leibler divergence from the base model's distribution, of its tokens above e^-16
 * @param dp difference of the token's probabilities
 * @param top 1 where both models have the same likeliest token, the first of equals
 */
record Divergence(double nll, double base, double kl, double dp, double top) {
    private static final double LEAST = -16;
    private static final String KL = "max:100 99.9:99.9 99:99 95:95 90:90 median:50 10:10 5:5 1:1 0.1:0.1 min:0";
    private static final String DP = "max:100 median:50 min:0";

    static Divergence none(Prediction prediction) {
        return new Divergence(-prediction.logProbability(), Double.NaN, Double.NaN, Double.NaN, Double.NaN);
    }

    /** @param logits one row, from which the token is predicted */
    static Divergence of(Prediction prediction, KlBaseFile.Row base, Rows logits, int vocabularySize) {
        int token = prediction.token();
        float[] z = logits.data();
        int from = logits.start(0);
        double normalizer = CausalLMHead.logNormalizer(z, from, vocabularySize);
        double likeliest = Double.NEGATIVE_INFINITY;
        int best = 0;
        int baseBest = 0;
        double kl = 0;
        for (int i = 0; i < vocabularySize; i++) {
            double p = base.at(i);
            best = z[from + i] > z[from + best] ? i : best;
            baseBest = p > likeliest ? i : baseBest;
            likeliest = Math.max(p, likeliest);
            kl += p > LEAST ? StrictMath.exp(p) * (p - (z[from + i] - normalizer)) : 0;
        }
        double dp = StrictMath.exp(z[from + token] - normalizer) - StrictMath.exp(base.at(token));
        return new Divergence(-prediction.logProbability(), -base.at(token), kl, dp, best == baseBest ? 1 : 0);
    }

    private static double[] column(List<Divergence> all, ToDoubleFunction<Divergence> figure) {
        return all.stream().mapToDouble(figure).toArray();
    }

    /** In their order, as a stream's own sum would not add them. */
    private static double sum(double[] x) {
        return Arrays.stream(x).reduce(0, Double::sum);
    }

    private static double mean(double[] x) {
        return sum(x) / x.length;
    }

    private static double[] product(double[] x, double[] y) {
        double[] product = new double[x.length];
        Arrays.setAll(product, i -> x[i] * y[i]);
        return product;
    }

    /** Of the two means; 0 for a single number. */
    private static double covariance(double[] x, double[] y) {
        return (mean(product(x, y)) - mean(x) * mean(y)) / Math.max(1, x.length - 1);
    }

    /** One standard deviation of the mean; its square may be rounded to less than 0. */
    private static double error(double[] x) {
        return Math.sqrt(Math.max(0, covariance(x, x)));
    }

    /** Adds the perplexity of tokens, and the statistics beside a base model. */
    static void addTo(SequencedMap<String, Number> figures, List<Divergence> all) {
        double[] nll = column(all, Divergence::nll);
        double perplexity = StrictMath.exp(mean(nll));
        figures.put("nll", sum(nll));
        figures.put("perplexity", perplexity);
        figures.put("error", perplexity * error(nll));
        double[] base = column(all, Divergence::base);
        if (Double.isNaN(base[0])) {
            return;
        }
        double[] ratios = column(all, each -> each.nll - each.base);
        double ratio = mean(ratios);
        double[] dp = column(all, Divergence::dp);
        double rms = Math.sqrt(mean(product(dp, dp)));
        double[] top = column(all, Divergence::top);
        put(figures, "perplexity", perplexity, perplexity * error(nll));
        put(figures, "base_perplexity", StrictMath.exp(mean(base)), StrictMath.exp(mean(base)) * error(base));
        figures.put("correlation", covariance(nll, base) / (error(nll) * error(base)));
        put(figures, "ln_ratio", ratio, error(ratios));
        put(figures, "ratio", StrictMath.exp(ratio), StrictMath.exp(ratio) * error(ratios));
        put(figures, "kl", column(all, Divergence::kl), KL);
        put(figures, "dp", dp, DP);
        put(figures, "dp_rms", rms, error(product(dp, dp)) / (2 * rms));
        put(figures, "same_top", mean(top), error(top));
    }

    private static void put(SequencedMap<String, Number> figures, String name, double value, double error) {
        figures.put(name, value);
        figures.put(name + "_error", error);
    }

    /** @param percentiles names and percents; between two numbers linearly */
    private static void put(SequencedMap<String, Number> figures, String name, double[] x, String percentiles) {
        put(figures, name, mean(x), error(x));
        double[] sorted = x.clone();
        Arrays.sort(sorted);
        for (String each : percentiles.split(" ")) {
            double place = Double.parseDouble(each.replaceFirst(".*:", "")) / 100 * (x.length - 1);
            double above = sorted[(int) Math.ceil(place)];
            double share = place - (int) place;
            figures.put(name + "_" + each.replaceFirst(":.*", ""), (1 - share) * sorted[(int) place] + share * above);
        }
    }
}
