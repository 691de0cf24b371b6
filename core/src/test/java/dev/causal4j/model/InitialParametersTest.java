package dev.causal4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.causal4j.compute.Compute;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.decoder.ParameterSpec.Role;
import dev.causal4j.tensor.DType;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class InitialParametersTest {
    private static final int VOCABULARY = 301;
    private static final ModelConfig CONFIG = SmallModels.gpt2(VOCABULARY, 40, 96, 8, 4);
    private static final ModelConfig UNTIED = CONFIG.withTied(false).withSpecialIds(OptionalInt.of(7), Set.of(8));

    private final int threads = Compute.shared().threads();

    @AfterEach
    void restoreThreads() {
        Compute.shared().use(threads);
    }

    private static float[] numbers(CausalLM model, String name) {
        return SmallModels.numbers(model, SmallModels.spec(model, name));
    }

    @Test
    void weightsAreNormalWithGpt2sDeviations() {
        CausalLM model = CausalLM.create(UNTIED, 5, DType.F32);
        double residual = 0.02 / Math.sqrt(16);
        assertNormal(numbers(model, "layers.3.qkv.weight"), 0.02);
        assertNormal(numbers(model, "layers.3.up.weight"), 0.02);
        assertNormal(numbers(model, "layers.3.attention_out.weight"), residual);
        assertNormal(numbers(model, "layers.3.down.weight"), residual);
        assertNormal(numbers(model, "embedding.weight"), 0.02);
        assertNormal(numbers(model, "head.weight"), 0.02);
    }

    /** Within five standard errors; the share beyond two deviations and the largest tell a normal from a uniform. */
    private static void assertNormal(float[] numbers, double deviation) {
        int n = numbers.length;
        double mean = IntStream.range(0, n).mapToDouble(i -> numbers[i]).sum() / n;
        double square = IntStream.range(0, n)
                .mapToDouble(i -> (double) numbers[i] * numbers[i])
                .sum();
        long beyond = IntStream.range(0, n)
                .filter(i -> Math.abs(numbers[i]) > 2 * deviation)
                .count();
        assertThat(mean).isCloseTo(0, within(5 * deviation / Math.sqrt(n)));
        assertThat(Math.sqrt(square / n)).isCloseTo(deviation, within(5 * deviation / Math.sqrt(2.0 * n)));
        assertThat((double) beyond / n).isCloseTo(0.0455, within(5 * Math.sqrt(0.0455 / n)));
        assertThat(numbers).doesNotContain(Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY);
    }

    @Test
    void biasesAreZeroAndGainsOne() {
        CausalLM model = CausalLM.create(CONFIG, 5, DType.F32);
        for (ParameterSpec spec : CONFIG.specs()) {
            if (spec.role().isVector()) {
                assertThat(model.vector(spec)).containsOnly(spec.role() == Role.GAIN ? 1f : 0f);
            }
        }
    }

    @Test
    void noTwoMatricesShareTheirNumbers() {
        CausalLM model = CausalLM.create(UNTIED, 5, DType.F32);
        assertThat(numbers(model, "layers.0.up.weight")).isNotEqualTo(numbers(model, "layers.1.up.weight"));
        assertThat(numbers(model, "layers.0.attention_out.weight"))
                .isNotEqualTo(numbers(model, "layers.1.attention_out.weight"));
        assertThat(numbers(model, "embedding.weight")).isNotEqualTo(numbers(model, "head.weight"));
    }

    @Test
    void equalSeedsGiveEqualBitsWhateverTheThreads() {
        Compute.shared().use(1);
        CausalLM one = CausalLM.create(UNTIED, -3, DType.F32);
        Compute.shared().use(3);
        CausalLM three = CausalLM.create(UNTIED, -3, DType.F32);
        assertThat(numbers(three, "embedding.weight")).isEqualTo(numbers(one, "embedding.weight"));
        assertThat(numbers(three, "head.weight")).isEqualTo(numbers(one, "head.weight"));
        assertThat(Logits.of(three, 1, 300, 0)).isEqualTo(Logits.of(one, 1, 300, 0));
    }

    @Test
    void differentSeedsDiffer() {
        float[] logits = Logits.of(CausalLM.create(CONFIG, 1, DType.F32), 5);
        assertThat(Logits.of(CausalLM.create(CONFIG, 2, DType.F32), 5)).isNotEqualTo(logits);
        assertThat(Logits.of(CausalLM.create(CONFIG, 1L << 32 | 1, DType.F32), 5))
                .isNotEqualTo(logits);
    }

    @Test
    void bf16IsTheSameModelRounded() {
        float[] exact = numbers(CausalLM.create(CONFIG, 9, DType.F32), "embedding.weight");
        CausalLM model = CausalLM.create(CONFIG, 9, DType.BF16);
        assertThat(model.dtype()).isEqualTo(DType.BF16);
        float[] rounded = numbers(model, "embedding.weight");
        for (int i = 0; i < exact.length; i++) {
            assertThat(rounded[i]).isEqualTo(DType.fromBFloat16(DType.toBFloat16(exact[i])));
        }
    }

    @Test
    void randomWeightsAreUniformWithTheSameDeviations() {
        CausalLM model = CausalLM.random(UNTIED, 5, LoadOptions.DEFAULT);
        assertUniform(numbers(model, "layers.3.up.weight"), 0.02);
        assertUniform(numbers(model, "layers.3.down.weight"), 0.02 / Math.sqrt(16));
        assertUniform(numbers(model, "embedding.weight"), 0.02);
        assertThat(numbers(model, "head.weight")).isNotEqualTo(numbers(model, "embedding.weight"));
        assertThat(model.vector(SmallModels.spec(model, "norm.weight"))).containsOnly(1);
    }

    private static void assertUniform(float[] numbers, double deviation) {
        int n = numbers.length;
        double largest = deviation * Math.sqrt(3);
        double mean = IntStream.range(0, n).mapToDouble(i -> numbers[i]).sum() / n;
        long upper = IntStream.range(0, n)
                .filter(i -> Math.abs(numbers[i]) > largest / 2)
                .count();
        assertThat(mean).isCloseTo(0, within(5 * deviation / Math.sqrt(n)));
        assertThat((double) upper / n).isCloseTo(0.5, within(2.5 / Math.sqrt(n)));
        IntStream.range(0, n)
                .forEach(i -> assertThat(Math.abs((double) numbers[i])).isLessThanOrEqualTo(1.001 * largest));
    }

    @Test
    void progressTellsTheBytesOfTheMatricesThatWereMade() {
        List<Long> done = new ArrayList<>();
        List<Long> totals = new ArrayList<>();
        CausalLM.random(UNTIED, 5, LoadOptions.DEFAULT.withProgress((bytes, total) -> {
                    done.add(bytes);
                    totals.add(total);
                }))
                .close();
        assertThat(done).hasSizeGreaterThan(5).isSorted().doesNotHaveDuplicates();
        assertThat(totals).containsOnly(UNTIED.weightBytes(DType.F32));
        assertThat(done.getLast()).isBetween(totals.getLast() / 2, totals.getLast());
    }

    @Test
    void equalSeedsGiveEqualRandomBitsWhateverTheThreads() {
        Compute.shared().use(1);
        LoadOptions int8 = LoadOptions.DEFAULT.withDtype(DType.INT8);
        CausalLM one = CausalLM.random(CONFIG, 3, int8);
        Compute.shared().use(3);
        assertThat(Logits.of(CausalLM.random(CONFIG, 3, int8), 1, 300, 0)).isEqualTo(Logits.of(one, 1, 300, 0));
        assertThat(Logits.of(CausalLM.random(CONFIG, 4, int8), 1)).isNotEqualTo(Logits.of(one, 1));
    }

    @Test
    void theConfigurationIsFollowed() {
        CausalLM tied = CausalLM.create(CONFIG, 1, DType.F32);
        assertThat(tied.head().tied()).isTrue();
        assertThat(tied.config()).isEqualTo(CONFIG);
        assertThat(tied.decoder().config()).isEqualTo(CONFIG.decoder());
        assertThat(tied.tokenizer()).isEmpty();
        CausalLM untied = CausalLM.create(UNTIED, 1, DType.F32);
        assertThat(untied.head().tied()).isFalse();
        assertThat(untied.bos()).hasValue(7);
        assertThat(untied.eos()).containsExactly(8);
    }
}
