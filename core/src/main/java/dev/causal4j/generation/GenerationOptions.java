package dev.causal4j.generation;

import dev.causal4j.constraint.Constraint;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.GenerationDefaults;
import dev.causal4j.tokenizer.SpecialTokens;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Options of generating. Immutable; made by {@link #builder()}, whose defaults sample from the model's own
 * distribution.
 */
public final class GenerationOptions {
    /** The defaults. */
    public static final GenerationOptions DEFAULT = builder().build();

    final Builder settings; // never modified

    private GenerationOptions(Builder settings) {
        this.settings = settings;
    }

    /** A builder with the defaults. */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * A builder with a model's own defaults, those of its {@code generation_config.json}; without one the same as {@link
     * #builder()}. Setters replace them: after {@code temperature(1)} a model samples whose file asks for the likeliest
     * token.
     */
    public static Builder builder(CausalLM model) {
        GenerationDefaults defaults = model.generationDefaults();
        return builder()
                .temperature(defaults.temperature())
                .topK(defaults.topK())
                .topP(defaults.topP())
                .minP(defaults.minP())
                .typicalP(defaults.typicalP())
                .repetitionPenalty(defaults.repetitionPenalty())
                .noRepeatNgramSize(defaults.noRepeatNgramSize());
    }

    /** A builder that starts from these options. */
    public Builder toBuilder() {
        return settings.copy();
    }

    /** All settings but the salt, which is a secret. */
    @Override
    public String toString() {
        Builder s = settings;
        return "GenerationOptions[maxNewTokens=" + s.maxNewTokens + ", minNewTokens=" + s.minNewTokens
                + ", temperature=" + s.temperature + ", topK=" + s.topK + ", topP=" + s.topP + ", minP=" + s.minP
                + ", typicalP=" + s.typicalP + ", repetitionPenalty=" + s.repetitionPenalty + ", noRepeatNgramSize="
                + s.noRepeatNgramSize + ", frequencyPenalty=" + s.frequencyPenalty + ", presencePenalty="
                + s.presencePenalty + ", logitBias=" + s.logitBias + ", rules="
                + s.rules.stream().map(LogitRule::name).toList() + ", constraint="
                + s.constraint.map(Object::toString).orElse("none") + ", stop=" + s.stop + ", eos="
                + s.eos.map(Object::toString).orElse("the model's") + ", seed=" + s.seed + ", logProbabilities="
                + s.logProbabilities.map(Object::toString).orElse("none") + ", truncatePrompt=" + s.truncatePrompt
                + ", specialTokens=" + s.specialTokens + "]";
    }

    /**
     * Collects the settings of a {@link GenerationOptions}; not thread-safe. Each setter replaces the earlier value.
     */
    public static final class Builder implements Cloneable {
        int maxNewTokens = 128;
        int minNewTokens = 0;
        double temperature = 1;
        int topK = 0;
        double topP = 1;
        double minP = 0;
        double typicalP = 1;
        double repetitionPenalty = 1;
        int noRepeatNgramSize = 0;
        double frequencyPenalty = 0;
        double presencePenalty = 0;
        Map<Integer, Double> logitBias = Map.of();
        List<LogitRule> rules = List.of();
        Optional<Constraint> constraint = Optional.empty();
        List<String> stop = List.of();
        Optional<Set<Integer>> eos = Optional.empty();
        long seed = 0;
        Optional<Integer> logProbabilities = Optional.empty();
        boolean truncatePrompt;
        Optional<String> cacheSalt = Optional.of("");
        SpecialTokens specialTokens = SpecialTokens.AS_TEXT;

        private Builder() {}

        /** Most new tokens. */
        public Builder maxNewTokens(int count) {
            maxNewTokens = count;
            return this;
        }

        /** Fewest new tokens before an end-of-sequence token; stop strings ignore it. */
        public Builder minNewTokens(int count) {
            minNewTokens = count;
            return this;
        }

        /**
         * Divides the logits. 0 chooses the most likely token (greedy) and ignores top-k, top-p, min-p and typical-p.
         */
        public Builder temperature(double value) {
            temperature = value;
            return this;
        }

        /** Keeps the k largest logits and all that equal the k-th (Fan et al. 2018); 0 is off. */
        public Builder topK(int k) {
            topK = k;
            return this;
        }

        /** Keeps the fewest most likely tokens with this probability together (Holtzman et al. 2019); 1 is off. */
        public Builder topP(double mass) {
            topP = mass;
            return this;
        }

        /** Keeps tokens at least this share as likely as the likeliest (Nguyen et al. 2024); 0 is off. */
        public Builder minP(double share) {
            minP = share;
            return this;
        }

        /** Keeps the most typical tokens with this probability together (Meister et al. 2022); 1 is off. */
        public Builder typicalP(double mass) {
            typicalP = mass;
            return this;
        }

        /** Above 1, tokens that occurred, also in the prompt, become less likely (Keskar et al. 2019); 1 is off. */
        public Builder repetitionPenalty(double penalty) {
            repetitionPenalty = penalty;
            return this;
        }

        /** No run of n tokens occurs twice (Paulus et al. 2017); 0 is off. */
        public Builder noRepeatNgramSize(int n) {
            noRepeatNgramSize = n;
            return this;
        }

        /** Taken from a token's logit for each time that it was generated; the prompt does not count. 0 is off. */
        public Builder frequencyPenalty(double penalty) {
            frequencyPenalty = penalty;
            return this;
        }

        /** Taken from a token's logit once it was generated; the prompt does not count. 0 is off. */
        public Builder presencePenalty(double penalty) {
            presencePenalty = penalty;
            return this;
        }

        /** Added to the logits, by token id; -infinity bans a token. */
        public Builder logitBias(Map<Integer, Double> biases) {
            logitBias = Map.copyOf(biases);
            return this;
        }

        /** Adds a rule of your own. */
        public Builder rule(LogitRule rule) {
            List<LogitRule> all = new ArrayList<>(rules);
            all.add(rule);
            rules = List.copyOf(all);
            return this;
        }

        /**
         * Allows only tokens that a constraint does, which needs a tokenizer, and an end of the sequence only where it is
         * met. The sequence also ends where nothing else can follow.
         */
        public Builder constraint(Constraint wanted) {
            constraint = Optional.of(wanted);
            return this;
        }

        /** Strings that end the text, which keeps what comes before them. */
        public Builder stop(List<String> strings) {
            stop = List.copyOf(strings);
            return this;
        }

        /** Token ids that end the sequence, instead of the model's own; may be empty. */
        public Builder eos(Set<Integer> ids) {
            eos = Optional.of(Set.copyOf(ids));
            return this;
        }

        /** The same seed gives the same tokens, on every machine and in every batch. */
        public Builder seed(long value) {
            seed = value;
            return this;
        }

        /** Requests a {@link dev.causal4j.head.Prediction} for each token, with this many alternatives. */
        public Builder logProbabilities(int alternatives) {
            logProbabilities = Optional.of(alternatives);
            return this;
        }

        /**
         * Whether a prompt longer than the context is cut from its left instead of refused. The rest leaves room for
         * the new tokens, but is at least half the context.
         */
        public Builder truncatePrompt(boolean yes) {
            truncatePrompt = yes;
            return this;
        }

        /** Only sequences of one salt share keys and values of equal beginnings, and can tell by time that they do. */
        public Builder cacheSalt(String salt) {
            cacheSalt = Optional.of(salt);
            return this;
        }

        /** Neither uses keys and values of others, nor keeps its own for them. */
        public Builder uncached() {
            cacheSalt = Optional.empty();
            return this;
        }

        /** How special tokens in a prompt are treated; {@link SpecialTokens#AS_TEXT} by default. */
        public Builder specialTokens(SpecialTokens how) {
            specialTokens = how;
            return this;
        }

        /**
         * Checks and returns the options.
         *
         * @throws IllegalArgumentException if a setting is out of its range, naming it
         */
        public GenerationOptions build() {
            notNegative("max-new-tokens", maxNewTokens);
            notNegative("min-new-tokens", minNewTokens);
            String most = "at most max-new-tokens (" + maxNewTokens + ")";
            require(minNewTokens <= maxNewTokens, "min-new-tokens", most, minNewTokens);
            finite("temperature", temperature, temperature >= 0, ">= 0");
            notNegative("top-k", topK);
            require(topP > 0 && topP <= 1, "top-p", "a number in (0, 1]", topP);
            require(minP >= 0 && minP <= 1, "min-p", "a number in [0, 1]", minP);
            require(typicalP > 0 && typicalP <= 1, "typical-p", "a number in (0, 1]", typicalP);
            finite("repetition-penalty", repetitionPenalty, repetitionPenalty > 0, "> 0");
            notNegative("no-repeat-ngram-size", noRepeatNgramSize);
            boolean canRepeat = constraint.isEmpty() || noRepeatNgramSize == 0;
            require(canRepeat, "no-repeat-ngram-size", "0 beside a constraint", noRepeatNgramSize);
            finite("frequency-penalty", frequencyPenalty, true, "");
            finite("presence-penalty", presencePenalty, true, "");
            logitBias.forEach((token, bias) -> {
                require(token >= 0, "logit-bias", "token ids >= 0", token);
                require(bias < Double.POSITIVE_INFINITY, "logit-bias", "finite numbers, or -Infinity to ban", bias);
            });
            stop.forEach(each -> require(!each.isEmpty(), "stop", "a non-empty string", "\"\""));
            logProbabilities.ifPresent(alternatives -> notNegative("logprobs", alternatives));
            eos.ifPresent(ids -> ids.forEach(id -> require(id >= 0, "eos", "token ids >= 0", id)));
            return new GenerationOptions(copy());
        }

        /** Checks the ids of tokens for a model, whose vocabulary the options do not know. */
        void requireIdsBelow(int vocabularySize) {
            String below = "token ids below the vocabulary size (" + vocabularySize + ")";
            eos.ifPresent(ids -> ids.forEach(id -> require(id < vocabularySize, "eos", below, id)));
            logitBias.keySet().forEach(id -> require(id < vocabularySize, "logit-bias", below, id));
        }

        private static void finite(String subject, double got, boolean holds, String range) {
            require(holds && Double.isFinite(got), subject, ("a finite number " + range).strip(), got);
        }

        private static void notNegative(String subject, int got) {
            require(got >= 0, subject, "a whole number >= 0", got);
        }

        private static void require(boolean holds, String subject, String expected, Object got) {
            if (!holds) {
                throw new IllegalArgumentException(subject + ": expected " + expected + ", got " + got);
            }
        }

        private Builder copy() {
            try {
                return (Builder) clone(); // all its collections are immutable
            } catch (CloneNotSupportedException e) {
                throw new AssertionError(e);
            }
        }
    }
}
