package dev.causal4j.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import dev.causal4j.generation.GenerationOptions.Setting;
import java.lang.invoke.MethodType;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.UnaryOperator;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class GenerationOptionsTest {
    @Test
    void optionsAreCopiedWithAndWithoutChanges() {
        List<String> stop = new ArrayList<>(List.of("a"));
        GenerationOptions options = GenerationOptions.DEFAULT.withStop(stop).withSeed(5);
        stop.add("b");
        assertThat(options.withSeed(7).withRule((_, _) -> {}).rules()).hasSize(1);
        GenerationOptions other = options.withSeed(6).withMaxNewTokens(3);
        assertThat(options.stop()).containsExactly("a");
        assertThat(options.rules()).isEmpty();
        assertThat(options.seed()).isEqualTo(5);
        assertThat(options.maxNewTokens()).isEqualTo(128);
        assertThat(other.stop()).containsExactly("a");
        assertThat(other.seed()).isEqualTo(6);
        assertThat(other.maxNewTokens()).isEqualTo(3);
    }

    @Test
    void optionsDescribeThemselvesButForTheSalt() {
        assertThat(GenerationOptions.DEFAULT
                        .withTopP(0.9)
                        .withStop(List.of("a"))
                        .withCacheSalt("secret")
                        .toString())
                .startsWith("GenerationOptions[maxNewTokens=128, minNewTokens=0, temperature=1.0, topK=0, topP=0.9, ")
                .endsWith(
                        "rules=[], constraint=none, stop=[a], eos=the model's, logProbabilities=none, truncatePrompt=false,"
                                + " specialTokens=AS_TEXT, deadline=none, mark=none]")
                .contains("noRepeatNgramSize=0, frequencyPenalty=0.0, presencePenalty=0.0, seed=0, logitBias={}, ")
                .doesNotContain("secret");
    }

    @Test
    void severalNumbersAreComparedWithEachOther() {
        GenerationOptions options =
                GenerationOptions.DEFAULT.with(Map.of(Setting.MIN_NEW_TOKENS, 200, Setting.MAX_NEW_TOKENS, 300));
        assertThat(options.minNewTokens()).isEqualTo(200);
        assertThat(options.with(Setting.SEED, null)).isEqualTo(options);
    }

    @Test
    void optionsOfEqualSettingsAreEqual() {
        GenerationOptions options = GenerationOptions.DEFAULT
                .withTopP(0.9)
                .withSeed(3)
                .withLogitBias(Map.of(5, 1.0))
                .withStop(List.of("a"));
        assertThat(GenerationOptions.DEFAULT
                        .withLogitBias(Map.of(5, 1.0))
                        .withStop(List.of("a"))
                        .with(Setting.SEED, 3)
                        .with(Setting.TOP_P, 0.9)
                        .with(Setting.TOP_K, 0L))
                .isEqualTo(options)
                .hasSameHashCodeAs(options);
        assertThat(options.withTopK(1)).isNotEqualTo(options);
        assertThat(options.withCacheSalt("mine")).isNotEqualTo(options);
    }

    @Test
    void aSettingHasOneNameInThreeForms() {
        assertThat(Setting.NO_REPEAT_NGRAM_SIZE.kebab()).isEqualTo("no-repeat-ngram-size");
        assertThat(Setting.NO_REPEAT_NGRAM_SIZE.snake()).isEqualTo("no_repeat_ngram_size");
        assertThat(Setting.NO_REPEAT_NGRAM_SIZE.camel()).isEqualTo("noRepeatNgramSize");
    }

    /** The methods have the names and types of the table. */
    @Test
    void eachSettingHasAMethodOfItsName() throws ReflectiveOperationException {
        for (Setting setting : Setting.values()) {
            Number one = setting.parse("1");
            String camel = setting.camel();
            Object options = GenerationOptions.class
                    .getMethod(
                            "with" + camel.substring(0, 1).toUpperCase(Locale.ROOT) + camel.substring(1),
                            MethodType.methodType(one.getClass()).unwrap().returnType())
                    .invoke(GenerationOptions.DEFAULT, one);
            assertThat(((GenerationOptions) options).number(setting)).as(camel).isEqualTo(one);
            assertThat(GenerationOptions.DEFAULT.number(setting)).isEqualTo(setting.standard());
        }
    }

    @Test
    void greedyChoiceIsPlainUnlessSomethingChangesOrBansALogit() {
        GenerationOptions plain = GenerationOptions.DEFAULT.withTemperature(0);
        assertThat(plain.isPlainGreedy()).isTrue();
        assertThat(GenerationOptions.DEFAULT.isPlainGreedy()).isFalse();
        assertThat(plain.withPresencePenalty(1).isPlainGreedy()).isFalse();
        assertThat(plain.withConstraint(_ -> {
                            throw new IllegalStateException();
                        })
                        .isPlainGreedy())
                .isFalse();
    }

    @Test
    void randomSeedsDiffer() {
        assertThat(LongStream.generate(GenerationOptions::randomSeed).limit(20).distinct())
                .as("of 2^31")
                .hasSizeGreaterThan(10)
                .allMatch(seed -> seed >= 0 && seed < Integer.MAX_VALUE);
    }

    @ParameterizedTest
    @MethodSource("badSettings")
    void aBadSettingIsRefusedInOneLine(UnaryOperator<GenerationOptions> setting, String message) {
        assertRefused(setting, message);
    }

    static Stream<Arguments> badSettings() {
        return Stream.of(
                bad(b -> b.withTemperature(Double.NaN), "temperature: expected a finite number >= 0, got NaN"),
                bad(b -> b.withTemperature(-0.5), "temperature: expected a finite number >= 0, got -0.5"),
                bad(
                        b -> b.withTemperature(Double.POSITIVE_INFINITY),
                        "temperature: expected a finite number >= 0, got Infinity"),
                bad(b -> b.withLogProbabilities(-1), "logprobs: expected a whole number >= 0, got -1"),
                bad(b -> b.withTopP(0), "top-p: expected a number in (0, 1], got 0.0"),
                bad(b -> b.withTopP(1.5), "top-p: expected a number in (0, 1], got 1.5"),
                bad(b -> b.withTopP(Double.NaN), "top-p: expected a number in (0, 1], got NaN"),
                bad(b -> b.withMinP(-0.1), "min-p: expected a number in [0, 1], got -0.1"),
                bad(b -> b.withMinP(1.1), "min-p: expected a number in [0, 1], got 1.1"),
                bad(b -> b.withMinP(Double.NaN), "min-p: expected a number in [0, 1], got NaN"),
                bad(b -> b.withTypicalP(0), "typical-p: expected a number in (0, 1], got 0.0"),
                bad(b -> b.withTypicalP(2), "typical-p: expected a number in (0, 1], got 2.0"),
                bad(b -> b.withRepetitionPenalty(0), "repetition-penalty: expected a finite number > 0, got 0.0"),
                bad(
                        b -> b.withRepetitionPenalty(Double.POSITIVE_INFINITY),
                        "repetition-penalty: expected a finite number > 0, got Infinity"),
                bad(b -> b.withTopK(-1), "top-k: expected a whole number >= 0, got -1"),
                bad(b -> b.with(Setting.TOP_K, 1.5), "top-k: expected a whole number >= 0, got 1.5"),
                bad(b -> b.with(Setting.TOP_K, 1L << 32), "top-k: expected a whole number >= 0, got 4294967296"),
                bad(b -> b.withFrequencyPenalty(Double.NaN), "frequency-penalty: expected a finite number, got NaN"),
                bad(b -> b.withNoRepeatNgramSize(-2), "no-repeat-ngram-size: expected a whole number >= 0, got -2"),
                bad(b -> b.withMaxNewTokens(-1), "max-new-tokens: expected a whole number >= 0, got -1"),
                bad(b -> b.withMinNewTokens(-1), "min-new-tokens: expected a whole number >= 0, got -1"),
                bad(
                        b -> b.withMaxNewTokens(5).withMinNewTokens(7),
                        "min-new-tokens: expected at most max-new-tokens (5), got 7"),
                bad(b -> b.withStop(List.of("")), "stop: expected a non-empty string, got \"\""),
                bad(b -> b.withEos(Set.of(-1)), "eos: expected token ids >= 0, got -1"),
                bad(b -> b.withLogitBias(Map.of(-3, 1.0)), "logit-bias: expected token ids >= 0, got -3"),
                bad(
                        b -> b.withLogitBias(Map.of(3, Double.NaN)),
                        "logit-bias: expected finite numbers, or -Infinity to ban, got NaN"),
                bad(
                        b -> b.withLogitBias(Map.of(3, Double.POSITIVE_INFINITY)),
                        "logit-bias: expected finite numbers, or -Infinity to ban, got Infinity"));
    }

    private static Arguments bad(UnaryOperator<GenerationOptions> setting, String message) {
        return arguments(setting, message);
    }

    private static void assertRefused(UnaryOperator<GenerationOptions> setting, String message) {
        assertThatThrownBy(() -> setting.apply(GenerationOptions.DEFAULT))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(message);
    }
}
