package dev.causal4j.generation;

/**
 * A rule that reshapes the distribution which is sampled from; greedy choice never sees one. Each works on the tokens
 * that the rules before it left, with p their softmax, and always leaves at least one.
 *
 * <p>{@code minTokensToKeep} says how many of the most likely tokens a rule must leave at least; 1 unless given.
 * Probabilities are floats, so where a formula compares a sum with a bound, a sum within 2^-20 of the bound (relative)
 * counts as equal to it: what is equal on paper then is equal here.
 */
public sealed interface SamplingRule extends LogitRule {
    /** Changes {@code candidates} in place. Only a {@link Sampler} calls it. */
    void apply(Candidates candidates);

    /**
     * x = (x - max x) / temperature. Subtracting the maximum changes no probability and keeps every temperature, however
     * small, from overflowing.
     *
     * @param temperature finite and above 0
     */
    record Temperature(double temperature) implements SamplingRule {
        public Temperature {
            if (!(temperature > 0 && temperature < Double.POSITIVE_INFINITY)) {
                throw Expectation.failed("temperature", "a finite number > 0", temperature);
            }
        }

        @Override
        public void apply(Candidates candidates) {
            float[] x = candidates.logits;
            double max = candidates.maxLogit();
            for (int i = 0; i < candidates.count; i++) {
                x[i] = scaled(x[i], max);
            }
        }

        /** Monotone in x, since each of its operations is. */
        float scaled(float x, double max) {
            return (float) Math.max((x - max) / temperature, -Float.MAX_VALUE);
        }
    }

    /**
     * Leaves the most likely tokens whose entropy terms -p ln p add up to at most budget * H, where p and the entropy H
     * are those of the 100 most likely tokens alone; always the first of them (Potraghloo et al. 2025, "Top-H decoding").
     *
     * @param budget in (0, 1]
     */
    record TopH(double budget) implements SamplingRule {
        static final int CONSIDERED = 100;

        public TopH {
            Expectation.share("top-h", budget);
        }

        @Override
        public void apply(Candidates candidates) {
            candidates.keepLargest(CONSIDERED);
            float[] p = candidates.softmax();
            double limit = candidates.entropy() * budget * (1 + Candidates.SLACK);
            double entropy = 0;
            for (int rank = 0; rank < candidates.count; rank++) {
                int i = candidates.largestUnmarked();
                entropy -= p[i] * candidates.logProbability(i);
                if (rank > 0 && entropy > limit) {
                    break;
                }
                candidates.mark(i);
            }
            candidates.keepMarked();
        }
    }

    /**
     * Leaves the k largest logits and all that equal the k-th (Fan et al. 2018).
     *
     * @param k at least 1
     */
    record TopK(int k, int minTokensToKeep) implements SamplingRule {
        public TopK {
            Expectation.atLeast(1, "top-k", k);
            requireMinTokensToKeep("top-k", minTokensToKeep);
        }

        public TopK(int k) {
            this(k, 1);
        }

        @Override
        public void apply(Candidates candidates) {
            float kth = candidates.kthLargestLogit(Math.max(k, minTokensToKeep));
            for (int i = 0; i < candidates.count; i++) {
                if (candidates.logits[i] >= kth) {
                    candidates.mark(i);
                }
            }
            candidates.keepMarked();
        }
    }

    /**
     * Removes tokens, the least likely first, while all removed together have at most 1 - mass (Holtzman et al. 2019,
     * "nucleus sampling"): what is left is the fewest most likely tokens that have at least {@code mass}. Of equally
     * likely tokens the lowest ids stay.
     *
     * @param mass p, in (0, 1]
     */
    record TopP(double mass, int minTokensToKeep) implements SamplingRule {
        public TopP {
            Expectation.share("top-p", mass);
            requireMinTokensToKeep("top-p", minTokensToKeep);
        }

        public TopP(double mass) {
            this(mass, 1);
        }

        @Override
        public void apply(Candidates candidates) {
            candidates.softmax();
            double total = candidates.totalProbability();
            candidates.keepLargestUntil(total - total * (1 - mass) * (1 + Candidates.SLACK), minTokensToKeep);
        }
    }

    /**
     * Leaves p >= share * max p (Nguyen et al. 2024, "min-p"), as {@code x >= max x + ln share}: the same tokens without a
     * normaliser, so that no token's logit decides about another.
     *
     * @param share in [0, 1]
     */
    record MinP(double share, int minTokensToKeep) implements SamplingRule {
        public MinP {
            if (!(share >= 0 && share <= 1)) {
                throw Expectation.failed("min-p", "a number in [0, 1]", share);
            }
            requireMinTokensToKeep("min-p", minTokensToKeep);
        }

        public MinP(double share) {
            this(share, 1);
        }

        @Override
        public void apply(Candidates candidates) {
            candidates.keepNearLargest(distance(), minTokensToKeep);
        }

        /** How far a logit may be from the largest, as a number of 0 or less; -infinity for a share of 0. */
        double distance() {
            return StrictMath.log(share) - Candidates.SLACK;
        }
    }

    /**
     * Leaves the tokens whose surprise is nearest to the expected one: sorted by |-ln p - H|, the fewest that have at
     * least {@code mass}, and all that equal the last of them (Meister et al. 2022, "locally typical sampling"). The
     * most likely token may go.
     *
     * @param mass in (0, 1]
     */
    record TypicalP(double mass, int minTokensToKeep) implements SamplingRule {
        public TypicalP {
            Expectation.share("typical-p", mass);
            requireMinTokensToKeep("typical-p", minTokensToKeep);
        }

        public TypicalP(double mass) {
            this(mass, 1);
        }

        @Override
        public void apply(Candidates candidates) {
            candidates.softmax();
            double wanted = candidates.totalProbability() * mass * (1 - Candidates.SLACK);
            candidates.keepNearest(candidates.entropy(), wanted, minTokensToKeep);
        }
    }

    /**
     * Leaves p >= cutoff (Hewitt et al. 2022, "epsilon sampling").
     *
     * @param cutoff in (0, 1)
     */
    record EpsilonCutoff(double cutoff, int minTokensToKeep) implements SamplingRule {
        public EpsilonCutoff {
            requireCutoff("epsilon-cutoff", cutoff);
            requireMinTokensToKeep("epsilon-cutoff", minTokensToKeep);
        }

        public EpsilonCutoff(double cutoff) {
            this(cutoff, 1);
        }

        @Override
        public void apply(Candidates candidates) {
            candidates.softmax();
            candidates.keepProbable(cutoff, minTokensToKeep);
        }
    }

    /**
     * Leaves p >= min(cutoff, sqrt(cutoff) e^-H), with H the entropy of p (Hewitt et al. 2022, "eta sampling").
     *
     * @param cutoff in (0, 1)
     */
    record EtaCutoff(double cutoff, int minTokensToKeep) implements SamplingRule {
        public EtaCutoff {
            requireCutoff("eta-cutoff", cutoff);
            requireMinTokensToKeep("eta-cutoff", minTokensToKeep);
        }

        public EtaCutoff(double cutoff) {
            this(cutoff, 1);
        }

        @Override
        public void apply(Candidates candidates) {
            candidates.softmax();
            double eta = Math.min(cutoff, Math.sqrt(cutoff) * StrictMath.exp(-candidates.entropy()));
            candidates.keepProbable(eta, minTokensToKeep);
        }
    }

    private static void requireMinTokensToKeep(String subject, int got) {
        Expectation.atLeast(1, subject + " min-tokens-to-keep", got);
    }

    private static void requireCutoff(String subject, double got) {
        if (!(got > 0 && got < 1)) {
            throw Expectation.failed(subject, "a number in (0, 1)", got);
        }
    }
}
