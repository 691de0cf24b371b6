package dev.causal4j.model.gguf;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.UnsupportedModelException;
import dev.causal4j.json.Json;
import dev.causal4j.tokenizer.Tokenizer;
import dev.causal4j.tokenizer.TokenizerGoldenTest;
import java.io.IOException;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Tokenizers that a GGUF file can hold give the ids of Hugging Face's library after a round trip; others are refused by
 * name.
 */
public class GgufTokensTest {
    /** The tokenizer after a round trip, for a model with more rows than tokens. */
    public static Tokenizer again(String name, Tokenizer tokenizer) throws IOException {
        return again(name, tokenizer, name.startsWith("phi3") ? "phi3" : "llama");
    }

    private static Tokenizer again(String name, Tokenizer tokenizer, String architecture) throws IOException {
        int rows = tokenizer.vocabularySize() + 3;
        Map<String, Integer> special = new HashMap<>();
        Arrays.stream(tokenizer.withPrefix(new int[0])).forEach(id -> special.put("bos", id));
        Json file = new Json(name, Map.of("general.architecture", architecture));
        Map<String, Object> vocabulary = GgufTokens.of(file, tokenizer, rows).metadata(tokenizer, special);
        return new GgufVocabulary(file.with(vocabulary), rows).tokenizer();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "llama2-style",
                "llama3-style",
                "minimind",
                "mistral-nemo-small",
                "phi3-style",
                "qwen3-small",
                "smollm2-small"
            })
    void idsAndTextsStayThoseOfHuggingFace(String name) throws IOException {
        TokenizerGoldenTest.compare(name, again(name, TokenizerGoldenTest.tokenizer(name)));
    }

    /** The merges are unchanged, whatever their order. */
    @Test
    void gemmasTokenizerIsOfGemma4sKindInItsFiles() throws IOException {
        Tokenizer tokenizer = TokenizerGoldenTest.tokenizer("gemma-style");
        TokenizerGoldenTest.compare("gemma-style", again("gemma-style", tokenizer, "gemma4"));
    }

    @ParameterizedTest
    @CsvSource({
        "deepseek-style, pre_tokenizer",
        "gpt-neox-small, pre_tokenizer",
        "mistral-style, pre_tokenizer",
        "gemma-style, merges", // the merges of its runs of spaces do not come first
        "unigram-style, model"
    })
    void whatNoFileCanSayIsRefusedByName(String name, String key) throws IOException {
        Tokenizer tokenizer = TokenizerGoldenTest.tokenizer(name);
        assertThatThrownBy(() -> again(name, tokenizer))
                .isInstanceOf(UnsupportedModelException.class)
                .hasMessageStartingWith(name + ", tokenizer, key \"" + key + "\": expected ");
    }
}
