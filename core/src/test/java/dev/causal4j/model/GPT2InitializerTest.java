package dev.causal4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.causal4j.compute.Compute;
import dev.causal4j.decoder.GPT2Block;
import dev.causal4j.decoder.GPT2Shape;
import dev.causal4j.decoder.LayerNorm;
import dev.causal4j.decoder.Linear;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Matrix;
import java.util.OptionalInt;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class GPT2InitializerTest {
    private static final int VOCABULARY = 301;
    private static final GPT2Config CONFIG = GPT2Config.of(GPT2Shape.of(40, 96, 8, 4), VOCABULARY);
    private static final GPT2Config UNTIED =
            new GPT2Config(CONFIG.shape(), VOCABULARY, false, OptionalInt.of(7), Set.of(8));

    private final int threads = Compute.shared().threads();

    @AfterEach
    void restoreThreads() {
        Compute.shared().use(threads);
    }

    @Test
    void weightsAreNormalWithGpt2sDeviations() {
        GPT2Block block = new GPT2Initializer(CONFIG, 5, DType.F32).block();
        assertNormal(block.queryKeyValue().weight(), 0.02);
        assertNormal(block.up().weight(), 0.02);
        double residual = 0.02 / Math.sqrt(16);
        assertNormal(block.attentionOut().weight(), residual);
        assertNormal(block.down().weight(), residual);
        assertNormal(CausalLM.create(CONFIG, 5, DType.F32).head().embedding(), 0.02);
        assertNormal(CausalLM.create(UNTIED, 5, DType.F32).head().projection(), 0.02);
    }

    /** Within five standard errors; the share beyond two deviations and the largest tell a normal from a uniform. */
    private static void assertNormal(Matrix matrix, double deviation) {
        float[] numbers = numbers(matrix);
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

    private static float[] numbers(Matrix matrix) {
        float[] numbers = new float[Math.toIntExact(matrix.parameters())];
        for (int row = 0; row < matrix.rows(); row++) {
            matrix.row(row, numbers, row * matrix.cols());
        }
        return numbers;
    }

    @Test
    void biasesAreZeroAndGainsOne() {
        GPT2Block block = new GPT2Initializer(CONFIG, 5, DType.F32).block();
        for (LayerNorm norm : new LayerNorm[] {block.norm1(), block.norm2()}) {
            assertThat(norm.gain()).containsOnly(1f);
            assertThat(norm.bias()).containsOnly(0f);
        }
        for (Linear linear : new Linear[] {block.queryKeyValue(), block.attentionOut(), block.up(), block.down()}) {
            assertThat(linear.bias()).containsOnly(0f);
        }
    }

    @Test
    void noTwoMatricesShareTheirNumbers() {
        GPT2Initializer initializer = new GPT2Initializer(CONFIG, 5, DType.F32);
        GPT2Block first = initializer.block();
        GPT2Block second = initializer.block();
        assertThat(numbers(first.up().weight()))
                .isNotEqualTo(numbers(second.up().weight()));
        assertThat(numbers(first.attentionOut().weight()))
                .isNotEqualTo(numbers(second.attentionOut().weight()));
        CausalLM untied = CausalLM.create(UNTIED, 5, DType.F32);
        assertThat(numbers(untied.head().embedding()))
                .isNotEqualTo(numbers(untied.head().projection()));
    }

    @Test
    void equalSeedsGiveEqualBitsWhateverTheThreads() {
        Compute.shared().use(1);
        CausalLM one = CausalLM.create(UNTIED, -3, DType.F32);
        Compute.shared().use(3);
        CausalLM three = CausalLM.create(UNTIED, -3, DType.F32);
        assertThat(numbers(three.head().embedding()))
                .isEqualTo(numbers(one.head().embedding()));
        assertThat(numbers(three.head().projection()))
                .isEqualTo(numbers(one.head().projection()));
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
        float[] exact = numbers(CausalLM.create(CONFIG, 9, DType.F32).head().embedding());
        CausalLM model = CausalLM.create(CONFIG, 9, DType.BF16);
        assertThat(model.dtype()).isEqualTo(DType.BF16);
        float[] rounded = numbers(model.head().embedding());
        for (int i = 0; i < exact.length; i++) {
            assertThat(rounded[i]).isEqualTo(DType.fromBFloat16(DType.toBFloat16(exact[i])));
        }
    }

    @Test
    void theConfigurationIsFollowed() {
        CausalLM tied = CausalLM.create(CONFIG, 1, DType.F32);
        assertThat(tied.head().tied()).isTrue();
        assertThat(tied.backbone().shape()).isEqualTo(CONFIG.shape());
        assertThat(tied.tokenizer()).isEmpty();
        CausalLM untied = CausalLM.create(UNTIED, 1, DType.F32);
        assertThat(untied.head().tied()).isFalse();
        assertThat(untied.bos()).hasValue(7);
        assertThat(untied.eos()).containsExactly(8);
    }
}
