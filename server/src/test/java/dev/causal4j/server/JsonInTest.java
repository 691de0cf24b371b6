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

    @Test
    void wholeNumbersMayBeWrittenWithAFraction() {
        JsonIn in = Unserved.in("{'a': 4.0, 'b': 2e0, 'c': 9007199254740993, 'n': null}");
        assertThat(in.integer("a", 0, 0, 4)).isEqualTo(4);
        assertThat(in.integer("b", 0, 0, 4)).isEqualTo(2);
        assertThat(in.whole("c", 0, Long.MAX_VALUE)).contains(9007199254740993L);
        assertThat(in.integer("n", 7, 0, 4)).as("a null counts as absent").isEqualTo(7);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "4.5 | invalid_value | x.y: expected a whole number from 0 to 9, got 4.5",
                "1e999 | invalid_value | x.y: expected a whole number from 0 to 9, got 1E+999",
                "10 | invalid_value | x.y: expected a whole number from 0 to 9, got 10",
                "'4' | invalid_type | x.y: expected a whole number from 0 to 9, got \"4\"",
                "true | invalid_type | x.y: expected a whole number from 0 to 9, got true"
            })
    void anyOtherValueIsNamedWithItsPath(String value, String code, String message) {
        JsonIn in = Unserved.in("{'x': {'y': " + value + "}}").object("x").orElseThrow();
        assertThatExceptionOfType(ApiError.class)
                .isThrownBy(() -> in.integer("y", 0, 0, 9))
                .withMessage(message)
                .matches(error -> error.status == 400 && error.code().equals(code));
    }

    @ParameterizedTest
    @CsvSource({
        "null, true",
        "false, true",
        "0, true",
        "-1, true",
        "'', true",
        "[], true",
        "{}, true",
        "true, false",
        "1, false",
        "[0], false"
    })
    void aFieldThatTurnsNothingOnIsOff(String value, boolean off) {
        String written = value.isEmpty() ? "''" : value;
        assertThat(Unserved.in("{'a': " + written + "}").isOff("a")).isEqualTo(off);
        assertThat(Unserved.in("{}").isOff("a")).isTrue();
    }

    @Test
    void halfACharacterIsNoText() {
        JsonIn in = Unserved.in("{'a': '\\ud83d', 'b': ['x', 5]}");
        assertThatExceptionOfType(ApiError.class)
                .isThrownBy(() -> in.string("a"))
                .withMessageStartingWith("a: expected text of whole characters");
        assertThatExceptionOfType(ApiError.class)
                .isThrownBy(() -> in.strings("b", 2))
                .withMessage("b.[1]: expected a string, got 5");
        assertThatExceptionOfType(ApiError.class)
                .isThrownBy(() -> in.strings("b", 1))
                .withMessage("b: expected at most 1 values, got a list of 2");
    }
}
