package dev.causal4j.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import dev.causal4j.FormatException;

/** Whatever the bytes, a tokenizer.json is refused with one line, or encodes and decodes: native code ends no process. */
class TokenizerFuzzTest {
    @FuzzTest(maxDuration = "10s")
    void aTokenizerIsRefusedOrWorks(byte[] json) {
        Tokenizer tokenizer;
        try {
            tokenizer = Tokenizer.fromJson("tokenizer", json);
        } catch (FormatException e) {
            assertThat(e.getMessage()).doesNotContain("\n", "\r", "\u001b").startsWith("tokenizer");
            return;
        }
        for (SpecialTokens specialTokens : SpecialTokens.values()) {
            try {
                tokenizer.decode(tokenizer.encode("ab a<s>  b a\n\ud83d\ude42", specialTokens));
            } catch (IllegalArgumentException e) {
                assertThat(e.getMessage()).startsWith("text: expected bytes the vocabulary has a token for");
            }
        }
    }
}
