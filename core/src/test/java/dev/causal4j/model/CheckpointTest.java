package dev.causal4j.model;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.format.TensorView;
import dev.causal4j.tensor.DType;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The ways to write a GPT-2 checkpoint all mean the same model, to the last bit of its logits. */
class CheckpointTest {
    private static final int[] TOKENS = {3, 41, 5, 92, 65, 35, 89, 7, 93, 23, 84, 62};

    @TempDir
    Path folder;

    private final LogLines log = LogLines.of(Checkpoint.class);

    @AfterEach
    void stopListening() {
        log.close();
    }

    private static CausalLM fixture(String name) throws IOException {
        return CausalLM.load(Golden.folder(name));
    }

    private CausalLM load(Variant variant) throws IOException {
        return CausalLM.load(variant.write(folder));
    }

    private static void assertSameModel(CausalLM actual, CausalLM expected) {
        assertThat(actual.parameters()).isEqualTo(expected.parameters());
        assertThat(actual.head().tied()).isEqualTo(expected.head().tied());
        assertThat(actual.bos()).isEqualTo(expected.bos());
        assertThat(actual.eos()).isEqualTo(expected.eos());
        assertSameLogits(actual, expected);
    }

    private static void assertSameLogits(CausalLM actual, CausalLM expected) {
        assertThat(Logits.of(actual, TOKENS)).isEqualTo(Logits.of(expected, TOKENS));
    }

    @ParameterizedTest
    @ValueSource(strings = {"gpt2-tied", "gpt2-untied", "gpt2-odd"})
    void thePrefixMakesNoDifference(String name) throws IOException {
        assertSameModel(load(Variant.of(name).prefixed()), fixture(name));
        assertThat(log.lines()).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(strings = {"gpt2-tied", "gpt2-untied", "gpt2-odd"})
    void shardsMakeNoDifference(String name) throws IOException {
        assertSameModel(CausalLM.load(Variant.of(name).prefixed().writeSharded(folder)), fixture(name));
        assertThat(log.lines()).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void storedCausalMasksAreIgnored(boolean prefixed) throws IOException {
        Variant variant = Variant.of("gpt2-tied")
                .withZeros("h.0.attn.bias", 1, 1, 32, 32)
                .withZeros("h.1.attn.bias", 1, 1, 32, 32)
                .withZeros("h.0.attn.masked_bias")
                .withZeros("h.1.attn.masked_bias");
        assertSameModel(load(prefixed ? variant.prefixed() : variant), fixture("gpt2-tied"));
        assertThat(log.lines()).isEmpty();
    }

    @ParameterizedTest
    @CsvSource({"BOOL, h.1.attn.bias", "U8, transformer.h.1.attn.bias", "I64, transformer.h.1.attn.masked_bias"})
    void aMaskMayHaveADtypeThatNoWeightCanHave(String dtype, String name) throws IOException {
        Variant variant = Variant.of("gpt2-tied");
        if (name.startsWith("transformer.")) {
            variant.prefixed();
        }
        variant.writeWithForeign(folder, name, dtype, "[1, 1, 2, 4]", new byte[dtype.equals("I64") ? 64 : 8]);
        assertSameModel(CausalLM.load(folder), fixture("gpt2-tied"));
        assertThat(log.lines()).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void anEqualHeadIsTied(boolean prefixed) throws IOException {
        Variant variant = Variant.of("gpt2-tied").copy(Variant.EMBEDDING, Variant.HEAD);
        assertSameModel(load(prefixed ? variant.prefixed() : variant), fixture("gpt2-tied"));
        assertThat(log.lines()).isEmpty();
    }

    @Test
    void anEqualHeadInAnotherDtypeIsTied() throws IOException {
        Variant variant = Variant.of("gpt2-tied").stored(DType.BF16, CheckpointTest::isEmbedding);
        TensorView embedding = variant.tensor(Variant.EMBEDDING);
        variant.with(Variant.HEAD, DType.F32, embedding.shape(), MemorySegment.ofArray(embedding.toArray()));
        assertThat(load(variant).head().tied()).isTrue();
    }

    @Test
    void aDifferentHeadIsNotTiedAndThatIsSaid() throws IOException {
        Variant variant = Variant.of("gpt2-untied").prefixed();
        variant.config().put("tie_word_embeddings", true);
        assertSameModel(load(variant), fixture("gpt2-untied"));
        assertThat(log.lines())
                .containsExactly("WARNING " + folder
                        + ": tie_word_embeddings is true, but lm_head.weight differs from transformer.wte.weight;"
                        + " the head is not tied");
    }

    @Test
    void oneDifferentNumberMakesAHeadDifferent() throws IOException {
        Variant variant = Variant.of("gpt2-tied");
        TensorView embedding = variant.tensor(Variant.EMBEDDING);
        float[] numbers = embedding.toArray();
        numbers[numbers.length - 1] = Math.nextUp(numbers[numbers.length - 1]);
        variant.with(Variant.HEAD, DType.F32, embedding.shape(), MemorySegment.ofArray(numbers));
        CausalLM model = load(variant);
        assertThat(model.head().tied()).isFalse();
        assertThat(log.lines()).hasSize(1);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aHeadAloneServesAsEmbedding(boolean prefixed) throws IOException {
        Variant variant =
                Variant.of("gpt2-tied").copy(Variant.EMBEDDING, Variant.HEAD).without(Variant.EMBEDDING);
        assertSameModel(load(prefixed ? variant.prefixed() : variant), fixture("gpt2-tied"));
        assertThat(log.lines()).isEmpty();
    }

    @Test
    void anEqualHeadOfAnUntiedModelStaysUntied() throws IOException {
        Variant variant = Variant.of("gpt2-tied").copy(Variant.EMBEDDING, Variant.HEAD);
        variant.config().put("tie_word_embeddings", false);
        CausalLM model = load(variant);
        assertThat(model.head().tied()).isFalse();
        assertThat(model.parameters()).isEqualTo(fixture("gpt2-tied").parameters() + 97 * 24);
        assertSameLogits(model, fixture("gpt2-tied"));
        assertThat(log.lines()).isEmpty();
    }

    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"F16", "BF16"})
    void halvesGiveTheLogitsOfTheSameNumbersInF32(DType stored) throws IOException {
        CausalLM halves = load(Variant.of("gpt2-untied").stored(stored, tensor -> true));
        assertThat(halves.dtype()).isEqualTo(stored);
        CausalLM widened =
                load(Variant.of("gpt2-untied").stored(stored, tensor -> true).widened());
        assertThat(widened.dtype()).isEqualTo(DType.F32);
        assertSameLogits(halves, widened);
    }

    @Test
    void bf16InF32HasTheSameLogits() throws IOException {
        CausalLM bf16 = load(Variant.of("gpt2-odd").stored(DType.BF16, tensor -> true));
        CausalLM f32 = CausalLM.load(folder, DType.F32);
        assertThat(f32.dtype()).isEqualTo(DType.F32);
        assertSameLogits(f32, bf16);
    }

    @Test
    void f32InBf16RoundsTheMatricesAndNothingElse() throws IOException {
        CausalLM bf16 = CausalLM.load(Golden.folder("gpt2-odd"), DType.BF16);
        assertThat(bf16.dtype()).isEqualTo(DType.BF16);
        CausalLM rounded = load(Variant.of("gpt2-odd")
                .stored(DType.BF16, tensor -> tensor.shape().size() == 2)
                .widened());
        assertSameLogits(bf16, rounded);
        assertThat(Logits.of(bf16, TOKENS)).isNotEqualTo(Logits.of(fixture("gpt2-odd"), TOKENS));
    }

    /** Norms and biases are often kept in f32 beside matrices in bf16. */
    @Test
    void matricesInBf16MakeAModelInBf16() throws IOException {
        CausalLM model = load(Variant.of("gpt2-odd")
                .stored(DType.BF16, tensor -> tensor.shape().size() == 2));
        assertThat(model.dtype()).isEqualTo(DType.BF16);
        assertSameLogits(model, CausalLM.load(Golden.folder("gpt2-odd"), DType.BF16));
    }

    @ParameterizedTest
    @ValueSource(strings = {"wte.weight", "wpe.weight", "h.1.mlp.c_fc.weight", "lm_head.weight"})
    void noMatrixIsRoundedBecauseAnotherOneWas(String exact) throws IOException {
        CausalLM mixed = load(Variant.of("gpt2-untied")
                .stored(DType.BF16, tensor -> !tensor.name().equals(exact)));
        assertThat(mixed.dtype()).isEqualTo(DType.F32);
        assertSameLogits(mixed, CausalLM.load(folder, DType.F32));
    }

    private static boolean isEmbedding(TensorView tensor) {
        return tensor.name().equals(Variant.EMBEDDING);
    }

    @Test
    void unrelatedTensorsAreNamedAndIgnored() throws IOException {
        Variant variant = Variant.of("gpt2-tied")
                .withZeros("score.weight", 2, 24)
                .withZeros("multiple_choice_head.summary.bias", 1);
        assertSameModel(load(variant), fixture("gpt2-tied"));
        assertThat(log.lines())
                .containsExactly(
                        "WARNING " + folder + ": not used: \"[multiple_choice_head.summary.bias, score.weight]\"");
    }

    @Test
    void manyOddNamesStayOneShortLine() throws IOException {
        Variant variant = Variant.of("gpt2-tied");
        for (int i = 0; i < 100; i++) {
            variant.withZeros("a\n{0}'" + i, 1);
        }
        load(variant);
        List<String> lines = log.lines();
        assertThat(lines).hasSize(1);
        assertThat(lines.getFirst())
                .contains("a\\u000a{0}'0")
                .doesNotContain("\n")
                .hasSizeLessThan(400);
    }
}
