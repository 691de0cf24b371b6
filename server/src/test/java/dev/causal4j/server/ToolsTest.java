package dev.causal4j.server;

import static dev.causal4j.server.Unserved.in;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.causal4j.chat.ToolChoice;
import dev.causal4j.chat.ToolDefinition;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ToolsTest {
    private static final String VISIT = "{'type': 'function', 'function': {'name': 'visit'}}";

    private static Tools read(String fields) {
        return Tools.read(in("{" + fields + "}"));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "'tools': [] | NONE",
                "'tools': null, 'tool_choice': 'auto' | NONE",
                "'tool_choice': 'none' | NONE",
                "'tools': [VISIT] | AUTO",
                "'tools': [VISIT], 'tool_choice': null | AUTO",
                "'tools': [VISIT], 'tool_choice': 'none' | NONE",
                "'tools': [VISIT], 'tool_choice': 'required' | REQUIRED",
                "'tools': [VISIT], 'tool_choice': {'type': 'function', 'function': {'name': 'visit'}} | NAMED"
            })
    void theChoiceIsFreeWhereThereAreToolsUnlessItIsGiven(String fields, ToolChoice.Kind kind) {
        assertThat(read(fields.replace("VISIT", VISIT)).choice().kind()).isEqualTo(kind);
    }

    @Test
    void oneCallAtMostIsMadeWhereParallelOnesAreOff() {
        String fields = "'tools': [" + VISIT + "], 'tool_choice': 'required'";
        assertThat(read(fields).choice().parallel()).isTrue();
        assertThat(read(fields + ", 'parallel_tool_calls': false").choice().parallel())
                .isFalse();
    }

    @Test
    void templatesSeeWhatModelsKnowOfATool() {
        String tool = "{'type': 'function', 'cache_control': {}, 'function': {'parameters': {'title': 'T'},"
                + " 'description': null, 'x': 1, 'name': 'visit'}}";
        assertThat(read("'tools': [" + tool + "]").offered())
                .containsExactly(new ToolDefinition(Map.of(
                        "type", "function", "function", Map.of("name", "visit", "parameters", Map.of("title", "T")))));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "'tools': 'visit' | tools: expected a list, got \"visit\"",
                "'tools': [5] | tools.[0]: expected an object, got 5",
                "'tools': [{'type': 'web_search'}] | tools.[0].type: expected \"function\", got \"web_search\"",
                "'tools': [{'type': 'function'}] | tools.[0].function: expected an object, got nothing",
                "'tools': [{'type': 'function', 'function': {}}]"
                        + " | tools.[0].function.name: expected a string, got nothing",
                "'tools': [{'type': 'function', 'function': {'name': 'a.b'}}]"
                        + " | tools.[0].function.name: expected 1 to 64 of A-Z a-z 0-9 _ -, got \"a.b\"",
                "'tools': [VISIT, VISIT]"
                        + " | tools.[1].function.name: expected another name than the tools before have, got"
                        + " \"visit\"",
                "'tools': [{'type': 'function', 'function': {'name': 'a', 'parameters': []}}]"
                        + " | tools.[0].function.parameters: expected an object, got a list of 0",
                "'tools': [{'type': 'function', 'function': {'name': 'a', 'parameters': {'type':"
                        + " 'string'}}}]"
                        + " | tools.[0].function.parameters.type: expected \"object\", got \"string\"",
                "'tool_choice': 'required' | tool_choice: expected tools with it, got \"required\"",
                "'tools': [VISIT], 'tool_choice': 'sometimes'"
                        + " | tool_choice: expected none, auto, required or a function, got \"sometimes\"",
                "'tools': [VISIT], 'tool_choice': {'type': 'function'}"
                        + " | tool_choice.function: expected an object, got nothing",
                "'tools': [VISIT], 'tool_choice': {'type': 'function', 'function': {'name': 'rest'}}"
                        + " | tool_choice.function.name: expected the name of one of the tools, got \"rest\"",
                "'functions': [VISIT] | functions: expected nothing, since this is not supported, got a list of 1",
            })
    void aWrongDefinitionOrChoiceIsNamed(String fields, String message) {
        assertThatExceptionOfType(ApiError.class)
                .isThrownBy(() -> read(fields.replace("VISIT", VISIT)))
                .withMessage(message)
                .matches(error -> error.status == 400);
    }
}
