package dev.causal4j.server;

import static dev.causal4j.server.Unserved.TOKENIZER;
import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.tokenizer.SpecialTokens;
import org.junit.jupiter.api.Test;

class TokenNamesTest {
    private final TokenNames names = new TokenNames(TOKENIZER, false);

    @Test
    void aTokenOfWholeCharactersIsItsText() {
        assertThat(names.name(304)).isEqualTo(" was");
    }

    @Test
    void partsOfACharacterAreBytesAndDifferFromOneAnother() {
        int[] parts = TOKENIZER.encode("😀", SpecialTokens.AS_TEXT);
        assertThat(names.name(parts[0])).startsWith("bytes:\\xf0").isNotEqualTo(names.name(parts[1]));
    }

    @Test
    void anIdBeyondTheTokenizerHasNoBytes() {
        assertThat(names.bytes(TOKENIZER.vocabularySize())).isEmpty();
        assertThat(new TokenNames(TOKENIZER, true).name(9999)).isEqualTo("token_id:9999");
    }
}
