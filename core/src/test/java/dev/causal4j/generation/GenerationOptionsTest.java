package dev.causal4j.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import dev.causal4j.generation.GenerationOptions.Setting;
import java.lang.invoke.MethodType;
import java.util.ArrayList;
import java.util.List;
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
        GenerationOptions.Builder builder =
                GenerationOptions.builder().stop(stop).seed(5);
        GenerationOptions options = builder.build();
        stop.add("b");
        builder.seed(7).rule((_, _) -> {});
        GenerationOptions other = options.toBuilder().seed(6).maxNewTokens(3).build();
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
        assertThat(GenerationOptions.builder()
                        .topP(0.9)
                        .stop(List.of("a"))
                        .cacheSalt("secret")
                        .build()
                        .toString())
                .startsWith("GenerationOptions[maxNewTokens=128, minNewTokens=0, temperature=1.0, topK=0, topP=0.9, ")
                .endsWith(
                        "rules=[], constraint=none, stop=[a], eos=the model's, logProbabilities=none, truncatePrompt=false,"
                                + " specialTokens=AS_TEXT]")
                .contains("noRepeatNgramSize=0, frequencyPenalty=0.0, presencePenalty=0.0, seed=0, logitBias={}, ")
                .doesNotContain("secret");
    }

    @Test
    void optionsOfEqualSettingsAreEqual() {
        GenerationOptions options = GenerationOptions.builder()
                .topP(0.9)
                .seed(3)
                .logitBias(Map.of(5, 1.0))
                .stop(List.of("a"))
                .build();
        assertThat(options.toBuilder().build()).isEqualTo(options).hasSameHashCodeAs(options);
        assertThat(GenerationOptions.builder()
                        .logitBias(Map.of(5, 1.0))
                        .stop(List.of("a"))
                        .set(Setting.SEED, 3)
                        .set(Setting.TOP_P, 0.9)
                        .set(Setting.TOP_K, 0L)
                        .build())
                .isEqualTo(options)
                .hasSameHashCodeAs(options);
        assertThat(options.toBuilder().topK(1).build()).isNotEqualTo(options);
        assertThat(options.toBuilder().cacheSalt("mine").build()).isNotEqualTo(options);
    }

    @Test
    void aSettingHasOneNameInThreeForms() {
        assertThat(Setting.NO_REPEAT_NGRAM_SIZE.kebab()).isEqualTo("no-repeat-ngram-size");
        assertThat(Setting.NO_REPEAT_NGRAM_SIZE.snake()).isEqualTo("no_repeat_ngram_size");
        assertThat(Setting.NO_REPEAT_NGRAM_SIZE.camel()).isEqualTo("noRepeatNgramSize");
    }

    /** The builder has the names and types of the table. */
    @Test
    void eachSettingHasASetterOfItsName() throws ReflectiveOperationException {
        for (Setting setting : Setting.values()) {
            Number one = setting.parse("1");
            GenerationOptions.Builder builder = GenerationOptions.builder();
            GenerationOptions.Builder.class
                    .getMethod(
                            setting.camel(),
                            MethodType.methodType(one.getClass()).unwrap().returnType())
                    .invoke(builder, one);
            assertThat(builder.build().number(setting)).as(setting.camel()).isEqualTo(one);
            assertThat(GenerationOptions.DEFAULT.number(setting)).isEqualTo(setting.standard());
        }
    }

    @Test
    void greedyChoiceIsPlainUnlessSomethingChangesOrBansALogit() {
        GenerationOptions plain = GenerationOptions.builder().temperature(0).build();
        assertThat(plain.isPlainGreedy()).isTrue();
        assertThat(GenerationOptions.DEFAULT.isPlainGreedy()).isFalse();
        assertThat(plain.toBuilder().presencePenalty(1).build().isPlainGreedy()).isFalse();
        assertThat(plain.toBuilder()
                        .constraint(_ -> {
                            throw new IllegalStateException();
                        })
                        .build()
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
    void aBadSettingIsRefusedInOneLine(UnaryOperator<GenerationOptions.Builder> setting, String message) {
        assertRefused(setting, message);
    }

    static Stream<Arguments> badSettings() {
        return Stream.of(
                bad(b -> b.temperature(Double.NaN), "temperature: expected a finite number >= 0, got NaN"),
                bad(b -> b.temperature(-0.5), "temperature: expected a finite number >= 0, got -0.5"),
                bad(
                        b -> b.temperature(Double.POSITIVE_INFINITY),
                        "temperature: expected a finite number >= 0, got Infinity"),
                bad(b -> b.logProbabilities(-1), "logprobs: expected a whole number >= 0, got -1"),
                bad(b -> b.topP(0), "top-p: expected a number in (0, 1], got 0.0"),
                bad(b -> b.topP(1.5), "top-p: expected a number in (0, 1], got 1.5"),
                bad(b -> b.topP(Double.NaN), "top-p: expected a number in (0, 1], got NaN"),
                bad(b -> b.minP(-0.1), "min-p: expected a number in [0, 1], got -0.1"),
                bad(b -> b.minP(1.1), "min-p: expected a number in [0, 1], got 1.1"),
                bad(b -> b.minP(Double.NaN), "min-p: expected a number in [0, 1], got NaN"),
                bad(b -> b.typicalP(0), "typical-p: expected a number in (0, 1], got 0.0"),
                bad(b -> b.typicalP(2), "typical-p: expected a number in (0, 1], got 2.0"),
                bad(b -> b.repetitionPenalty(0), "repetition-penalty: expected a finite number > 0, got 0.0"),
                bad(
                        b -> b.repetitionPenalty(Double.POSITIVE_INFINITY),
                        "repetition-penalty: expected a finite number > 0, got Infinity"),
                bad(b -> b.topK(-1), "top-k: expected a whole number >= 0, got -1"),
                bad(b -> b.set(Setting.TOP_K, 1.5), "top-k: expected a whole number >= 0, got 1.5"),
                bad(b -> b.set(Setting.TOP_K, 1L << 32), "top-k: expected a whole number >= 0, got 4294967296"),
                bad(b -> b.frequencyPenalty(Double.NaN), "frequency-penalty: expected a finite number, got NaN"),
                bad(b -> b.noRepeatNgramSize(-2), "no-repeat-ngram-size: expected a whole number >= 0, got -2"),
                bad(b -> b.maxNewTokens(-1), "max-new-tokens: expected a whole number >= 0, got -1"),
                bad(b -> b.minNewTokens(-1), "min-new-tokens: expected a whole number >= 0, got -1"),
                bad(
                        b -> b.maxNewTokens(5).minNewTokens(7),
                        "min-new-tokens: expected at most max-new-tokens (5), got 7"),
                bad(b -> b.stop(List.of("")), "stop: expected a non-empty string, got \"\""),
                bad(b -> b.eos(Set.of(-1)), "eos: expected token ids >= 0, got -1"),
                bad(b -> b.logitBias(Map.of(-3, 1.0)), "logit-bias: expected token ids >= 0, got -3"),
                bad(
                        b -> b.logitBias(Map.of(3, Double.NaN)),
                        "logit-bias: expected finite numbers, or -Infinity to ban, got NaN"),
                bad(
                        b -> b.logitBias(Map.of(3, Double.POSITIVE_INFINITY)),
                        "logit-bias: expected finite numbers, or -Infinity to ban, got Infinity"));
    }

    private static Arguments bad(UnaryOperator<GenerationOptions.Builder> setting, String message) {
        return arguments(setting, message);
    }

    private static void assertRefused(UnaryOperator<GenerationOptions.Builder> setting, String message) {
        GenerationOptions.Builder builder = setting.apply(GenerationOptions.builder());
        assertThatThrownBy(builder::build)
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage(message);
    }
}
