package dev.causal4j.generation;

import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Which logits the rules of a sampler can be applied to in place of all of them: from a threshold on, all must be known.
 * Immutable and thread-safe.
 *
 * <p>It rests on three facts. Context rules that only lower logits leave a bound from above in force. Temperature is
 * monotone, in float as on paper. And the rule that follows it keeps either the k largest (greedy choice, top-k, top-h) or
 * what is near the largest (min-p), whatever else there is; what it keeps is all that later rules and the draw see.
 */
final class Certificate {
    private final int largest;
    private final double distance; // from the largest scaled logit, at most 0; NaN if the rule has none
    private final SamplingRule.@Nullable Temperature temperature;
    private final boolean drawsFromAll;

    private Certificate(
            int largest, double distance, SamplingRule.@Nullable Temperature temperature, boolean drawsFromAll) {
        this.largest = largest;
        this.distance = distance;
        this.temperature = temperature;
        this.drawsFromAll = drawsFromAll;
    }

    /** The certificate for these rules, in their canonical order; empty if they need every logit. */
    static Optional<Certificate> of(boolean greedy, List<ContextRule> context, List<SamplingRule> sampling) {
        if (!context.stream().allMatch(Certificate::onlyLowers)) {
            return Optional.empty();
        }
        if (greedy) {
            return Optional.of(new Certificate(1, Double.NaN, null, false));
        }
        SamplingRule.Temperature temperature =
                !sampling.isEmpty() && sampling.getFirst() instanceof SamplingRule.Temperature first ? first : null;
        int next = temperature == null ? 0 : 1;
        if (next == sampling.size()) {
            return Optional.of(new Certificate(1, Double.NaN, temperature, true));
        }
        return switch (sampling.get(next)) {
            case SamplingRule.TopH _ ->
                Optional.of(new Certificate(SamplingRule.TopH.CONSIDERED, Double.NaN, temperature, false));
            case SamplingRule.TopK rule ->
                Optional.of(
                        new Certificate(Math.max(rule.k(), rule.minTokensToKeep()), Double.NaN, temperature, false));
            case SamplingRule.MinP rule ->
                Optional.of(new Certificate(rule.minTokensToKeep(), rule.distance(), temperature, false));
            // These ask for the normaliser, to which every logit contributes.
            case SamplingRule.TopP _,
                    SamplingRule.TypicalP _,
                    SamplingRule.EpsilonCutoff _,
                    SamplingRule.EtaCutoff _,
                    SamplingRule.Temperature _ -> Optional.empty();
        };
    }

    private static boolean onlyLowers(ContextRule rule) {
        return switch (rule) {
            case ContextRule.LogitBias bias -> bias.biases().values().stream().allMatch(b -> b <= 0);
            case ContextRule.SequenceBias bias -> bias.sequences().stream().allMatch(sequence -> sequence.bias() <= 0);
            case ContextRule.RepetitionPenalty penalty -> penalty.penalty() >= 1;
            case ContextRule.NoRepeatNgram _,
                    ContextRule.BadWords _,
                    ContextRule.MinLength _,
                    ContextRule.MinNewTokens _ -> true;
            case ContextRule.ForcedBos _, ContextRule.ForcedEos _, ContextRule.ReplaceNonFinite _ -> false;
        };
    }

    /** How many of the largest logits must be known before there is a threshold; fewer only if there are none left. */
    int largest() {
        return largest;
    }

    /** Whether the draw is from the whole vocabulary, so that the noise decides which logits it needs. */
    boolean drawsFromAll() {
        return drawsFromAll;
    }

    /** A logit after temperature; monotone. */
    float scaled(float logit, float max) {
        return temperature == null ? logit : temperature.scaled(logit, max);
    }

    /**
     * A value so small that logits below it are not kept; -infinity if the known ones do not tell.
     *
     * @param known not yet scaled
     */
    float threshold(Candidates known) {
        if (known.count < largest) {
            return Float.NEGATIVE_INFINITY;
        }
        float max = known.maxLogit();
        float kth = known.kthLargestLogit(largest);
        float threshold = kth;
        if (!Double.isNaN(distance)) {
            double units = temperature == null ? 1 : temperature.temperature();
            threshold = (float) Math.min(kth, max + units * distance);
        }
        // Logits that differ may be equal once they are scaled, and then are kept together.
        for (double step = Math.ulp(threshold), from = threshold; keeps(threshold, kth, max); step *= 2) {
            threshold = (float) (from - step);
            if (threshold == Float.NEGATIVE_INFINITY) {
                break;
            }
        }
        return threshold;
    }

    private boolean keeps(float logit, float kth, float max) {
        float x = scaled(logit, max);
        return x >= scaled(kth, max) || (double) x - scaled(max, max) >= distance; // false if distance is NaN
    }
}
