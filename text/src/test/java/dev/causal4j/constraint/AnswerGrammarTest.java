package dev.causal4j.constraint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.chat.Answer;
import dev.causal4j.chat.AnswerParser;
import dev.causal4j.chat.ToolCall;
import dev.causal4j.chat.ToolChoice;
import dev.causal4j.chat.ToolDefinition;
import dev.causal4j.chat.ToolFormat;
import dev.causal4j.json.Json;
import dev.causal4j.tokenizer.Tokenizer;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Answers with tools, of a tokenizer in which some marks are control tokens and some are text. */
class AnswerGrammarTest {
    private static final ToolDefinition WEATHER = tool("get_weather", false, """
            {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}""");
    private static final ToolDefinition ADD = tool("add", true, """
            {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"],
             "additionalProperties": false}""");
    private static final String CALL =
            "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": \"Paris\"}}\n</tool_call>";

    private final Tokenizer tokenizer;

    AnswerGrammarTest() throws IOException {
        String file = "/dev/causal4j/tokenizer/golden/qwen3-small/tokenizer.json";
        try (InputStream json = Objects.requireNonNull(AnswerGrammarTest.class.getResourceAsStream(file))) {
            tokenizer = Tokenizer.fromJson(file, json.readAllBytes());
        }
    }

    private static ToolDefinition tool(String name, boolean strict, String schema) {
        try {
            Map<String, Object> parameters = Json.tree(name, schema.getBytes(StandardCharsets.UTF_8));
            return new ToolDefinition(
                    Json.object("function", Json.object("name", name, "strict", strict, "parameters", parameters)));
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private Matcher matcher(ToolFormat format, ToolChoice choice, ToolDefinition... tools) {
        return Constraint.answer(format, List.of(tools), choice, false, false, Optional.empty())
                .start(tokenizer);
    }

    /** How many characters can be completed; negative if the text is whole. */
    private static int reach(Matcher matcher, String text) {
        int read = matcher.accept(text.getBytes(StandardCharsets.UTF_8));
        return read == text.length() && matcher.isAccepting() ? -1 : read;
    }

    private int hermes(ToolChoice choice, String text) {
        return reach(matcher(ToolFormat.HERMES, choice, WEATHER, ADD), text);
    }

    @Test
    void textIsFreeUntilACallBeginsAndAgainBehindIt() {
        for (String text : List.of("", "Use the <tool> tag. <tool_call", CALL, "Well.\n" + CALL + "\nDone. 1 < 2")) {
            assertThat(hermes(ToolChoice.AUTO, text)).as(text).isEqualTo(-1);
        }
        assertThat(hermes(ToolChoice.AUTO, CALL + "\n" + CALL)).isEqualTo(-1);
        assertThat(hermes(ToolChoice.AUTO.withParallel(false), CALL)).isEqualTo(-1);
        assertThat(hermes(ToolChoice.AUTO.withParallel(false), CALL + "\n")).isEqualTo(CALL.length());
        assertThat(hermes(ToolChoice.NONE, "<tool_call>x")).isEqualTo(-1);
    }

    @Test
    void aCallCannotBeMalformed() {
        String head = "<tool_call>\n{\"name\": \"";
        assertThat(hermes(ToolChoice.AUTO, "a" + head + "fly")).isEqualTo(1 + head.length());
        assertThat(hermes(ToolChoice.AUTO, head + "get_weather\", \"arguments\": {\"city\": 5"))
                .isEqualTo((head + "get_weather\", \"arguments\": {\"city\": ").length());
        assertThat(hermes(ToolChoice.AUTO, head + "add\", \"arguments\": {\"x\": 12}}\n</tool_call>"))
                .isEqualTo(-1);
    }

    @Test
    void requiredAndNamedCallsStandAlone() {
        assertThat(hermes(ToolChoice.REQUIRED, CALL + "\n" + CALL)).isEqualTo(-1);
        assertThat(hermes(ToolChoice.REQUIRED, "A")).isEqualTo(0);
        assertThat(hermes(ToolChoice.REQUIRED, CALL + "\nDone")).isEqualTo(CALL.length() + 1);
        assertThat(hermes(ToolChoice.named("get_weather"), CALL)).isEqualTo(-1);
        assertThat(hermes(ToolChoice.named("get_weather"), CALL + "\n")).isEqualTo(CALL.length());
        assertThat(hermes(ToolChoice.named("add"), CALL)).isEqualTo("<tool_call>\n{\"name\": \"".length());
    }

    @Test
    void callsWithoutAMarkAreKnownByTheirBeginning() {
        String call = "{\"name\": \"add\", \"parameters\": {\"x\": 1}}";
        Matcher auto = matcher(ToolFormat.LLAMA3, ToolChoice.AUTO, ADD);
        assertThat(reach(auto.copy(), call)).isEqualTo(-1);
        assertThat(reach(auto.copy(), call + "; " + call)).isEqualTo(-1);
        assertThat(reach(auto.copy(), "{\"answer\": 42}")).isEqualTo(-1);
        assertThat(reach(auto.copy(), "{\"name\": \"Emma\"}")).isEqualTo(-1);
        assertThat(reach(auto.copy(), "Use " + call + " then")).isEqualTo(-1);
        assertThat(reach(auto.copy(), "{\"name\": \"add\", \"parameters\": 5")).isEqualTo(30);
        Matcher python = matcher(ToolFormat.PYTHONIC, ToolChoice.AUTO, ADD);
        assertThat(reach(python.copy(), "[add(x=1), add(x=-2)]")).isEqualTo(-1);
        assertThat(reach(python.copy(), "[1, 2, 3]")).isEqualTo(-1);
        assertThat(reach(python.copy(), "[add(y")).isEqualTo(5);
    }

    @Test
    void thoughtsAreFreeAndWhatFollowsIsHeld() {
        Constraint letter = Constraint.choice(List.of("yes", "no"));
        Constraint open =
                Constraint.answer(ToolFormat.HERMES, List.of(), ToolChoice.NONE, true, false, Optional.of(letter));
        assertThat(reach(open.start(tokenizer), "Hm, <tool_call> no.\n</think>\n\nyes"))
                .isEqualTo(-1);
        assertThat(reach(open.start(tokenizer), "yes")).isEqualTo(3);
        assertThat(reach(open.start(tokenizer), "</think>\n\n\n")).isEqualTo(10);
        Constraint may =
                Constraint.answer(ToolFormat.HERMES, List.of(), ToolChoice.NONE, false, true, Optional.of(letter));
        assertThat(reach(may.start(tokenizer), "<think>\nHm\n</think>\n\nno")).isEqualTo(-1);
        assertThat(reach(may.start(tokenizer), "no")).isEqualTo(-1);
        assertThat(reach(may.start(tokenizer), "Hm")).isZero();
        Constraint calls = Constraint.answer(
                ToolFormat.HERMES, List.of(WEATHER), ToolChoice.REQUIRED, true, false, Optional.empty());
        assertThat(reach(calls.start(tokenizer), "Hm.</think>" + CALL)).isEqualTo(-1);
        assertThat(reach(calls.start(tokenizer), "Hm.</think>\nParis")).isEqualTo(12);
    }

    @Test
    void anAnswerIsACallOrADocument() {
        Constraint both = Constraint.answer(
                ToolFormat.HERMES,
                List.of(WEATHER),
                ToolChoice.AUTO,
                false,
                false,
                Optional.of(Constraint.choice(List.of("yes"))));
        assertThat(reach(both.start(tokenizer), "yes")).isEqualTo(-1);
        assertThat(reach(both.start(tokenizer), CALL)).isEqualTo(-1);
        assertThat(reach(both.start(tokenizer), "no")).isZero();
    }

    @Test
    void channelsHoldContentAndCalls() {
        String thought = "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant";
        String call = "<|channel|>commentary to=functions.add <|constrain|>json<|message|>{\"x\": 1}";
        Matcher auto = matcher(ToolFormat.HARMONY, ToolChoice.AUTO, ADD);
        assertThat(reach(auto.copy(), thought + call)).isEqualTo(-1);
        assertThat(reach(auto.copy(), " to=functions.add<|channel|>commentary json<|message|>{\"x\": 1}"))
                .isEqualTo(-1);
        assertThat(reach(auto.copy(), thought + "<|channel|>final<|message|>Hello."))
                .isEqualTo(-1);
        assertThat(reach(auto.copy(), "<|channel|>commentary to=functions.fly")).isEqualTo(35);
        Matcher required = matcher(ToolFormat.HARMONY, ToolChoice.REQUIRED, ADD);
        assertThat(reach(required.copy(), thought + call)).isEqualTo(-1);
        assertThat(reach(required.copy(), "<|channel|>f")).isEqualTo(11);
    }

    @Test
    void aRefusedSchemaIsAnErrorForAStrictToolAloneAndAMalformedOneForAll() {
        String refused =
                "{\"type\": \"object\", \"if\": {\"type\": \"object\"}, \"properties\": {\"p\": {\"type\": \"string\"}}}";
        for (ToolFormat format : ToolFormat.values()) {
            assertThatThrownBy(() -> matcher(format, ToolChoice.REQUIRED, tool("f", true, refused)))
                    .isInstanceOf(ConstraintException.class)
                    .hasMessageContaining("tool f, schema: expected")
                    .hasMessageContaining("\"if\"");
            assertThat(matcher(format, ToolChoice.REQUIRED, tool("f", false, refused))
                            .isAccepting())
                    .isFalse();
        }
        Matcher any = matcher(ToolFormat.NONE, ToolChoice.REQUIRED, tool("f", false, refused));
        assertThat(reach(any, "{\"name\": \"f\", \"arguments\": {\"anything\": [1]}}"))
                .isEqualTo(-1);
        assertThatThrownBy(
                        () -> matcher(ToolFormat.HERMES, ToolChoice.AUTO, tool("f", false, "{\"type\": \"nonsense\"}")))
                .isInstanceOf(ConstraintException.class);
    }

    @Test
    void aToolOfMoreOptionalPropertiesThanAMaskCanHoldIsRefused() {
        StringBuilder properties = new StringBuilder("{\"properties\": {\"p\": {}");
        for (int i = 0; i < 1900; i++) {
            properties.append(", \"p").append(i).append("\": {}");
        }
        ToolDefinition large = tool("f", false, properties.append("}}").toString());
        for (ToolFormat format : ToolFormat.values()) {
            assertThatThrownBy(() -> matcher(format, ToolChoice.REQUIRED, large))
                    .isInstanceOf(ConstraintException.class)
                    .hasMessageMatching(
                            "tool f, schema[^\n]*: expected at most 1,900 properties that can follow[^\n]*");
        }
    }

    @Test
    void aStringOfAListBetweenTagsDoesNotEndIt() {
        ToolDefinition list = tool("f", true, """
                {"type": "object", "properties": {"p": {"type": "array", "items": {"type": "string"}}, "o": {}}}""");
        String qwen = "<tool_call>\n<function=f>\n<parameter=p>\n[\"a <b> ";
        Matcher coder = matcher(ToolFormat.QWEN3_CODER, ToolChoice.REQUIRED, list);
        assertThat(reach(coder.copy(), qwen + "</parameter>")).isEqualTo((qwen + "</parameter").length());
        assertThat(reach(
                        coder.copy(), qwen + "<\\/parameter> </arg_value>\"]\n</parameter>\n</function>\n</tool_call>"))
                .isEqualTo(-1);
        String glm = "<tool_call>f\n<arg_key>o</arg_key>\n<arg_value>{\"";
        Matcher key = matcher(ToolFormat.GLM, ToolChoice.REQUIRED, list);
        assertThat(reach(key.copy(), glm + "</arg_value>")).isEqualTo((glm + "</arg_value").length());
        assertThat(reach(key.copy(), glm + "</parameter>\": 1}</arg_value>\n</tool_call>"))
                .isEqualTo(-1);
    }

    @Test
    void argumentsOneByOneObeyTheWholeSchema() {
        ToolDefinition tool = tool("f", true, """
                {"properties": {"p": {"$ref": "#/$defs/n"}, "s": {"type": "string", "maxLength": 2, "not": {"const": "no"}}},
                 "$defs": {"n": {"anyOf": [{"const": 1}, {"const": 2}]}}, "required": ["p"]}""");
        String head = "<tool_call>\n<function=f>\n<parameter=p>\n";
        String next = "\n</parameter>\n<parameter=s>\n";
        Matcher coder = matcher(ToolFormat.QWEN3_CODER, ToolChoice.REQUIRED, tool);
        assertThat(reach(coder.copy(), head + "2" + next + "on\n</parameter>\n</function>\n</tool_call>"))
                .isEqualTo(-1);
        assertThat(reach(coder.copy(), head + "3")).isEqualTo(head.length());
        assertThat(reach(coder.copy(), head + "1" + next + "no")).isEqualTo((head + "1" + next + "n").length());
    }

    /** A schema of an argument, and texts between tags with the JSON that is read from them. */
    @ParameterizedTest
    @CsvSource(delimiter = '§', quoteCharacter = '~', textBlock = """
            {'type': 'string'}                                             § Bath='Bath' null='null' 12='12'
            {'type': ['string', 'null']}                                   § Bath='Bath' null=null 12='12'
            {'anyOf': [{'type': 'string', 'minLength': 2}, {'type': 'null'}]} § Bath='Bath' null=null
            {'enum': ['Bath', '12', 'null']}                               § Bath='Bath' null='null' 12='12'
            {'oneOf': [{'const': 'Bath'}, {'enum': ['York', null]}]}       § Bath='Bath' York='York' null=null
            {'$ref': '#/$defs/c'}                                          § Bath='Bath'
            {'anyOf': [{'$ref': '#/$defs/c'}, {'type': 'null'}]}           § York='York' null=null
            {'anyOf': [{'type': 'string'}, {'type': 'integer'}]}           § 'Bath'='Bath' 12=12
            {'enum': ['Bath', 12]}                                         § 'Bath'='Bath' 12=12
            {'type': ['integer', 'null']}                                  § 12=12 null=null
            {'const': ['a']}                                               § ['a']=['a']
            """)
    void aTextBetweenTagsIsAStringOrNullWhereTheSchemaSaysSo(String schema, String texts) {
        String whole = "{'properties': {'a': %s}, 'required': ['a'], '$defs': {'c': {'enum': ['Bath', 'York']}}}"
                .formatted(schema);
        ToolDefinition tool = tool("f", true, whole.replace('\'', '"'));
        for (String each : texts.replace('\'', '"').strip().split(" +", -1)) {
            String[] sides = each.split("=", 2);
            for (ToolFormat format : List.of(ToolFormat.QWEN3_CODER, ToolFormat.GLM)) {
                String call = format == ToolFormat.GLM
                        ? "<tool_call>f\n<arg_key>a</arg_key>\n<arg_value>%s</arg_value>\n</tool_call>"
                        : "<tool_call>\n<function=f>\n<parameter=a>\n%s\n</parameter>\n</function>\n</tool_call>";
                String text = call.formatted(sides[0]);
                assertThat(reach(matcher(format, ToolChoice.REQUIRED, tool), text))
                        .as(each)
                        .isNegative();
                AnswerParser parser =
                        new AnswerParser(format, List.of(tool), ToolChoice.REQUIRED, false, 1, Answer.Listener.NONE);
                parser.accept(text);
                assertThat(parser.end("stop").calls())
                        .extracting(ToolCall::arguments)
                        .containsExactly("{\"a\": " + sides[1] + "}");
            }
        }
    }

    @Test
    void whatIsNoPlainTextIsNoneAlsoInCircles() {
        ToolDefinition circles = tool("f", true, """
                {"properties": {"a": {"$ref": "#/$defs/a"}, "b": {"$ref": "#/$defs/b"}, "c": {"$ref": "x.json"}, "d": {}},
                 "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}, {"type": "string"}]},
                           "b": {"anyOf": [{"type": "string"}, {"$ref": "#/$defs"}]}}}""");
        for (String argument : List.of("a", "b", "c", "d", "e")) {
            assertThat(circles.textTypes(argument)).as(argument).isEmpty();
        }
    }

    /** A schema of an argument, values that it allows, a bar, others. */
    @ParameterizedTest
    @CsvSource(delimiter = '§', quoteCharacter = '~', textBlock = """
            {'type': 'boolean'}                                  § True False | true None 1
            {'type': 'boolean', 'const': true}                   § True | False true
            {'type': 'boolean', 'not': {'const': true}}          § False | True
            {'type': 'boolean', 'enum': [false, 1]}              § False | True false 1
            {'type': 'boolean', 'oneOf': [{}, {'const': true}]}  § False | True
            {'type': 'boolean', 'allOf': [{'const': true}]}      § True | False
            {'type': 'boolean', 'anyOf': [{'const': true}]}      § True | False
            {'type': ['boolean', 'null'], 'enum': [true, null]}  § True None | False null
            {'type': 'null', 'not': {'const': 1}}                § None | null
            {'anyOf': [{'type': 'integer'}, {'type': 'null'}]}   § 1 None | null True
            {'items': {'type': 'boolean'}, 'type': 'array'}      § [True,False] | [true] [None]
            {'const': {'x': [null, true]}}                       § {"x":[None,True]} | {"x":[null,True]}
            """)
    void literalsOfPythonObeyTheWholeSchema(String schema, String values) {
        ToolDefinition tool = tool(
                "f",
                true,
                "{'properties': {'a': %s}, 'required': ['a']}".formatted(schema).replace('\'', '"'));
        String[] sides = values.split("\\|", 2);
        for (int side = 0; side < 2; side++) {
            for (String value : sides[side].strip().split(" +", -1)) {
                Matcher python = matcher(ToolFormat.PYTHONIC, ToolChoice.REQUIRED, tool);
                Matcher lfm2 = matcher(ToolFormat.LFM2, ToolChoice.REQUIRED, tool);
                String call = "[f(a=" + value + ")]";
                assertThat(reach(python, call) < 0).as(value).isEqualTo(side == 0);
                assertThat(reach(lfm2, "<|tool_call_start|>" + call + "<|tool_call_end|>") < 0)
                        .as(value)
                        .isEqualTo(side == 0);
            }
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"PYTHONIC", "LFM2"})
    void aLiteralOfPythonThatNothingFitsIsRefused(ToolFormat format) {
        ToolDefinition never = tool("f", true, """
                {"properties": {"a": {"type": ["boolean", "null"], "not": {"type": ["boolean", "null"]}}},
                 "required": ["a"]}""");
        assertThatThrownBy(() -> matcher(format, ToolChoice.REQUIRED, never))
                .isInstanceOf(ConstraintException.class)
                .hasMessageContaining("tool f, schema: expected one that some text fits");
    }

    @Test
    void nestedArgumentsMayBeOfThemselves() {
        ToolDefinition tree = tool("f", true, """
                {"properties": {"t": {"$ref": "#/$defs/t"}}, "$defs": {"t": {"type": "object", "properties":
                 {"v": {"type": "string"}, "l": {"type": "array", "items": {"$ref": "#/$defs/t"}, "minItems": 1}}}}}""");
        String call = "<start_function_call>call:f{t:{v:<escape>a<escape>,l:[{v:<escape>b<escape>},{l:[";
        Matcher gemma = matcher(ToolFormat.FUNCTIONGEMMA, ToolChoice.REQUIRED, tree);
        assertThat(reach(gemma.copy(), call + "{}]}]}}<end_function_call>")).isEqualTo(-1);
        assertThat(reach(gemma.copy(), call + "]")).isEqualTo(call.length());
    }

    @Test
    void aToolWithoutParametersTakesNone() {
        ToolDefinition now = new ToolDefinition(Map.of("name", "a.now"));
        String call = "{\"name\": \"a.now\", \"arguments\": {";
        assertThat(reach(matcher(ToolFormat.NONE, ToolChoice.REQUIRED, now), call + "}}"))
                .isEqualTo(-1);
        assertThat(reach(matcher(ToolFormat.NONE, ToolChoice.REQUIRED, now), call + "\""))
                .isEqualTo(call.length());
    }

    @Test
    void javasNullInAToolIsJsons() {
        Map<String, Object> letter = Json.object("enum", Arrays.asList("a", null));
        ToolDefinition tool = new ToolDefinition(
                Json.object("name", "f", "strict", true, "parameters", Json.object("properties", Map.of("x", letter))));
        String call = "{\"name\": \"f\", \"arguments\": {\"x\": ";
        assertThat(reach(matcher(ToolFormat.NONE, ToolChoice.REQUIRED, tool), call + "null}}"))
                .isEqualTo(-1);
        assertThat(reach(matcher(ToolFormat.NONE, ToolChoice.REQUIRED, tool), call + "true"))
                .isEqualTo(call.length());
    }

    @Test
    void aModelWithoutAFormatCallsOnce() {
        ToolDefinition now = new ToolDefinition(Map.of("name", "now"));
        String call = "{\"name\": \"now\", \"arguments\": {}}";
        Matcher matcher = matcher(ToolFormat.NONE, ToolChoice.REQUIRED, now);
        assertThat(reach(matcher, call + "; " + call)).isEqualTo(call.length());
        assertThat(matcher.isAccepting()).isTrue();
        assertThat(reach(
                        matcher(ToolFormat.LLAMA3, ToolChoice.REQUIRED, now),
                        call.replace("arguments", "parameters") + "; "))
                .isGreaterThan(call.length());
    }
}
