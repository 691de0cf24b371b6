package dev.causal4j.constraint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.Whole;
import dev.causal4j.tokenizer.Tokenizer;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class HostileSchemaTest {
    private static final Tokenizer TOKENIZER = Golden.tokenizer("minimind");

    static Stream<Arguments> hostile() {
        Map<String, String> schemas = new LinkedHashMap<>();
        schemas.put("an enum of a mebibyte", "{\"enum\": [" + list(100_000, i -> "\"" + i * 7919L + "\"") + "]}");
        schemas.put("too large an enum", "{\"enum\": [" + list(120_000, i -> "" + i) + "]}");
        schemas.put("too long", "{\"title\": \"" + "x".repeat(1 << 20) + "\"}");
        schemas.put(
                "10,000 properties",
                "{\"type\": \"object\", \"properties\": {" + list(10_000, i -> "\"p" + i + "\": {}") + "}}");
        schemas.put("10,000 objects", "{\"enum\": [" + list(10_000, i -> "{\"a\": " + i + "}") + "]}");
        schemas.put("depth", "{\"items\": ".repeat(10_000) + "{}" + "}".repeat(10_000));
        schemas.put(
                "references to references",
                "{\"$ref\": \"#/$defs/0\", \"$defs\": {"
                        + list(10_000, i -> "\"" + i + "\": {\"$ref\": \"#/$defs/" + (i + 1) + "\"}")
                        + ", \"10000\": {}}}");
        schemas.put(
                "a bomb of references",
                "{\"$ref\": \"#/$defs/0\", \"$defs\": {"
                        + list(
                                60,
                                i -> ("\"I\": {\"allOf\": [{\"properties\": {\"a\": {\"$ref\": \"#/$defs/J\"}}},"
                                                + " {\"properties\": {\"b\": {\"$ref\": \"#/$defs/J\"}}}]}")
                                        .replace("I", "" + i)
                                        .replace("J", "" + (i + 1)))
                        + ", \"60\": {}}}");
        schemas.put(
                "a bomb of alternatives",
                "{\"$ref\": \"#/$defs/0\", \"$defs\": {"
                        + list(
                                60,
                                i ->
                                        ("\"I\": {\"anyOf\": [{\"type\": \"object\", \"properties\": {\"a\": {\"const\": I}}},"
                                                        + " {\"type\": \"array\", \"items\": {\"$ref\": \"#/$defs/J\"}}, {\"$ref\": \"#/$defs/J\"}]}")
                                                .replace("I", "" + i)
                                                .replace("J", "" + (i + 1)))
                        + ", \"60\": {}}}");
        schemas.put(
                "200 anyOfs in one allOf",
                "{\"allOf\": ["
                        + list(
                                200,
                                i -> "{\"anyOf\": [{\"required\": [\"a" + i + "\"]}, {\"required\": [\"b" + i
                                        + "\"]}]}")
                        + "]}");
        schemas.put(
                "200 patterns in one allOf",
                "{\"type\": \"string\", \"allOf\": [" + list(200, i -> "{\"pattern\": \"(x|y)*x(x|y){" + i + "}z\"}")
                        + "]}");
        schemas.put(
                "patterns of properties that cross",
                "{\"patternProperties\": {" + list(40, i -> "\"a.*" + i + "\": {\"const\": " + i + "}") + "}}");
        schemas.put("a long count", "{\"type\": \"string\", \"pattern\": \"(a{1000}){1000}{1000}\"}");
        schemas.put("counted properties", "{\"type\": \"object\", \"minProperties\": 100000000}");
        schemas.put(
                "counted items", "{\"type\": \"array\", \"items\": {\"type\": \"object\"}, \"maxItems\": 100000000}");
        schemas.put(
                "one of many",
                "{\"oneOf\": ["
                        + list(3_000, i -> "{\"properties\": {\"a\": {\"const\": " + i + "}}, \"required\": [\"a\"]}")
                        + "]}");
        schemas.put(
                "a large multiple",
                "{\"type\": \"number\", \"minimum\": 1, \"maximum\": 1e17, \"multipleOf\": 9973e-9}");
        List<String> names = List.copyOf(schemas.keySet());
        return IntStream.range(0, names.size())
                .filter(i -> Whole.RUN || i % 2 == 1)
                .mapToObj(i -> Arguments.of(names.get(i), schemas.get(names.get(i))));
    }

    private static String list(int count, java.util.function.IntFunction<String> each) {
        return IntStream.range(0, count).mapToObj(each).collect(Collectors.joining(", "));
    }

    /** Either held, or refused in one line; in a time that is ten times the limit of a slow machine. */
    @ParameterizedTest(name = "{0}")
    @MethodSource("hostile")
    void aHostileSchemaEndsSoonAndInOneLine(String name, String schema) {
        long begin = System.nanoTime();
        String outcome;
        try {
            Matcher matcher = Constraint.schema(schema).start(TOKENIZER);
            matcher.mask(new long[Math.ceilDiv(TOKENIZER.vocabularySize(), Long.SIZE)]);
            outcome = "held";
        } catch (ConstraintException e) {
            outcome = String.valueOf(e.getMessage());
        }
        assertThat(outcome).as(name).matches("held|[^\n]*: expected [^\n]*, got [^\n]*; [^\n]*");
        assertThat(Duration.ofNanos(System.nanoTime() - begin)).as(name).isLessThan(Duration.ofSeconds(20));
    }

    @Test
    void anObjectHasAsManyOptionalPropertiesAsAMaskCanHoldOrIsRefusedWithItsPlace() {
        String most = object(1900, false);
        assertThat(reads(most, "{ \"p0\": true, \"p1899\": true }", 1)).isTrue();
        assertThatThrownBy(() -> reads("{\"items\": " + object(3000, false) + "}", "[{}]", 1))
                .isInstanceOf(ConstraintException.class)
                .hasMessage("schema, object at /items: expected at most 1,900 properties that can follow at one place,"
                        + " got 1,901; make it smaller");
    }

    @Test
    void anObjectHasFiveThousandRequiredProperties() {
        String whole = "{" + list(5000, i -> "\"p" + i + "\": true") + "}";
        assertThat(reads(object(5000, true), whole, Whole.or(1, 7))).isTrue();
    }

    private static String object(int properties, boolean required) {
        return "{\"type\": \"object\", \"additionalProperties\": false, \"properties\": {"
                + list(properties, i -> "\"p" + i + "\": {\"type\": \"boolean\"}") + "}, \"required\": ["
                + list(required ? properties : 0, i -> "\"p" + i + "\"") + "]}";
    }

    /** Whether a schema allows a text, with a mask before each of its bytes, or each seventh. */
    private static boolean reads(String schema, String text, int distance) {
        Matcher matcher = Constraint.schema(schema).start(TOKENIZER);
        byte[] bytes = Golden.bytes(text);
        for (int i = 0; i < bytes.length; i++) {
            if (i % distance == 0) {
                matcher.mask(new long[Math.ceilDiv(TOKENIZER.vocabularySize(), Long.SIZE)]);
            }
            if (matcher.accept(new byte[] {bytes[i]}) == 0) {
                return false;
            }
        }
        return matcher.isAccepting();
    }

    @Test
    @EnabledIfSystemProperty(named = Whole.PROPERTY, matches = "true")
    void thousandsOfSchemasLeaveNoGrowth() {
        int schemas = 10_000;
        int first = 1_000;
        long after = 0;
        for (int i = 0; i < schemas; i++) {
            String schema = "{\"type\": \"object\", \"properties\": {\"p" + i
                    + "\": {\"type\": \"integer\"}}, \"required\": [\"p" + i + "\"]}";
            Matcher matcher = Constraint.schema(schema).start(TOKENIZER);
            assertThat(matcher.accept(Golden.bytes("{\"p" + i + "\": 1}"))).isPositive();
            if (i == first - 1) {
                after = used();
            }
        }
        assertThat(used()).isLessThan(after + (schemas - first) * 7_000L);
    }

    private static long used() {
        System.gc();
        return Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory();
    }
}
