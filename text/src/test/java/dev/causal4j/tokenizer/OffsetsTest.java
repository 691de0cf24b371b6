package dev.causal4j.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Where tokens are in their text. */
class OffsetsTest {
    private static List<String> parts(Tokenizer tokenizer, String text) {
        byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
        Tokenizer.Encoding encoding = tokenizer.encodeWithOffsets(text, SpecialTokens.PARSE);
        List<String> parts = new ArrayList<>();
        for (int i = 0; i < encoding.tokens().length; i++) {
            byte[] part = Arrays.copyOfRange(utf8, encoding.starts()[i], encoding.ends()[i]);
            parts.add(new String(part, StandardCharsets.UTF_8));
        }
        return parts;
    }

    @Test
    void byteLevelTokensLieSideBySide() throws IOException {
        Tokenizer austen = Fixtures.austen();
        String text = "caf\u00e9  \ud83d\ude42<|endoftext|>Emma\n was";
        Tokenizer.Encoding encoding = austen.encodeWithOffsets(text, SpecialTokens.PARSE);

        int at = 0;
        for (int i = 0; i < encoding.tokens().length; i++) {
            assertThat(encoding.starts()[i]).isEqualTo(at);
            at += austen.bytes(encoding.tokens()[i]).length;
            assertThat(encoding.ends()[i]).isEqualTo(at);
        }
        assertThat(at).isEqualTo(text.getBytes(StandardCharsets.UTF_8).length);
    }

    @Test
    void aSpaceThatOnlyTheModelReadsIsNowhere() throws IOException {
        Tokenizer tokenizer = TokenizerGoldenTest.tokenizer("llama2-style");

        assertThat(String.join("|", parts(tokenizer, "The quick brown fox")))
                .startsWith("The| qu")
                .endsWith("n| fo|x");
        assertThat(parts(tokenizer, "a\ud83d\ude42b")).hasSize(6).endsWith("b");
        assertThat(parts(tokenizer, "<s>a</s> b")).containsExactly("<s>", "a", "</s>", " ", "b");
    }

    @Test
    void whatIsNormalizedSharesItsBytes() throws IOException {
        Tokenizer tokenizer = TokenizerGoldenTest.tokenizer("qwen3-small");

        assertThat(parts(tokenizer, "xe\u0301y e\u0301 z"))
                .contains("x", "e\u0301", "y")
                .endsWith(" z");
    }

    @Test
    void spaceThatATokenTakesIsLeftOut() throws IOException {
        Tokenizer tokenizer = TokenizerGoldenTest.tokenizer("phi3-style");

        assertThat(parts(tokenizer, "<|user|>\nHi<|end|>"))
                .startsWith("<|user|>", "H")
                .endsWith("<|end|>");
    }

    /** A search for what is visible, from each token again, takes a hundred times for ten times the line ends. */
    @Test
    void timeGrowsAsTheSpacesThatAreTokens() {
        millis(10_000);
        long once = millis(10_000);
        assertThat(millis(100_000)).isLessThan(20 * once + 100);
    }

    private static long millis(int count) {
        long start = ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
        assertThat(Offsets.find("\n".repeat(count), new int[count], id -> new byte[] {'\n'})
                        .ends())
                .endsWith(count);
        return (ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime() - start) / 1_000_000;
    }
}
