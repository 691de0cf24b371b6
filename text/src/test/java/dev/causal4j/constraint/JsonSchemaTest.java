package dev.causal4j.constraint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.tokenizer.Tokenizer;
import java.nio.charset.StandardCharsets;
import java.util.BitSet;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

class JsonSchemaTest {
    private static final Tokenizer TOKENIZER = Golden.tokenizer("minimind");

    static Stream<JsonNode> suite() {
        return Golden.schemas("suite").valueStream();
    }

    static Stream<JsonNode> refused() {
        return Golden.schemas("suite-refused")
                .valueStream()
                .filter(group -> !group.get("refuses").asString().equals("oneOf"));
    }

    static Stream<JsonNode> bench() {
        return Golden.schemas("bench").valueStream();
    }

    @ParameterizedTest
    @MethodSource("suite")
    void verdictsAreThoseOfTheOfficialSuite(JsonNode group) {
        assertVerdicts(group, Whitespace.COMPACT);
    }

    @ParameterizedTest
    @MethodSource("bench")
    void verdictsOfSchemasInUseAreThoseOfOtherValidators(JsonNode group) {
        assertVerdicts(group, Whitespace.FLEXIBLE);
    }

    private static void assertVerdicts(JsonNode group, Whitespace whitespace) {
        Constraint constraint = Constraint.schema(group.get("schema").toString(), whitespace);
        for (JsonNode test : group.get("tests")) {
            boolean held;
            try {
                held = accepts(constraint, test.get("text").asString());
            } catch (ConstraintException e) {
                assertThat(e).hasMessageContaining("nothing fits");
                held = false;
            }
            assertThat(held)
                    .as("%s: %s", group.get("name"), test)
                    .isEqualTo(test.get("valid").asBoolean());
        }
    }

    @ParameterizedTest
    @MethodSource("refused")
    void whatCannotBeHeldIsRefusedByItsKeyword(JsonNode group) {
        String keyword = group.get("refuses").asString().split(" ", -1)[0];
        Constraint constraint = Constraint.schema(group.get("schema").toString());
        assertThatThrownBy(() -> constraint.start(TOKENIZER))
                .isInstanceOf(SchemaRefusal.class)
                .hasMessageContaining(keyword)
                .hasMessageMatching("schema: expected [^\n]* at [^\n]*, got [^\n]*; [^\n]*");
    }

    @Test
    void aRefusalNamesItsPlace() {
        assertThatThrownBy(() ->
                        schema("{'properties': {'a': {'if': {'const': 1}}}}").start(TOKENIZER))
                .hasMessage(
                        "schema: expected no \"if\" at /properties/a, got one; rewrite it as anyOf, or leave it out");
    }

    @Test
    void aLenientSchemaDropsWhatWouldBeRefusedAndListsIt() {
        String json = json("{'type': 'integer', 'title': 'n', 'not': {'if': true}, 'if': {'const': 1}, 'format': 'x',"
                + " 'multipleOf': 1234567}");
        Constraint constraint = Constraint.schema(json, Whitespace.COMPACT, true);
        assertThat(accepts(constraint, "12")).isTrue();
        assertThat(accepts(constraint, "1.5")).isFalse();
        assertThat(constraint.ignored())
                .containsExactlyInAnyOrder("/title", "/if", "/not/if", "/format", "/multipleOf");
    }

    /** They would be spelled with an exponent, which numbers of a bound never have: oneOf would not see what is shared. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "{'oneOf': [{'const': 1e30}, {'type': 'number', 'minimum': 5}]}",
                "{'oneOf': [{'const': 1e30}, {'type': 'integer'}]}",
                "{'properties': {'a': {'oneOf': [{'const': 1e400}, {'type': 'number'}]}}}",
                "{'oneOf': [{'enum': [1e-20]}, {'type': 'number', 'minimum': 0}]}",
                "{'type': 'integer', 'const': 1e30}",
                "{'enum': [{'a': [0.123456789012345678]}, 1], 'minimum': 0}"
            })
    void aListedNumberOfTooManyDigitsIsRefusedOrDroppedByName(String schema) {
        assertThatThrownBy(() -> schema(schema).start(TOKENIZER))
                .isInstanceOf(SchemaRefusal.class)
                .hasMessageMatching(
                        "schema: expected numbers of at most 19 digits before and 17 after the point at [^\n]*,"
                                + " got [0-9.eE+-]+; [^\n]*");
        Constraint lenient = Constraint.schema(json(schema), Whitespace.COMPACT, true);
        lenient.start(TOKENIZER);
        assertThat(lenient.ignored().getFirst()).matches(".*/(const|enum)");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{'oneOf': [{'type': 'number', 'minimum': 1e20}, {'type': 'number'}]}",
                "{'oneOf': [{'type': 'number', 'exclusiveMinimum': 0, 'maximum': 1e-18}, {'type': 'number'}]}",
                "{'properties': {'a': {'type': 'integer', 'maximum': -1e19}}}"
            })
    void boundsThatOnlyExponentsReachAreRefusedOrDroppedByName(String schema) {
        assertThatThrownBy(() -> schema(schema).start(TOKENIZER))
                .isInstanceOf(SchemaRefusal.class)
                .hasMessageContaining("expected numbers of at most 19 digits before and 17 after the point at ");
        Constraint lenient = Constraint.schema(json(schema), Whitespace.COMPACT, true);
        lenient.start(TOKENIZER);
        assertThat(lenient.ignored().getFirst()).matches(".*/(minimum|maximum|oneOf)");
    }

    @Test
    void differentItemsAreRefusedOrDroppedByName() {
        String list = json("{'properties': {'a': {'items': {'type': 'string'}, 'uniqueItems': true}}}");
        assertThatThrownBy(() -> Constraint.schema(list).start(TOKENIZER))
                .hasMessage(
                        "schema: expected no \"uniqueItems\" of more than one item at /properties/a, got one; rewrite"
                                + " it as anyOf, or leave it out");
        Constraint lenient = Constraint.schema(list, Whitespace.COMPACT, true);
        assertThat(accepts(lenient, json("{'a':['x','x']}"))).isTrue();
        assertThat(accepts(lenient, json("{'a':['x',1]}"))).isFalse();
        assertThat(lenient.ignored()).containsExactly("/properties/a/uniqueItems");
        String excluded = json("{'type': 'array', 'not': {'uniqueItems': true}}");
        assertThatThrownBy(() -> Constraint.schema(excluded).start(TOKENIZER)).isInstanceOf(SchemaRefusal.class);
    }

    /** A schema's language by examples: those that hold, a bar, those that do not. */
    @ParameterizedTest
    @CsvSource(delimiter = '§', quoteCharacter = '~', textBlock = """
            {'enum': ['a', 'ab']}                                    § "a" "ab" | "" "abc" "b"
            {'type': 'integer', 'maximum': 120, 'minimum': 0}        § 0 12 120 -0 99 | 121 1200 -1 01 1.0
            {'type': 'number', 'minimum': 0, 'exclusiveMaximum': 2.25} § 0 -0 0.50 2.24999999999999999 2.2 -0.0 | 2.25 2.250 2.26 -0.1 1e0
            {'type': 'number', 'minimum': -1.5}                      § -1.5 -1.50 -1.49 0 7.1 -0.0 | -1.51 -2 1e5 -1.50000000000000001
            {'type': 'integer', 'minimum': 9007199254740993, 'maximum': 9223372036854775807} § 9007199254740993 9223372036854775807 | 9007199254740992 9223372036854775808
            {'type': 'integer', 'format': 'int32'}                   § 0 -0 2147483647 -2147483648 | 2147483648 -2147483649 1000000000000000000 1.0
            {'type': ['integer', 'null'], 'format': 'int64', 'minimum': 5} § 5 9223372036854775807 null | 4 -7 9223372036854775808 9999999999999999999
            {'type': 'integer', 'format': 'int32', 'maximum': 5e9, 'multipleOf': 5} § -5 2147483645 | 2147483647 2147483650
            {'type': ['number', 'string'], 'format': 'int32'}        § 7 "a" | 1.5 1e0 2147483648
            {'type': 'number', 'not': {'type': 'integer', 'format': 'int32'}} § 1.5 2147483648 | 1 1.0 -7
            {'type': 'number', 'multipleOf': 0.05}                   § 0.05 0.1 0.15 0.30 1 12.35 -0.05 0 0.350 | 0.01 0.12 1e1 0.051
            {'type': 'number', 'multipleOf': 0.1}                    § 0.3 0.7 1.1 | 0.35 0.01
            {'type': 'integer', 'multipleOf': 7}                     § 0 7 14 -21 700 | 1 8 13 70.0
            {'type': 'integer', 'multipleOf': 13, 'not': {'anyOf': [{'multipleOf': 2}, {'multipleOf': 3}, {'multipleOf': 5}, {'multipleOf': 7}, {'multipleOf': 11}]}, 'exclusiveMinimum': 100, 'exclusiveMaximum': 1000} § 169 221 | 13 104 117 1001
            {'type': 'integer', 'multipleOf': 2.5}                   § 0 5 10 | 2 3 7
            {'type': 'number'}                                       § 1e5 1E-10 1.5e+3 -0 | 1e100 01 .5 1.
            {'type': 'string', 'format': 'date'}                     § "2000-02-29" "2024-02-29" "1999-12-31" | "1900-02-29" "2023-02-29" "2024-13-01"
            {'type': 'string', 'minLength': 2, 'maxLength': 2}       § "ab" "\\ud83d\\ude00x" "😀x" "\\n\\u0041" | "a" "abc" "\\ud83d" "\\udc00a" "\\ud83d\\u0041a"
            {'pattern': 'a\\"b|\\n', 'type': 'string'}               § "a\\"b" "x\\n" | "a" "ab"
            {'pattern': '^$', 'type': 'string'}                      § "" | "a"
            {'pattern': '^a|b$', 'type': 'string'}                   § "ab" "ax" "xb" | "xa" "bx"
            {'pattern': '$^', 'type': 'string'}                      § "" | "a"
            {'allOf': [{'pattern': 'a'}, {'pattern': 'b'}], 'type': 'string'} § "ab" "ba" "xbya" | "a" "b"
            {'const': {}}                                            § {} | [] {"a":1}
            {'const': 'a\\u0001\\u001f\\n'}                          § "a\\u0001\\u001f\\n" "a\\u0001\\u001F\\n" | "a" "a\\u0001\\u001f\\u000a"
            {'properties': {'__proto__': {'const': 1}, '': {'const': 2}}, 'additionalProperties': false} § {"__proto__":1,"":2} {"":2} {} 7 | {"__proto__":2} {"x":1}
            {'properties': {'a': {'type': 'null'}}, 'required': ['b']} § {"a":null,"b":1} {"b":{}} [] "x" | {"a":null} {"b":1,"a":null} {"a":1,"b":1}
            {'properties': {'a~1b': {'const': 1}, 'a/b': {'$ref': '#/properties/a~01b'}}, 'additionalProperties': false, 'type': 'object'} § {"a/b":1} | {"a/b":2}
            {'$defs': {'a%b': {'const': 1}, 'no': false}, 'anyOf': [{'$ref': '#/$defs/a%25b'}, {'$ref': '#/$defs/no'}]} § 1 | 2
            {'anyOf': [{'const': 'abc'}, {'const': 'abd'}, {'type': 'string', 'maxLength': 1}]} § "abc" "abd" "a" | "ab" "abe"
            {'oneOf': [{'properties': {'t': {'const': 1}, 'x': {'type': 'string'}}, 'required': ['t']}, {'properties': {'t': {'const': 2}}, 'required': ['t']}], 'type': 'object'} § {"t":1,"x":"a"} {"t":2} | {"t":3} {} {"t":1,"x":1}
            {'oneOf': [{'type': 'integer', 'maximum': 3}, {'type': 'number', 'exclusiveMinimum': 3}]} § 3 3.5 -1 | "a" 2.5
            {'oneOf': [{'type': 'string', 'maxLength': 3}, {'type': 'string', 'minLength': 4}, {'type': 'null'}]} § "" "abcd" null | 1
            {'oneOf': [{'type': 'integer'}, {'minimum': 2}]}         § 1 2.5 "a" {} | 3 1.5
            {'type': 'string', 'oneOf': [{'minLength': 2}, {'maxLength': 4}]} § "foobar" "a" | "foo" 3
            {'oneOf': [{'type': 'number'}, {}]}                      § "foo" [] | 123
            {'oneOf': [{'properties': {'bar': {'type': 'integer'}}, 'required': ['bar']}, {'properties': {'foo': {'type': 'string'}}, 'required': ['foo']}]} § {"bar":2} {"foo":"a"} {"bar":2,"foo":5} | {} {"bar":2,"foo":"a"} {"foo":2,"bar":"a"}
            {'type': 'object', 'oneOf': [{'required': ['foo', 'bar']}, {'required': ['foo', 'baz']}]} § {"foo":1,"bar":2} {"foo":1,"baz":3} | {"foo":1} {"foo":1,"bar":2,"baz":3} {"bar":2}
            {'oneOf': [{'properties': {'bar': true, 'baz': true}, 'required': ['bar']}, {'properties': {'foo': true}, 'required': ['foo']}]} § {"bar":8} {"foo":"a"} | {"foo":"a","bar":8} {"baz":"a"}
            {'oneOf': [{'required': ['a']}, {'required': ['b']}, {'required': ['c']}], 'additionalProperties': {'const': 1}, 'type': 'object'} § {"a":1} {"b":1,"d":1} {"c":1} | {} {"d":1} {"a":1,"b":1} {"b":1,"c":1} {"a":1,"b":1,"c":1}
            {'dependencies': {'a': {'required': ['b']}}, 'type': 'object'} § {} {"c":1} {"a":1,"b":2} | {"a":1}
            {'not': {'type': 'string'}, 'type': ['string', 'null']}  § null | "a"
            {'type': 'string', 'not': {'enum': ['a', 'b']}}          § "" "c" "ab" | "a" "b"
            {'type': 'number', 'not': {'const': 1}}                  § 0 1.5 11 | 1 1.0 1.00
            {'type': 'string', 'not': {'pattern': '^x'}}             § "a" "ax" | "x" "xa"
            {'type': 'number', 'not': {'type': 'integer'}}           § 1.5 0.25 | 1 1.0 2.00
            {'type': 'integer', 'not': {'oneOf': [{'minimum': 3}, {'multipleOf': 2}]}} § 1 4 -3 | 2 3 5
            {'type': 'number', 'not': {'enum': [1, 2.5], 'minimum': 2}} § 1 1.0 3 | 2.5 2.50
            {'type': 'array', 'not': {'not': {'items': {'const': 1}}}} § [] [1,1] | [2] [1,2]
            {'type': 'object', 'not': {'required': ['a', 'b']}, 'additionalProperties': {'const': 1}} § {} {"a":1} {"b":1,"c":1} | {"a":1,"b":1}
            {'type': 'array', 'items': {'type': 'boolean'}, 'uniqueItems': true, 'maxItems': 1} § [] [true] | [true,false] [1]
            {'allOf': [{'uniqueItems': true}, {'maxItems': 1}], 'items': {'items': {'const': 1}, 'uniqueItems': false}} § [] [[1,1]] "a" | [1,1]
            {'uniqueItems': true, 'enum': ['a', 1]} § "a" 1 | [1]
            {'type': 'array', 'items': {'type': 'integer'}, 'minItems': 2, 'maxItems': 3} § [1,2] [1,2,3] | [] [1] [1,2,3,4] [1,]
            {'type': 'array', 'prefixItems': [{'const': 1}, {'const': 2}], 'items': false} § [] [1] [1,2] | [2] [1,2,3] [1,1]
            {'type': 'array', 'items': [{'const': 1}], 'additionalItems': {'const': 0}, 'maxItems': 3} § [] [1] [1,0,0] | [0] [1,1] [1,0,0,0]
            {'type': 'object', 'dependentRequired': {'a': ['b']}, 'properties': {'a': {'const': 1}, 'b': {'const': 2}}, 'additionalProperties': false} § {} {"b":2} {"a":1,"b":2} | {"a":1}
            {'type': 'object', 'propertyNames': {'pattern': '^x', 'maxLength': 2}, 'additionalProperties': {'const': 1}} § {} {"x":1,"xy":1} | {"y":1} {"xyz":1}
            {'type': 'object', 'patternProperties': {'^a': {'const': 1}, 'z$': {'const': 2}}, 'additionalProperties': false} § {"a":1,"z":2} | {"az":1} {"az":2} {"b":1}
            {'type': 'object', 'minProperties': 2, 'maxProperties': 2, 'properties': {'a': {'const': 1}}, 'additionalProperties': {'const': 0}} § {"a":1,"b":0} {"b":0,"c":0} | {} {"a":1} {"a":1,"b":0,"c":0}
            {'enum': [1, 'x', [1, {'a': null}], 20], 'not': {'const': 'x'}} § 1 [1,{"a":null}] 20 | "x" 2
            {'enum': [1, 5, 7.5, 'a'], 'minimum': 2, 'type': 'number'} § 5 7.5 | 1 "a"
            {'type': ['object', 'null'], 'minProperties': 3, 'maxProperties': 3, 'propertyNames': {'enum': ['a', 'b']}, 'additionalProperties': {'const': 1}} § null | {"a":1,"a":1,"a":1} {"a":1,"b":1}
            {'type': 'object', 'minProperties': 3, 'properties': {'c': {'const': 1}}, 'propertyNames': {'enum': ['a', 'b', 'c']}, 'additionalProperties': {'const': 1}} § {"c":1,"a":1,"b":1} | {"c":1,"a":1}
            {'anyOf': [{'type': 'string', 'minLength': 5, 'maxLength': 2}, {'const': 1}]} § 1 | "YE" "a" "abcde"
            {'anyOf': [{'type': 'array', 'minItems': 3, 'maxItems': 2, 'items': {'const': 1}}, {'const': 1}]} § 1 | [1,1] [1,1,1]
            {'type': ['array', 'null'], 'minItems': 2, 'maxItems': 1, 'prefixItems': [{}, {}]} § null | [1] [1,1] []
            {'type': 'array', 'items': {'properties': {'a': {'type': 'string', 'minLength': 2, 'maxLength': 1}}, 'required': ['a']}} § [] [1] | [{"a":"b"}] [{"a":"bc"}] [{}]
            {'prefixItems': [{'required': ['a', 'b']}, {'required': ['b', 'a']}], 'minItems': 2, 'type': 'array'} § [{"a":1,"b":2},{"b":1,"a":2}] | [{"a":1,"b":2},{"a":1,"b":2}]
            {'prefixItems': [{'properties': {'a': {}, 'b': {}}}, {'properties': {'b': {}, 'a': {}}}], 'minItems': 2, 'type': 'array'} § [{"a":1,"b":2},{"b":1,"a":2}] | [{"a":1,"b":2},{"a":1,"b":2}]
            {'pattern': '^[^\\\\ud800-\\\\udfff]*$', 'type': 'string'} § "a-b" "" | 1
            {'properties': {'a\\"b\\\\': {'const': 1}}, 'type': 'object', 'additionalProperties': false} § {"a\\"b\\\\":1} {} | {"a":1}
            """)
    void holdsTheseAndNotThose(String schema, String texts) {
        Constraint constraint = Constraint.schema(json(schema.strip()), Whitespace.COMPACT);
        String[] sides = texts.strip().split("\\|", 2);
        for (String text : sides[0].strip().split(" +", -1)) {
            assertThat(accepts(constraint, text)).as("%s holds", text).isTrue();
        }
        for (String text : sides[1].strip().split(" +", -1)) {
            assertThat(accepts(constraint, text)).as("%s does not hold", text).isFalse();
        }
    }

    @Test
    void afterAPropertyNameOnlyNamesThatAreLeftCanFollow() {
        Matcher matcher = schema("{'type': 'object', 'properties': {'orderId': {'type': 'null'}, 'orderName': {'type':"
                        + " 'null'}}, 'additionalProperties': false}")
                .start(TOKENIZER);
        assertThat(matcher.accept(bytes("{\"order"))).isEqualTo(7);
        BitSet mask = Golden.mask(matcher, TOKENIZER.vocabularySize());
        assertThat(mask.get(id("I"))).isTrue();
        assertThat(mask.get(id("N"))).isTrue();
        assertThat(mask.get(id("X"))).isFalse();
        assertThat(mask.get(id("\""))).isFalse();
    }

    @Test
    void anotherPropertyNeverRepeatsANamedOneByEscapes() {
        Constraint constraint = schema("{'type': 'object', 'properties': {'a': {'const': 1}}}");
        assertThat(accepts(constraint, "{\"b\":1,\"c\":2}")).isTrue();
        assertThat(accepts(constraint, "{\"\\u0061\":1}")).isFalse();
        assertThat(accepts(constraint, "{\"a\":1,\"a\":2}")).isFalse();
    }

    @Test
    void aSurrogatePairIsOneCharacterAndMustBeWhole() {
        Matcher matcher = schema("{'type': 'string', 'maxLength': 1}").start(TOKENIZER);
        assertThat(matcher.accept(bytes("\"\\ud83d\\ud"))).isEqualTo(10);
        assertThat(matcher.accept(bytes("8"))).isZero();
        assertThat(matcher.accept(bytes("e00"))).isEqualTo(3);
        assertThat(matcher.accept(bytes("x"))).isZero();
        assertThat(matcher.accept(bytes("\""))).isEqualTo(1);
        assertThat(matcher.isAccepting()).isTrue();
    }

    /** A schema, a beginning of a document, bytes that can follow, a bar, others. */
    @ParameterizedTest
    @CsvSource(delimiter = '§', quoteCharacter = '~', textBlock = """
            {'type': 'string'}                   § "\\ud83d      § \\ud \\udE | x " \\u0041 \\ue \\ud8 \\ud7
            {'type': 'string'}                   § "            § \\ud83d a | \\udc \\udfff
            {'type': 'string', 'maxLength': 1}   § "\\ud83d\\ude00 § " | a \\ 😀
            {'type': 'string', 'minLength': 2}   § "a           § b" | "
            {'type': 'string', 'minLength': 2}   § "ab          § " c | \\x
            {'items': {'const': 'ab'}, 'type': 'array'} § ["ab  § "] ", ","a | "} ": c
            {'properties': {'a': {'const': 'x'}, 'b': {}}, 'type': 'object'} § {"a":"x § "} ", ","b | "] ":
            {'properties': {'a': {'const': 'x'}}, 'type': 'object'} § {"a § ":"x | ", "} "]
            {'items': {'const': 1}, 'type': 'array', 'minItems': 2, 'maxItems': 2} § [1   § ,1] | ] 0 }
            {'items': {'const': 1}, 'type': 'array', 'minItems': 2, 'maxItems': 2} § [1,1 § ] | , ,1
            """)
    void theseCanFollowAndNotThose(String schema, String prefix, String texts) {
        Constraint constraint = Constraint.schema(json(schema.strip()), Whitespace.COMPACT);
        String[] sides = texts.strip().split("\\|", 2);
        for (int side = 0; side < 2; side++) {
            for (String text : sides[side].strip().split(" +", -1)) {
                Matcher matcher = constraint.start(TOKENIZER);
                byte[] bytes = bytes(prefix.strip() + text);
                assertThat(matcher.accept(bytes) == bytes.length)
                        .as("%s%s", prefix, text)
                        .isEqualTo(side == 0);
            }
        }
    }

    @Test
    void nothingFollowsADocumentButItsEnd() {
        Matcher matcher = schema("{'type': 'object'}").start(TOKENIZER);
        matcher.accept(bytes("{}"));
        assertThat(matcher.isAccepting()).isTrue();
        assertThat(Golden.mask(matcher, TOKENIZER.vocabularySize())).isEqualTo(new BitSet());
    }

    @Test
    void documentsNestAsDeepAsTheLimit() {
        Constraint constraint = schema("{'type': 'array', 'items': {'$ref': '#'}}");
        assertThat(accepts(constraint, "[".repeat(256) + "]".repeat(256))).isTrue();
        assertThatThrownBy(() -> accepts(constraint, "[".repeat(257)))
                .isInstanceOf(ConstraintException.class)
                .hasMessageMatching("answer in the schema at the root, constraint: expected at most 256 open [^\n]*");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{'$ref': '#'}",
                "{'allOf': [{'$ref': '#/$defs/a'}], '$defs': {'a': {'anyOf': [{'$ref': '#/$defs/a'}]}}}",
                "{'not': {'$ref': '#'}}",
                "{'minLength': 'a'}",
                "{'type': 'float'}",
                "{'properties': []}",
                "{'required': true}",
                "{'type': 'object', 'required': ['a'], 'properties': {'a': false}}",
                "{'type': 'string', 'pattern': '^a{5}$', 'maxLength': 4}",
                "{'type': 'string', 'minLength': 5, 'maxLength': 2}",
                "{'type': 'array', 'minItems': 3, 'maxItems': 2}",
                "{'type': 'array', 'minItems': 1, 'maxItems': 0}",
                "{'type': 'object', 'minProperties': 3, 'propertyNames': {'enum': ['a', 'b']}}",
                "{'type': 'object', 'minProperties': 3, 'properties': {'a': {}}, 'propertyNames': {'enum': ['a', 'b']}}",
                "{'$ref': '#/$defs/none'}",
                "{'$ref': 'http://localhost/x'}",
                "{'enum': [}",
                "{'type': 'null', 'type': 'null'}",
                "[]",
                "",
                "{'multipleOf': 0}",
                "{'minimum': 1e999999999}",
                "{'type': 'string', 'pattern': '(?=a)'}",
                "{'oneOf': [{'items': {'const': 1}}, {}]}",
                "{'type': 'array', 'uniqueItems': true}",
            })
    void whatIsWrongIsOneLine(String schema) {
        assertThatThrownBy(() -> schema(schema).start(TOKENIZER))
                .isInstanceOf(ConstraintException.class)
                .hasMessageMatching("schema[^\n]*: expected [^\n]*, got [^\n]*; [^\n]*");
    }

    @Test
    void annotationsAreListedAndChangeNothing() {
        Constraint constraint = schema("{'title': 't', 'properties': {'a': {'description': 'd', 'x-b': 1}}}");
        accepts(constraint, "{\"a\":1}");
        assertThat(constraint.ignored()).isEqualTo(List.of("/title", "/properties/a/description", "/properties/a/x-b"));
    }

    private static Constraint schema(String json) {
        return Constraint.schema(json(json), Whitespace.COMPACT);
    }

    private static String json(String text) {
        return text.replace('\'', '"');
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static int id(String token) {
        return TOKENIZER.encode(token)[0];
    }

    static boolean accepts(Constraint constraint, String text) {
        Matcher matcher = constraint.start(TOKENIZER);
        byte[] bytes = bytes(text);
        return matcher.accept(bytes) == bytes.length && matcher.isAccepting();
    }
}
