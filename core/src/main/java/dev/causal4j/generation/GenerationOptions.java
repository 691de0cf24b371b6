package dev.causal4j.generation;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;

/**
 * What to generate and when to stop. Immutable; made by {@link #builder()}, whose defaults sample from the model's own
 * distribution. Settings out of their range are an IllegalArgumentException of one line.
 *
 * @param maxNewTokens how many tokens at most, not counting the prompt
 * @param minNewTokens how many tokens before the end-of-sequence tokens are allowed; stop strings ignore it
 * @param temperature 0 chooses the most likely token (greedy) and passes over all sampling rules
 * @param topK 0 is off; see {@link SamplingRule.TopK}
 * @param topP 1 is off; see {@link SamplingRule.TopP}
 * @param minP 0 is off; see {@link SamplingRule.MinP}
 * @param typicalP 1 is off; see {@link SamplingRule.TypicalP}
 * @param repetitionPenalty 1 is off; see {@link ContextRule.RepetitionPenalty}
 * @param noRepeatNgramSize 0 is off; see {@link ContextRule.NoRepeatNgram}
 * @param logitBias by token id, -infinity bans; see {@link ContextRule.LogitBias}
 * @param stop strings that end the text, which keeps what comes before them
 * @param eos token ids that end the sequence; empty optional: the model's own; empty set: none
 * @param seed the same seed gives the same tokens, on every machine and in every batch
 * @param logProbabilities empty: off. Otherwise each token comes with a {@link Prediction} that has so many
 *     alternatives, which costs the head's product once more
 * @param rules further rules, at most one of each kind, those made from the settings above included
 */
public record GenerationOptions(
        int maxNewTokens,
        int minNewTokens,
        double temperature,
        int topK,
        double topP,
        double minP,
        double typicalP,
        double repetitionPenalty,
        int noRepeatNgramSize,
        Map<Integer, Double> logitBias,
        List<String> stop,
        Optional<Set<Integer>> eos,
        long seed,
        OptionalInt logProbabilities,
        List<LogitRule> rules) {

    public GenerationOptions {
        Expectation.atLeast(0, "max-new-tokens", maxNewTokens);
        Expectation.atLeast(0, "min-new-tokens", minNewTokens);
        if (minNewTokens > maxNewTokens) {
            throw Expectation.failed("min-new-tokens", "at most max-new-tokens (" + maxNewTokens + ")", minNewTokens);
        }
        if (!(temperature >= 0 && temperature < Double.POSITIVE_INFINITY)) {
            throw Expectation.failed("temperature", "a finite number >= 0", temperature);
        }
        Expectation.atLeast(0, "top-k", topK);
        Expectation.atLeast(0, "no-repeat-ngram-size", noRepeatNgramSize);
        logitBias = Map.copyOf(logitBias);
        stop = List.copyOf(stop);
        new StopStrings(stop);
        eos = eos.map(Set::copyOf);
        eos.ifPresent(ids -> Expectation.tokens("eos", ids));
        logProbabilities.ifPresent(alternatives -> Expectation.atLeast(0, "logprobs", alternatives));
        rules = List.copyOf(rules);
        // These know their ranges themselves.
        new SamplingRule.TopP(topP);
        new SamplingRule.MinP(minP);
        new SamplingRule.TypicalP(typicalP);
        new ContextRule.RepetitionPenalty(repetitionPenalty);
        new ContextRule.LogitBias(logitBias);
    }

    public static Builder builder() {
        return new Builder();
    }

    /** A builder that starts from these options. */
    public Builder toBuilder() {
        Builder builder = new Builder();
        builder.maxNewTokens = maxNewTokens;
        builder.minNewTokens = minNewTokens;
        builder.temperature = temperature;
        builder.topK = topK;
        builder.topP = topP;
        builder.minP = minP;
        builder.typicalP = typicalP;
        builder.repetitionPenalty = repetitionPenalty;
        builder.noRepeatNgramSize = noRepeatNgramSize;
        builder.logitBias = logitBias;
        builder.stop = stop;
        builder.eos = eos;
        builder.seed = seed;
        builder.logProbabilities = logProbabilities;
        builder.rules = rules;
        return builder;
    }

    /** The end-of-sequence ids in force for a model whose own are {@code modelEos}. */
    public Set<Integer> eosOr(Set<Integer> modelEos) {
        return eos.orElse(modelEos);
    }

    /** When tokens of a model whose own end-of-sequence ids are {@code modelEos} end a sequence. */
    public StopRule stopRule(Set<Integer> modelEos) {
        return new StopRule(eosOr(modelEos), maxNewTokens);
    }

    /** All rules in force, in their canonical order. */
    List<LogitRule> logitRules() {
        List<LogitRule> all = new ArrayList<>();
        if (!logitBias.isEmpty()) {
            all.add(new ContextRule.LogitBias(logitBias));
        }
        if (repetitionPenalty != 1) {
            all.add(new ContextRule.RepetitionPenalty(repetitionPenalty));
        }
        if (noRepeatNgramSize > 0) {
            all.add(new ContextRule.NoRepeatNgram(noRepeatNgramSize));
        }
        if (minNewTokens > 0) {
            all.add(new ContextRule.MinNewTokens(minNewTokens));
        }
        if (temperature != 0 && temperature != 1) {
            all.add(new SamplingRule.Temperature(temperature));
        }
        if (topK > 0) {
            all.add(new SamplingRule.TopK(topK));
        }
        if (topP < 1) {
            all.add(new SamplingRule.TopP(topP));
        }
        if (minP > 0) {
            all.add(new SamplingRule.MinP(minP));
        }
        if (typicalP < 1) {
            all.add(new SamplingRule.TypicalP(typicalP));
        }
        all.addAll(rules);
        Set<String> subjects = new HashSet<>();
        for (LogitRule rule : all) {
            if (!subjects.add(rule.subject())) {
                throw Expectation.failed("rules", "at most one of each kind", "a second " + rule.subject());
            }
        }
        all.sort(Comparator.comparingInt(LogitRule::position));
        return List.copyOf(all);
    }

    /** Collects the settings of a {@link GenerationOptions}; not thread-safe. Each setter replaces the earlier value. */
    public static final class Builder {
        private int maxNewTokens = 128;
        private int minNewTokens = 0;
        private double temperature = 1;
        private int topK = 0;
        private double topP = 1;
        private double minP = 0;
        private double typicalP = 1;
        private double repetitionPenalty = 1;
        private int noRepeatNgramSize = 0;
        private Map<Integer, Double> logitBias = Map.of();
        private List<String> stop = List.of();
        private Optional<Set<Integer>> eos = Optional.empty();
        private long seed = 0;
        private OptionalInt logProbabilities = OptionalInt.empty();
        private List<LogitRule> rules = List.of();

        private Builder() {}

        public Builder maxNewTokens(int maxNewTokens) {
            this.maxNewTokens = maxNewTokens;
            return this;
        }

        public Builder minNewTokens(int minNewTokens) {
            this.minNewTokens = minNewTokens;
            return this;
        }

        public Builder temperature(double temperature) {
            this.temperature = temperature;
            return this;
        }

        public Builder topK(int topK) {
            this.topK = topK;
            return this;
        }

        public Builder topP(double topP) {
            this.topP = topP;
            return this;
        }

        public Builder minP(double minP) {
            this.minP = minP;
            return this;
        }

        public Builder typicalP(double typicalP) {
            this.typicalP = typicalP;
            return this;
        }

        public Builder repetitionPenalty(double repetitionPenalty) {
            this.repetitionPenalty = repetitionPenalty;
            return this;
        }

        public Builder noRepeatNgramSize(int noRepeatNgramSize) {
            this.noRepeatNgramSize = noRepeatNgramSize;
            return this;
        }

        public Builder logitBias(Map<Integer, Double> logitBias) {
            this.logitBias = logitBias;
            return this;
        }

        public Builder stop(List<String> stop) {
            this.stop = stop;
            return this;
        }

        public Builder eos(Set<Integer> eos) {
            this.eos = Optional.of(eos);
            return this;
        }

        public Builder seed(long seed) {
            this.seed = seed;
            return this;
        }

        public Builder logProbabilities(int alternatives) {
            this.logProbabilities = OptionalInt.of(alternatives);
            return this;
        }

        public Builder rules(LogitRule... rules) {
            this.rules = List.of(rules);
            return this;
        }

        /**
         * Checks and returns the options.
         *
         * @throws IllegalArgumentException if a setting is out of its range or two rules are of one kind
         */
        public GenerationOptions build() {
            GenerationOptions options = new GenerationOptions(
                    maxNewTokens,
                    minNewTokens,
                    temperature,
                    topK,
                    topP,
                    minP,
                    typicalP,
                    repetitionPenalty,
                    noRepeatNgramSize,
                    logitBias,
                    stop,
                    eos,
                    seed,
                    logProbabilities,
                    rules);
            options.logitRules();
            return options;
        }
    }
}
