package dev.causal4j.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.model.gguf.GgufTokensTest;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Whole tokenizers of {@link PublishedTokenizersTest} after a GGUF file. */
@EnabledIfSystemProperty(named = "causal4j.whole", matches = "true")
class PublishedGgufTokensTest {
    private static Map.Entry<String, String> named(String name) {
        return PublishedTokenizersTest.packages().stream()
                .filter(each -> each.getKey().equals(name))
                .findFirst()
                .orElseThrow();
    }

    @ParameterizedTest
    @ValueSource(strings = {"qwen3", "llama3_1", "llama2", "gemma3"})
    void idsAndTextsAreThoseOfHuggingFace(String name) throws Exception {
        Tokenizer tokenizer = PublishedTokenizersTest.tokenizer(named(name));
        TokenizerGoldenTest.compare(name, GgufTokensTest.again(name, tokenizer));
    }

    /** Runs of spaces longer than its longest token are cut as by llama.cpp. */
    @Test
    void runsOfSpacesOfGemma2AreTheSameAfterAGgufFile() throws Exception {
        Map.Entry<String, String> gemma = named("gemma2");
        Tokenizer tokenizer = PublishedTokenizersTest.tokenizer(gemma);
        Tokenizer again = GgufTokensTest.again(gemma.getValue(), tokenizer);
        for (int n = 0; n <= 31; n++) {
            String text = "a" + " ".repeat(n) + "b\n" + " ".repeat(n) + "the";
            assertThat(again.encode(text)).as("%d spaces", n).isEqualTo(tokenizer.encode(text));
        }
    }
}
