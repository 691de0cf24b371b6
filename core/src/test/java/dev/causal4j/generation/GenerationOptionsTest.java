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
    void byDefaultTheModelsOwnDistributionIsSampled() {
        GenerationOptions options = GenerationOptions.builder().build();
        assertThat(options.maxNewTokens()).isEqualTo(128);
        assertThat(options.temperature()).isEqualTo(1);
        assertThat(options.logitRules()).isEmpty();
        assertThat(options.stop()).isEmpty();
        assertThat(options.seed()).isZero();
    }

    @Test
    void eosIsTheModelsUnlessNamed() {
        Set<Integer> modelEos = Set.of(7);
        GenerationOptions.Builder builder = GenerationOptions.builder().maxNewTokens(9);
        assertThat(builder.build().eosOr(modelEos)).containsExactly(7);
        assertThat(builder.eos(Set.of(1, 2)).build().eosOr(modelEos)).containsExactlyInAnyOrder(1, 2);
        assertThat(builder.eos(Set.of()).build().eosOr(modelEos)).isEmpty();
        assertThat(builder.eos(Set.of(5)).build().stopRule(modelEos)).isEqualTo(new StopRule(Set.of(5), 9));
    }

    @Test
    void rulesRunInTheOrderOfHuggingFaceHoweverTheyWereAdded() {
        GenerationOptions options = everything().build();
        assertThat(options.logitRules())
                .extracting(LogitRule::subject)
                .containsExactly(
                        "logit-bias",
                        "sequence-bias",
                        "repetition-penalty",
                        "no-repeat-ngram",
                        "bad-words",
                        "min-length",
                        "min-new-tokens",
                        "forced-bos",
                        "forced-eos",
                        "replace-non-finite",
                        "temperature",
                        "top-h",
                        "top-k",
                        "top-p",
                        "min-p",
                        "typical-p",
                        "epsilon-cutoff",
                        "eta-cutoff");
    }

    @Test
    void aBuilderMadeFromOptionsMakesTheSameOptions() {
        GenerationOptions options = everything().build();
        assertThat(options.toBuilder().build()).isEqualTo(options);
        assertThat(options.toBuilder().seed(6).build().seed()).isEqualTo(6);
    }

    @Test
    void laterChangesToTheCallersCollectionsHaveNoEffect() {
        List<String> stop = new ArrayList<>(List.of("a"));
        GenerationOptions options = GenerationOptions.builder().stop(stop).build();
        stop.add("b");
        assertThat(options.stop()).containsExactly("a");
    }

    @Test
    void twoRulesOfOneKindAreRefused() {
        assertRefused(
                builder -> builder.topK(5).rules(new SamplingRule.TopK(1, 3)),
                "rules: expected at most one of each kind, got a second top-k");
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

    /** All settings in force, and the remaining rules in the reverse of their order. */
    private static GenerationOptions.Builder everything() {
        return GenerationOptions.builder()
                .maxNewTokens(20)
                .minNewTokens(2)
                .temperature(0.7)
                .topK(50)
                .topP(0.9)
                .minP(0.05)
                .typicalP(0.95)
                .repetitionPenalty(1.2)
                .noRepeatNgramSize(3)
                .logitBias(Map.of(1, -1.0))
                .stop(List.of("end"))
                .eos(Set.of(0))
                .logProbabilities(2)
                .seed(5)
                .rules(
                        new SamplingRule.EtaCutoff(0.1),
                        new SamplingRule.EpsilonCutoff(0.1),
                        new SamplingRule.TopH(0.4),
                        new ContextRule.ReplaceNonFinite(),
                        new ContextRule.ForcedEos(0),
                        new ContextRule.ForcedBos(0),
                        new ContextRule.MinLength(4),
                        new ContextRule.BadWords(List.of(List.of(2))),
                        new ContextRule.SequenceBias(List.of(new ContextRule.BiasedSequence(List.of(1, 2), 3))));
    }
}
