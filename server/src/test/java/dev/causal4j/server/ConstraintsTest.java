package dev.causal4j.server;

import static dev.causal4j.server.Unserved.SERVED;
import static dev.causal4j.server.Unserved.in;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.causal4j.constraint.Constraint;
import dev.causal4j.constraint.Matcher;
import dev.causal4j.constraint.Whitespace;
import dev.causal4j.generation.GenerationOptions;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class ConstraintsTest {
    private static Matcher matcher(String fields) {
        return Constraints.read(in("{" + fields + "}"), Whitespace.FLEXIBLE)
                .orElseThrow()
                .constraint()
                .start(SERVED.tokenizer());
    }

    private static boolean allows(String fields, String text) {
        Matcher matcher = matcher(fields);
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        return matcher.accept(bytes) == bytes.length && matcher.isAccepting();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "'response_format': {'type': 'json_object'} | {`a`: 1} | [1]",
                "'response_format': {'type': 'json_object', 'schema': {'enum': [12, 'x']}} | 12 | 1",
                "'response_format': {'type': 'json_schema', 'json_schema': {'schema': {'maximum': 2.25,"
                        + " 'type': 'number'}}}"
                        + " | 2.25"
                        + " | 2.26",
                "'structured_outputs': {'json': {'const': true}} | true | false",
                "'structured_outputs': {'json': '{`const`: true}'} | true | false",
                "'structured_outputs': {'regex': 'a+'} | aaa | ab",
                "'structured_outputs': {'choice': ['yes', 'no']} | no | maybe",
                "'structured_outputs': {'grammar': 'root ::= `x`'} | x | y",
                "'structured_outputs': {'json_object': true} | {} | 1",
                "'guided_json': {'const': 1} | 1 | 2",
                "'guided_regex': 'a' | a | b",
                "'guided_choice': ['a'] | a | b",
                "'guided_grammar': 'root ::= `x`' | x | y",
                "'grammar': 'root ::= `x`' | x | y",
                "'json_schema': {'const': 1} | 1 | 2",
            })
    void eachFieldAsksForItsConstraint(String fields, String allowed, String other) {
        String body = fields.replace("`", "\\\"");
        assertThat(allows(body, allowed.replace('`', '"'))).isTrue();
        assertThat(allows(body, other.replace('`', '"'))).isFalse();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "'response_format': null",
                "'response_format': {'type': 'text'}",
                "'structured_outputs': null",
                "'guided_json': null",
                "'grammar': ''"
            })
    void noneIsWanted(String fields) {
        assertThat(Constraints.read(in("{" + fields + "}"), Whitespace.FLEXIBLE))
                .isEmpty();
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "'response_format': 'json' | response_format: expected an object, got \"json\"",
                "'response_format': {} | response_format.type: expected text, json_object or json_schema, got \"\"",
                "'response_format': {'type': 5} | response_format.type: expected a string, got 5",
                "'response_format': {'type': 'json_schema'}"
                        + " | response_format.json_schema: expected an object, got nothing",
                "'response_format': {'type': 'json_schema', 'json_schema': {'name': 'a'}}"
                        + " | response_format.json_schema.schema: expected a JSON Schema, got nothing",
                "'structured_outputs': {'whitespace_pattern': ' '}"
                        + " | structured_outputs.whitespace_pattern: expected nothing, since this is not"
                        + " supported, got \" \"",
                "'structured_outputs': {'structural_tag': '{}'}"
                        + " | structured_outputs.structural_tag: expected nothing, since this is not supported,"
                        + " got \"{}\"",
                "'structured_outputs': {'choice': [1]} | structured_outputs.choice.[0]: expected a string, got 1",
                "'guided_regex': 5 | guided_regex: expected a string, got 5",
                "'guided_regex': 'a', 'grammar': 'b'"
                        + " | grammar: expected one constraint at most, as guided_regex, got 2",
                "'structured_outputs': {'regex': 'a', 'json_object': true}"
                        + " | structured_outputs.json_object: expected one constraint at most, as"
                        + " structured_outputs.regex, got 2"
            })
    void aWrongFieldIsNamed(String fields, String message) {
        assertThatExceptionOfType(ApiError.class)
                .isThrownBy(() -> Constraints.read(in("{" + fields + "}"), Whitespace.FLEXIBLE))
                .withMessage(message)
                .matches(error -> error.status == 400);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "'response_format': {'type': 'json_schema', 'json_schema': {'schema': {'properties':"
                        + " {'deep': {'type': 'nonsense'}}}}}"
                        + " | response_format.json_schema.schema"
                        + " | /properties/deep",
                "'response_format': {'type': 'json_schema', 'json_schema': {'schema': {'properties':"
                        + " {'a': {'if': {}}}}}}"
                        + " | response_format.json_schema.schema"
                        + " | /properties/a",
                "'structured_outputs': {'regex': '(a'} | structured_outputs.regex | regex",
                "'grammar': 'x ::= y' | grammar | grammar",
            })
    void whatCannotBeCompiledIsRefusedWithItsPlace(String fields, String param, String part) throws Exception {
        HttpResponse<String> refused = Served.send(Served.SERVER, "/v1/completions", "{'prompt': 'a', " + fields + "}");
        assertThat(refused.statusCode()).isEqualTo(400);
        JsonNode error = JsonMapper.shared().readTree(refused.body()).get("error");
        assertThat(error.get("param").asString()).isEqualTo(param);
        assertThat(error.get("message").asString()).contains(part).matches("[^\\n]+: expected [^\\n]+, got [^\\n]+");
    }

    @Test
    void numbersOfASchemaKeepTheirDigits() {
        String fields = "'json_schema': {'type': 'number', 'maximum': 2.24999999999999999}";
        assertThat(allows(fields, "2.2499999")).isTrue();
        assertThat(allows(fields, "2.25")).isFalse();
    }

    @Test
    void runsOfTokensAreNotForbiddenBesideAConstraint() {
        GenerationOptions ngrams = GenerationOptions.DEFAULT.with(GenerationOptions.Setting.NO_REPEAT_NGRAM_SIZE, 2);
        assertThatExceptionOfType(ApiError.class)
                .isThrownBy(() -> Constraints.add(ngrams, Optional.of(Constraint.regex("a"))))
                .withMessage("no_repeat_ngram_size: expected 0 beside a constraint, got 2");
    }
}
