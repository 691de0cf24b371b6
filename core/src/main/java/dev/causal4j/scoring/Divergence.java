package dev.causal4j.scoring;

import dev.causal4j.compute.Rows;
import dev.causal4j.head.CausalLMHead;
import dev.causal4j.head.Prediction;
import dev.causal4j.kernel.choice.Kernels;
import java.util.List;
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

    static Divergence none(Prediction token) {
        return new Divergence(-token.logProbability(), Double.NaN, Double.NaN, Double.NaN, Double.NaN);
    }

    /**
     * @param base logarithms of the base model's probabilities
     * @param logits one row, from which the token is predicted
     */
    static Divergence of(Prediction token, double[] base, Rows logits) {
        float[] z = logits.data();
        int from = logits.start(0);
        double normalizer = CausalLMHead.logNormalizer(z, from, base.length);
        int baseBest = 0;
        double kl = 0;
        for (int i = 0; i < base.length; i++) {
            baseBest = base[i] > base[baseBest] ? i : baseBest;
            kl += base[i] > LEAST ? StrictMath.exp(base[i]) * (base[i] - (z[from + i] - normalizer)) : 0;
        }
        double p = base[token.token()];
        double dp = token.probability() - StrictMath.exp(p);
        int best = Kernels.argmax(z, from, base.length);
        return new Divergence(-token.logProbability(), -p, kl, dp, best == baseBest ? 1 : 0);
    }

    /** The perplexity of tokens, and the statistics beside a base model. */
    record Statistics(SequencedMap<String, Number> figures, List<Divergence> all) {
        void add() {
            Mean nll = mean(Divergence::nll);
            figures.put("nll", nll.value * all.size());
            put("perplexity", "error", nll.exp());
            Mean base = mean(Divergence::base);
            if (!Double.isNaN(base.value)) {
                Mean ratio = mean(each -> each.nll - each.base);
                Mean squares = mean(each -> each.dp * each.dp);
                double rms = Math.sqrt(squares.value);
                double errors = nll.error * nll.error + base.error * base.error - ratio.error * ratio.error;
                put("perplexity", "perplexity_error", nll.exp());
                put("base_perplexity", "base_perplexity_error", base.exp());
                figures.put("correlation", errors / (2 * nll.error * base.error));
                put("ln_ratio", "ln_ratio_error", ratio);
                put("ratio", "ratio_error", ratio.exp());
                put("kl", Divergence::kl, 100, 99.9, 99, 95, 90, 50, 10, 5, 1, 0.1, 0);
                put("dp", Divergence::dp, 100, 50, 0);
                put("dp_rms", "dp_rms_error", new Mean(rms, squares.error / (2 * rms)));
                put("same_top", "same_top_error", mean(Divergence::top));
            }
        }

        private void put(String name, String nameOfError, Mean mean) {
            figures.put(name, mean.value);
            figures.put(nameOfError, mean.error);
        }

        /** @param percents of percentiles; between two numbers linearly */
        private void put(String name, ToDoubleFunction<Divergence> figure, double... percents) {
            put(name, name + "_error", mean(figure));
            double[] sorted = all.stream().mapToDouble(figure).sorted().toArray();
            for (double percent : percents) {
                double place = percent / 100 * (sorted.length - 1);
                double share = place - (int) place;
                double value = (1 - share) * sorted[(int) place] + share * sorted[(int) Math.ceil(place)];
                figures.put(name + "_" + name(percent), value);
            }
        }

        private static String name(double percent) {
            if (percent % 50 == 0) {
                return percent == 0 ? "min" : percent == 50 ? "median" : "max";
            }
            return percent % 1 == 0 ? String.valueOf((int) percent) : String.valueOf(percent);
        }

        private Mean mean(ToDoubleFunction<Divergence> figure) {
            double sum = 0;
            double squares = 0;
            for (Divergence each : all) {
                double x = figure.applyAsDouble(each);
                sum += x;
                squares += x * x;
            }
            double mean = sum / all.size();
            double variance = Math.max(0, squares / all.size() - mean * mean); // rounding may make it negative
            return new Mean(mean, Math.sqrt(variance / Math.max(1, all.size() - 1)));
        }
    }

    /** A mean, with one standard deviation. */
    private record Mean(double value, double error) {
        private Mean exp() {
            return new Mean(StrictMath.exp(value), StrictMath.exp(value) * error);
        }
    }
}
