package dev.causal4j.cli;

import java.io.PrintWriter;
import java.util.Map;
import java.util.stream.IntStream;
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

    /** An object's fields as plain maps, lists, strings, numbers and booleans. */
    static Map<String, Object> fields(JsonNode object) {
        return MAPPER.convertValue(object, new TypeReference<>() {});
    }

    static String write(JsonNode node) {
        return MAPPER.writeValueAsString(node);
    }

    static void print(PrintWriter out, ObjectNode document) {
        out.println(write(document));
    }
}
