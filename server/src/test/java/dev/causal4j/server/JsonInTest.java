package dev.causal4j.server;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class JsonInTest {
    private static JsonIn parse(String body) {
        return JsonIn.parse(body.getBytes(StandardCharsets.UTF_8));
    }

    @Test
    void aBodyMayBeAHundredDeep() {
        assertThat(parse("{'a':".replace('\'', '"') + "[".repeat(99) + "]".repeat(99) + "}")
                        .has("a"))
                .isTrue();
        assertThatExceptionOfType(ApiError.class)
                .isThrownBy(() -> parse("{'a':".replace('\'', '"') + "[".repeat(100) + "]".repeat(100) + "}"))
                .withMessage("body: expected depth at most 100, got more");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{'a':NaN} | Non-standard token 'NaN'",
                "{'a':[1,2} | Unexpected close marker '}': expected ']'",
                "{ | Unexpected end-of-input: expected close marker for Object",
                "/* | Unexpected character ('/' (code 47)): maybe a (non-standard) comment?",
                "{'a':+1} | Unexpected character ('+' (code 43)) in numeric value: JSON spec does not allow ..."
            })
    void whatIsNoJsonIsNamedWithoutThePartsOfAParser(String body, String got) {
        assertThatExceptionOfType(ApiError.class)
                .isThrownBy(() -> parse(body.replace('\'', '"')))
                .withMessageMatching("body: expected valid JSON, got \"\\Q" + got + "\\E\" at line 1, column \\d+");
    }

    @Test
    void aNumberOfTooManyDigitsIsNamedByItsLength() {
        assertThatExceptionOfType(ApiError.class)
                .isThrownBy(() -> parse("{\"a\":" + "9".repeat(2000) + "}"))
                .withMessage("body: expected valid JSON,"
                        + " got \"Number value length (2000) exceeds the maximum allowed (1000)\"");
    }
}
