package dev.causal4j.austen;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.compute.Rows;
import dev.causal4j.decoder.Activations;
import dev.causal4j.decoder.Batch;
import dev.causal4j.generation.FinishReason;
import dev.causal4j.generation.Generation;
import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.generation.Generator;
import dev.causal4j.model.CausalLM;
import dev.causal4j.tensor.DType;
import dev.causal4j.tokenizer.Tokenizer;
import java.io.IOException;
import java.io.InputStream;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.FieldSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The embedded model against what PyTorch and Hugging Face's tokenizer give for the same weights. */
class AustenModelTest {
    private static final CausalLM MODEL = AustenModel.load();
    private static final Tokenizer TOKENIZER = MODEL.requireTokenizer();
    private static final JsonNode EXPECTED = expected();
    static final List<JsonNode> GENERATIONS =
            EXPECTED.get("generate").valueStream().toList();
    static final List<JsonNode> SCORES = EXPECTED.get("score").valueStream().toList();

    private static JsonNode expected() {
        try (InputStream in = AustenModelTest.class.getResourceAsStream("expected.json")) {
            return JsonMapper.shared().readTree(in);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private static int[] integers(JsonNode array) {
        return array.valueStream().mapToInt(JsonNode::intValue).toArray();
    }

    @Test
    void itIsASmallTiedGpt2() {
        assertThat(MODEL.parameters()).isEqualTo(4_801_280);
        assertThat(MODEL.head().tied()).isTrue();
        assertThat(MODEL.head().projection().parameters()).isEqualTo(3072 * 256);
        assertThat(MODEL.head().vocabularySize()).isEqualTo(3072);
        assertThat(TOKENIZER.vocabularySize()).isEqualTo(3072);
        assertThat(MODEL.contextLength()).isEqualTo(256);
        assertThat(MODEL.dtype()).isEqualTo(DType.BF16);
        assertThat(MODEL.bos()).hasValue(3071);
        assertThat(MODEL.eos()).containsExactly(3071);
        assertThat(MODEL.chatTemplate()).isEmpty();
        assertThat(TOKENIZER.decode(3071)).isEqualTo("<|endoftext|>");
    }

    @ParameterizedTest
    @FieldSource("SCORES")
    void tokenIdsOfTextsAreHuggingFacesAndGiveTheTextBack(JsonNode expected) {
        String text = expected.get("text").stringValue();
        int[] tokens = integers(expected.get("tokens"));
        assertThat(TOKENIZER.encode(text)).isEqualTo(tokens);
        assertThat(TOKENIZER.decode(tokens)).isEqualTo(text);
    }

    @ParameterizedTest
    @FieldSource("GENERATIONS")
    void greedyTokensArePyTorchs(JsonNode expected) {
        String prompt = expected.get("prompt").stringValue();
        int[] promptTokens = integers(expected.get("prompt_tokens"));
        int[] greedyTokens = integers(expected.get("greedy_tokens"));
        assertThat(TOKENIZER.encode(prompt)).isEqualTo(promptTokens);
        assertThat(TOKENIZER.decode(promptTokens)).isEqualTo(prompt);

        GenerationOptions greedy = GenerationOptions.DEFAULT.withTemperature(0).withMaxNewTokens(greedyTokens.length);
        Generation generation = new Generator(MODEL).generate(prompt, greedy);
        assertThat(generation.promptTokens()).isEqualTo(promptTokens);
        assertThat(generation.tokens()).isEqualTo(greedyTokens);
        assertThat(generation.text()).isEqualTo(expected.get("text").stringValue());
        assertThat(generation.finishReason()).isEqualTo(FinishReason.LENGTH);
    }

    @ParameterizedTest
    @EnumSource(
            value = DType.class,
            names = {"F32", "BF16"})
    void everyDtypeHasTheSameLogits(DType dtype) {
        CausalLM model = AustenModel.load(dtype);
        assertThat(model.dtype()).isEqualTo(dtype);
        int[] tokens = TOKENIZER.encode("It is a truth universally acknowledged, that a single man in possession");
        assertThat(logits(model, tokens)).isEqualTo(logits(MODEL, tokens));
    }

    private static float[] logits(CausalLM model, int... tokens) {
        Rows hidden = model.forward(Batch.of(model.newCache(), tokens), new Activations());
        int vocabularySize = model.head().vocabularySize();
        float[] logits = new float[tokens.length * vocabularySize];
        model.head().logits(hidden, Rows.of(logits, vocabularySize, tokens.length));
        return logits;
    }
}
