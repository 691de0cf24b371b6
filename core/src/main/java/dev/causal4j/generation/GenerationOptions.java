package dev.causal4j.generation;

import dev.causal4j.constraint.Constraint;
import dev.causal4j.model.CausalLM;
import dev.causal4j.tokenizer.SpecialTokens;
import java.time.Duration;
import java.util.Collections;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.Consumer;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Options of generation. Immutable. They begin with {@link #DEFAULT}, a model's plain distribution, or with {@link
 * #of(CausalLM)}, the values that the model's authors recommend. Each {@code with} method returns a copy with another
 * value, or throws an {@link IllegalArgumentException} that names a value out of its range.
 *
 * <p>Equal options have equal settings. Rules and marks are compared as objects, so two lambdas differ.
 *
 * @param numbers the settings that are numbers, each with its value
 * @param logitBias added to the logits, by token id
 * @param rules rules of the user, in the order in which they run
 * @param constraint the tokens that are allowed; empty for all
 * @param stop strings that end the text
 * @param eos token ids that end the sequence; empty for the model's own
 * @param logProbabilities alternatives of each token's prediction; empty for no predictions
 * @param truncatePrompt whether a long prompt is cut from its left
 * @param cacheSalt the name that sequences with shared keys and values have in common; empty to share none
 * @param specialTokens how special tokens in a prompt are treated
 * @param deadline the time after submission at which a sequence ends; empty for none
 * @param draft where guesses of the next tokens come from; empty for the engine's
 * @param mark the mark that the text gets; empty for none
 */
public record GenerationOptions(
        Map<Setting, Number> numbers,
        Map<Integer, Double> logitBias,
        List<LogitRule> rules,
        Optional<Constraint> constraint,
        List<String> stop,
        Optional<Set<Integer>> eos,
        Optional<Integer> logProbabilities,
        boolean truncatePrompt,
        Optional<String> cacheSalt,
        SpecialTokens specialTokens,
        Optional<Duration> deadline,
        Optional<Draft> draft,
        Optional<Mark> mark) {
    /** The defaults: 128 new tokens at most, drawn from the model's plain distribution with seed 0. */
    public static final GenerationOptions DEFAULT = new Fields().options();

    /**
     * The settings that are numbers: one table of names, types, ranges and defaults, which these options, the command
     * line, the server and Spark read.
     */
    @SuppressWarnings("ImmutableEnumChecker") // boxes are immutable
    public enum Setting {
        MAX_NEW_TOKENS(128, Range.COUNT),
        MIN_NEW_TOKENS(0, Range.COUNT),
        TEMPERATURE(1.0, Range.NOT_NEGATIVE),
        TOP_K(0, Range.COUNT),
        TOP_P(1.0, Range.PART),
        MIN_P(0.0, Range.SHARE),
        TYPICAL_P(1.0, Range.PART),
        REPETITION_PENALTY(1.0, Range.POSITIVE),
        NO_REPEAT_NGRAM_SIZE(0, Range.COUNT),
        FREQUENCY_PENALTY(0.0, Range.FINITE),
        PRESENCE_PENALTY(0.0, Range.FINITE),
        SEED(0L, Range.WHOLE);

        private static final Pattern LATER_WORD = Pattern.compile("_(.)");

        private final Number standard;
        private final Range range;

        Setting(Number standard, Range range) {
            this.standard = standard;
            this.range = range;
        }

        /** The default, of the setting's type: an Integer, a Long or a Double. */
        public Number standard() {
            return standard;
        }

        /** Whether it removes tokens before one is drawn. */
        public boolean isFilter() {
            return switch (this) {
                case TOP_K, TOP_P, MIN_P, TYPICAL_P -> true;
                case MAX_NEW_TOKENS, MIN_NEW_TOKENS, TEMPERATURE, SEED -> false;
                case REPETITION_PENALTY, NO_REPEAT_NGRAM_SIZE, FREQUENCY_PENALTY, PRESENCE_PENALTY -> false;
            };
        }

        /** The name as in {@code top_k}. */
        public String snake() {
            return name().toLowerCase(Locale.ROOT);
        }

        /** The name as in {@code top-k}. */
        public String kebab() {
            return snake().replace('_', '-');
        }

        /** The name as in {@code topK}. */
        public String camel() {
            return LATER_WORD
                    .matcher(snake())
                    .replaceAll(found -> found.group(1).toUpperCase(Locale.ROOT));
        }

        /**
         * A value from text. Its range is checked when the options are built.
         *
         * @throws NumberFormatException if the text is not a number of the setting's type
         */
        public Number parse(String text) {
            return switch (standard) {
                case Integer _ -> Integer.valueOf(text);
                case Long _ -> Long.valueOf(text);
                default -> Double.valueOf(text);
            };
        }

        /** Returns a value of the setting's type, or throws if it is out of its range. */
        private Number checked(Number value) {
            Number typed = switch (standard) {
                case Integer _ -> value.intValue();
                case Long _ -> value.longValue();
                default -> value.doubleValue();
            };
            double x = typed.doubleValue();
            boolean holds = x == value.doubleValue() && x >= range.least && x <= range.most;
            require(holds, kebab(), range.expected, value);
            return typed;
        }
    }

    /** Numbers that a setting may have. */
    private record Range(String expected, double least, double most) {
        static final Range COUNT = new Range("a whole number >= 0", 0, Double.MAX_VALUE);
        static final Range WHOLE = new Range("a whole number", -Double.MAX_VALUE, Double.MAX_VALUE);
        static final Range FINITE = new Range("a finite number", -Double.MAX_VALUE, Double.MAX_VALUE);
        static final Range NOT_NEGATIVE = new Range("a finite number >= 0", 0, Double.MAX_VALUE);
        static final Range POSITIVE = new Range("a finite number > 0", Double.MIN_VALUE, Double.MAX_VALUE);
        static final Range PART = new Range("a number in (0, 1]", Double.MIN_VALUE, 1);
        static final Range SHARE = new Range("a number in [0, 1]", 0, 1);
    }

    /**
     * Checks the settings. Missing numbers get their defaults.
     *
     * @throws IllegalArgumentException if a setting is out of its range, naming it
     */
    public GenerationOptions {
        Map<Setting, Number> all = new EnumMap<>(Setting.class);
        for (Setting each : Setting.values()) {
            all.put(each, each.checked(numbers.getOrDefault(each, each.standard)));
        }
        numbers = Collections.unmodifiableMap(all);
        int most = Objects.requireNonNull(all.get(Setting.MAX_NEW_TOKENS)).intValue();
        int least = Objects.requireNonNull(all.get(Setting.MIN_NEW_TOKENS)).intValue();
        require(least <= most, "min-new-tokens", "at most max-new-tokens (" + most + ")", least);
        int ngram =
                Objects.requireNonNull(all.get(Setting.NO_REPEAT_NGRAM_SIZE)).intValue();
        require(constraint.isEmpty() || ngram == 0, "no-repeat-ngram-size", "0 beside a constraint", ngram);
        logitBias = Map.copyOf(logitBias);
        logitBias.forEach((token, bias) -> {
            require(token >= 0, "logit-bias", "token ids >= 0", token);
            require(bias < Double.POSITIVE_INFINITY, "logit-bias", "finite numbers, or -Infinity to ban", bias);
        });
        rules = List.copyOf(rules);
        stop = List.copyOf(stop);
        stop.forEach(each -> require(!each.isEmpty(), "stop", "a non-empty string", "\"\""));
        logProbabilities.ifPresent(count -> require(count >= 0, "logprobs", "a whole number >= 0", count));
        eos = eos.map(Set::copyOf);
        eos.ifPresent(ids -> ids.forEach(id -> require(id >= 0, "eos", "token ids >= 0", id)));
        deadline.ifPresent(after -> require(!after.isNegative(), "deadline", "a time after the submission", after));
    }

    /**
     * A model's own defaults from its {@code generation_config.json}: temperature, filters and penalties that its
     * authors recommend. Without the file they equal {@link #DEFAULT}. Other values replace them: after {@code
     * withTemperature(1)} also a model whose file asks for the likeliest token samples.
     */
    public static GenerationOptions of(CausalLM model) {
        Map<String, Number> defaults = model.generationDefaults().numbers();
        return DEFAULT.with(Stream.of(Setting.values())
                .filter(each -> defaults.containsKey(each.snake()))
                .collect(Collectors.toMap(each -> each, each -> defaults.get(each.snake()))));
    }

    /** A random seed for a text. The {@link Generation} has it, so that the text can be generated again. */
    public static long randomSeed() {
        return ThreadLocalRandom.current().nextInt(Integer.MAX_VALUE); // SecureRandom would delay a start
    }

    /** The value of a setting. */
    public Number number(Setting setting) {
        return numbers.getOrDefault(setting, setting.standard);
    }

    /** Most new tokens. */
    public int maxNewTokens() {
        return number(Setting.MAX_NEW_TOKENS).intValue();
    }

    /** Fewest new tokens before an end-of-sequence token. */
    public int minNewTokens() {
        return number(Setting.MIN_NEW_TOKENS).intValue();
    }

    /** Divides the logits; 0 for greedy choice. */
    public double temperature() {
        return number(Setting.TEMPERATURE).doubleValue();
    }

    /** Seed of the draws. */
    public long seed() {
        return number(Setting.SEED).longValue();
    }

    /** Whether every token is the likeliest one: choice is greedy, and no rule changes or bans a logit. */
    public boolean isPlainGreedy() {
        return temperature() == 0
                && constraint.isEmpty()
                && ContextRules.of(this).isEmpty();
    }

    /** All settings except the salt and the mark's key, which are secrets. */
    @Override
    public String toString() {
        return "GenerationOptions["
                + numbers.entrySet().stream()
                        .map(each -> each.getKey().camel() + "=" + each.getValue())
                        .collect(Collectors.joining(", "))
                + ", logitBias=" + logitBias + ", rules="
                + rules.stream().map(LogitRule::name).toList() + ", constraint="
                + constraint.map(Object::toString).orElse("none") + ", stop=" + stop + ", eos="
                + eos.map(Object::toString).orElse("the model's") + ", logProbabilities="
                + logProbabilities.map(Object::toString).orElse("none") + ", truncatePrompt=" + truncatePrompt
                + ", specialTokens=" + specialTokens + ", deadline="
                + deadline.map(Object::toString).orElse("none") + ", mark="
                + mark.map(Mark::keyId).orElse("none") + "]";
    }

    /** Checks the ids of tokens against a model's vocabulary. */
    void requireIdsBelow(int vocabularySize) {
        String below = "token ids below the vocabulary size (" + vocabularySize + ")";
        eos.ifPresent(ids -> ids.forEach(id -> require(id < vocabularySize, "eos", below, id)));
        logitBias.keySet().forEach(id -> require(id < vocabularySize, "logit-bias", below, id));
    }

    private static void require(boolean holds, String subject, String expected, Object got) {
        if (!holds) {
            throw new IllegalArgumentException(subject + ": expected " + expected + ", got " + got);
        }
    }

    /** Sets a number by its entry in the table of settings; null changes nothing. */
    public GenerationOptions with(Setting setting, @Nullable Number value) {
        return value == null ? this : with(Map.of(setting, value));
    }

    /** Sets several numbers together, so that the fewest and the most new tokens are compared once both are set. */
    public GenerationOptions with(Map<Setting, ? extends Number> values) {
        return with(all -> all.numbers.putAll(values));
    }

    /** Most new tokens. */
    public GenerationOptions withMaxNewTokens(int count) {
        return with(Setting.MAX_NEW_TOKENS, count);
    }

    /** Fewest new tokens before an end-of-sequence token; stop strings ignore it. */
    public GenerationOptions withMinNewTokens(int count) {
        return with(Setting.MIN_NEW_TOKENS, count);
    }

    /**
     * Divides the logits. 0 chooses the most likely token (greedy) and ignores top-k, top-p, min-p and typical-p.
     */
    public GenerationOptions withTemperature(double value) {
        return with(Setting.TEMPERATURE, value);
    }

    /** Keeps the k largest logits and all that equal the k-th (Fan et al. 2018); 0 is off. */
    public GenerationOptions withTopK(int k) {
        return with(Setting.TOP_K, k);
    }

    /** Keeps the fewest most likely tokens that together have this probability (Holtzman et al. 2019); 1 is off. */
    public GenerationOptions withTopP(double mass) {
        return with(Setting.TOP_P, mass);
    }

    /** Keeps tokens at least this share as likely as the likeliest (Nguyen et al. 2024); 0 is off. */
    public GenerationOptions withMinP(double share) {
        return with(Setting.MIN_P, share);
    }

    /** Keeps the most typical tokens that together have this probability (Meister et al. 2022); 1 is off. */
    public GenerationOptions withTypicalP(double mass) {
        return with(Setting.TYPICAL_P, mass);
    }

    /** Above 1, tokens that occurred, also in the prompt, become less likely (Keskar et al. 2019); 1 is off. */
    public GenerationOptions withRepetitionPenalty(double penalty) {
        return with(Setting.REPETITION_PENALTY, penalty);
    }

    /** No run of n tokens occurs twice (Paulus et al. 2017); 0 is off. */
    public GenerationOptions withNoRepeatNgramSize(int n) {
        return with(Setting.NO_REPEAT_NGRAM_SIZE, n);
    }

    /** Subtracted from a token's logit for each time that it was generated; the prompt does not count. 0 is off. */
    public GenerationOptions withFrequencyPenalty(double penalty) {
        return with(Setting.FREQUENCY_PENALTY, penalty);
    }

    /** Subtracted from a token's logit once it was generated; the prompt does not count. 0 is off. */
    public GenerationOptions withPresencePenalty(double penalty) {
        return with(Setting.PRESENCE_PENALTY, penalty);
    }

    /** Added to the logits, by token id; -infinity bans a token. */
    public GenerationOptions withLogitBias(Map<Integer, Double> biases) {
        return with(all -> all.logitBias = Map.copyOf(biases));
    }

    /** Adds a rule of your own. */
    public GenerationOptions withRule(LogitRule rule) {
        return with(all ->
                all.rules = Stream.concat(rules.stream(), Stream.of(rule)).toList());
    }

    /**
     * Allows only tokens that a constraint allows, and an end of the sequence only where the constraint is met. The
     * sequence also ends where nothing else can follow. Needs a tokenizer.
     */
    public GenerationOptions withConstraint(Constraint wanted) {
        return with(all -> all.constraint = Optional.of(wanted));
    }

    /** Strings that end the text. The text before them is kept. */
    public GenerationOptions withStop(List<String> strings) {
        return with(all -> all.stop = List.copyOf(strings));
    }

    /** Token ids that end the sequence, instead of the model's own; may be empty. */
    public GenerationOptions withEos(Set<Integer> ids) {
        return with(all -> all.eos = Optional.of(Set.copyOf(ids)));
    }

    /**
     * Seeds the draws: the same seed gives the same tokens, on every machine and in every batch. It is 0 unless set, so
     * equal calls give equal texts; {@link GenerationOptions#randomSeed} varies them.
     */
    public GenerationOptions withSeed(long value) {
        return with(Setting.SEED, value);
    }

    /**
     * Requests a {@link dev.causal4j.head.Prediction} for each token, with this many alternatives. With a constraint it
     * also requests the {@linkplain Generation.Constrained#logMasses masses} that the constraint leaves.
     */
    public GenerationOptions withLogProbabilities(int alternatives) {
        return with(all -> all.logProbabilities = Optional.of(alternatives));
    }

    /**
     * Whether a prompt longer than the context is cut from its left instead of refused. The remaining prompt leaves
     * room for the new tokens, but is at least half the context.
     */
    public GenerationOptions withTruncatePrompt(boolean yes) {
        return with(all -> all.truncatePrompt = yes);
    }

    /**
     * Only sequences with the same salt share keys and values of equal prefixes, and can notice by timing that they do.
     */
    public GenerationOptions withCacheSalt(String salt) {
        return with(all -> all.cacheSalt = Optional.of(salt));
    }

    /** The sequence neither uses keys and values of others nor keeps its own for them. */
    public GenerationOptions uncached() {
        return with(all -> all.cacheSalt = Optional.empty());
    }

    /** How special tokens in a prompt are treated; {@link SpecialTokens#AS_TEXT} by default. */
    public GenerationOptions withSpecialTokens(SpecialTokens how) {
        return with(all -> all.specialTokens = how);
    }

    /**
     * Ends a sequence this long after it was submitted, whether it has begun or not, as {@link FinishReason#DEADLINE};
     * the text so far is kept. Deadlines are checked between steps. Nothing else depends on a clock.
     */
    public GenerationOptions withDeadline(Duration afterSubmission) {
        return with(all -> all.deadline = Optional.of(afterSubmission));
    }

    /** Where guesses of the next tokens come from, instead of the engine's draft. Changes no result. */
    public GenerationOptions withDraft(Draft source) {
        return with(all -> all.draft = Optional.of(source));
    }

    /**
     * Marks the text. Each token keeps its distribution. Tokens that are not drawn have no mark: at temperature 0, and
     * where a constraint leaves one.
     */
    public GenerationOptions withMark(Mark secret) {
        return with(all -> all.mark = Optional.of(secret));
    }

    private GenerationOptions with(Consumer<Fields> change) {
        Fields all = new Fields();
        all.numbers.putAll(numbers);
        all.logitBias = logitBias;
        all.rules = rules;
        all.constraint = constraint;
        all.stop = stop;
        all.eos = eos;
        all.logProbabilities = logProbabilities;
        all.truncatePrompt = truncatePrompt;
        all.cacheSalt = cacheSalt;
        all.specialTokens = specialTokens;
        all.deadline = deadline;
        all.draft = draft;
        all.mark = mark;
        change.accept(all);
        return all.options();
    }

    /** The values of options, to change one. Not thread-safe. */
    private static final class Fields {
        private final Map<Setting, Number> numbers = new EnumMap<>(Setting.class);
        private Map<Integer, Double> logitBias = Map.of();
        private List<LogitRule> rules = List.of();
        private Optional<Constraint> constraint = Optional.empty();
        private List<String> stop = List.of();
        private Optional<Set<Integer>> eos = Optional.empty();
        private Optional<Integer> logProbabilities = Optional.empty();
        private boolean truncatePrompt;
        private Optional<String> cacheSalt = Optional.of("");
        private SpecialTokens specialTokens = SpecialTokens.AS_TEXT;
        private Optional<Duration> deadline = Optional.empty();
        private Optional<Draft> draft = Optional.empty();
        private Optional<Mark> mark = Optional.empty();

        private GenerationOptions options() {
            return new GenerationOptions(
                    numbers,
                    logitBias,
                    rules,
                    constraint,
                    stop,
                    eos,
                    logProbabilities,
                    truncatePrompt,
                    cacheSalt,
                    specialTokens,
                    deadline,
                    draft,
                    mark);
        }
    }
}
