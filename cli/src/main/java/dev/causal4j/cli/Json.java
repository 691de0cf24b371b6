package dev.causal4j.cli;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.type.TypeReference;
import tools.jackson.databind.DeserializationFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.cfg.JsonNodeFeature;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/** Reads and writes the JSON document of a command. */
final class Json {
    /** Numbers keep every digit, so that copied fields are unchanged. */
    private static final JsonMapper MAPPER = JsonMapper.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS, DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS)
            .disable(JsonNodeFeature.STRIP_TRAILING_BIGDECIMAL_ZEROES)
            .build();

    /** For templates, whose numbers are Python's: a zero has its sign. */
    private static final JsonMapper PYTHON = MAPPER.rebuild()
            .disable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS)
            .build();

    private Json() {}

    static ObjectNode object() {
        return MAPPER.createObjectNode();
    }

    static ArrayNode array(int[] numbers) {
        ArrayNode array = MAPPER.createArrayNode();
        IntStream.of(numbers).forEach(array::add);
        return array;
    }

    /** A number, or null if JSON cannot express it. */
    static JsonNode number(double number) {
        JsonNodeFactory nodes = MAPPER.getNodeFactory();
        return Double.isFinite(number) ? nodes.numberNode(number) : nodes.nullNode();
    }

    static JsonNode parse(String text) {
        return MAPPER.readTree(text);
    }

    /** What a user has for a template, which may be something else. */
    static JsonNode parse(String subject, String text) {
        try {
            return PYTHON.readTree(text);
        } catch (JacksonException e) {
            throw new IllegalArgumentException(subject + ": expected JSON, got " + e.getOriginalMessage(), e);
        }
    }

    /** An object's fields as plain maps, lists, strings, numbers and booleans. */
    static Map<String, Object> fields(String subject, JsonNode node) {
        if (!node.isObject()) {
            throw new IllegalArgumentException(subject + ": expected a JSON object, got " + node.getNodeType());
        }
        return PYTHON.convertValue(node, new TypeReference<>() {});
    }

    /** The objects in a file with a list of them. */
    static Stream<Map<String, Object>> list(Path file) throws IOException {
        JsonNode list = parse(file.toString(), TextInput.file(file));
        if (!list.isArray()) {
            throw new IOException(file + ": expected a JSON list, got " + list.getNodeType());
        }
        return list.valueStream().map(each -> fields(file.toString(), each));
    }

    /** @param value a document, or maps, lists, strings, numbers and booleans */
    static String write(Object value) {
        return MAPPER.writeValueAsString(value);
    }

    static void print(PrintWriter out, ObjectNode document) {
        out.println(write(document));
    }
}
