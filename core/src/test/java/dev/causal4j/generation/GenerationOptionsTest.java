package dev.causal4j.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.UnaryOperator;
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
        assertThat(options.settings.stop).containsExactly("a");
        assertThat(options.settings.rules).isEmpty();
        assertThat(options.settings.seed).isEqualTo(5);
        assertThat(options.settings.maxNewTokens).isEqualTo(128);
        assertThat(other.settings.stop).containsExactly("a");
        assertThat(other.settings.seed).isEqualTo(6);
        assertThat(other.settings.maxNewTokens).isEqualTo(3);
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
                        "rules=[], constraint=none, stop=[a], eos=the model's, seed=0, logProbabilities=none, truncatePrompt=false,"
                                + " specialTokens=AS_TEXT]")
                .doesNotContain("secret");
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
