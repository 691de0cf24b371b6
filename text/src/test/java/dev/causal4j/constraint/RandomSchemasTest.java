package dev.causal4j.constraint;

import static org.assertj.core.api.Assertions.assertThat;

import com.networknt.schema.InputFormat;
import com.networknt.schema.SchemaRegistry;
import com.networknt.schema.SpecificationVersion;
import dev.causal4j.Whole;
import dev.causal4j.json.Json;
import dev.causal4j.tokenizer.Tokenizer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Random walks along the masks of random schemas, judged by another validator. */
class RandomSchemasTest {
    private static final int WALKS = Whole.or(2_000, 100);
    private static final int STEPS = 400;
    private static final int CLOSING = 25; // steps after which a walk closes what it can
    private static final Tokenizer TOKENIZER = Golden.tokenizer("minimind");
    private static final String[] FORMATS = {"date", "uuid", "ipv4", "ipv6"};
    private static final String[] PATTERNS = {
        "^[a-c]{1,3}$", "^\\d{2,4}(-[xy]+)?$", "^(the|a) (cat|car)s?$", "^.{0,3}\"?$"
    };

    @Test
    void theEndsOfRandomWalksAreValid() {
        SchemaRegistry registry = SchemaRegistry.withDefaultDialect(SpecificationVersion.DRAFT_2020_12);
        Random random = new Random(7);
        int ended = 0;
        int refused = 0;
        for (int walk = 0; walk < WALKS; walk++) {
            String schema = text(schema(random, 3));
            String document;
            try {
                Whitespace whitespace = List.of(Whitespace.values()).get(random.nextInt(3));
                document = walk(Constraint.schema(schema, whitespace).start(TOKENIZER), random);
            } catch (ConstraintException e) {
                assertThat(e).hasMessageMatching("schema: expected (one that some text fits|oneOf)[^\n]*");
                refused++;
                continue;
            }
            if (document != null) {
                ended++;
                var errors = registry.getSchema(schema)
                        .validate(
                                document,
                                InputFormat.JSON,
                                context -> context.executionConfig(config -> config.formatAssertionsEnabled(true)));
                assertThat(errors).as("%s by %s", document, schema).isEmpty();
            }
        }
        assertThat(refused).isLessThan(WALKS / 5);
        assertThat(ended).isGreaterThan(WALKS * 3 / 4);
    }

    /** A document; null if it is not done after many steps. */
    private static @org.jspecify.annotations.Nullable String walk(Matcher matcher, Random random) {
        List<Integer> tokens = new ArrayList<>();
        while (tokens.size() < STEPS) {
            BitSet mask = Golden.mask(matcher, TOKENIZER.vocabularySize());
            if (matcher.isAccepting() && (mask.isEmpty() || random.nextInt(3) == 0)) {
                return TOKENIZER.decode(
                        tokens.stream().mapToInt(Integer::intValue).toArray());
            }
            assertThat(mask.isEmpty()).isFalse();
            int token = next(mask, random, tokens.size() > CLOSING);
            matcher.accept(token);
            tokens.add(token);
        }
        return null;
    }

    private static int next(BitSet mask, Random random, boolean closing) {
        for (String close : List.of("\"", "}", "]")) {
            int token = TOKENIZER.encode(close)[0];
            if (mask.get(token) && (closing || random.nextInt(4) == 0)) {
                return token;
            }
        }
        int[] allowed = mask.stream().toArray();
        return allowed[random.nextInt(allowed.length)];
    }

    private static Map<String, Object> schema(Random random, int depth) {
        return switch (random.nextInt(depth > 0 ? 11 : 6)) {
            case 0 -> Json.object("type", List.of("boolean", "null"));
            case 1 -> Json.object("enum", List.of("a", "ab", 1, 2.5, true, List.of(1, "x"), Map.of("k", "v")));
            case 2 -> number(random);
            case 3 -> text(random);
            case 4 -> Json.object("type", "string", "pattern", PATTERNS[random.nextInt(PATTERNS.length)]);
            case 5 -> Json.object("type", "string", "format", FORMATS[random.nextInt(FORMATS.length)]);
            case 6 -> list(random, depth);
            case 7 -> Json.object("anyOf", List.of(schema(random, depth - 1), schema(random, depth - 1)));
            case 8 -> Json.object("allOf", List.of(object(random, depth), object(random, depth)));
            case 9 ->
                Json.object(
                        "oneOf",
                        List.of(schema(random, depth - 1), Json.object("type", "null"), tagged(random, depth)));
            default -> object(random, depth);
        };
    }

    private static Map<String, Object> number(Random random) {
        Map<String, Object> schema = Json.object("type", random.nextBoolean() ? "integer" : "number");
        int low = random.nextInt(200) - 100;
        if (random.nextBoolean()) {
            schema.put(random.nextBoolean() ? "minimum" : "exclusiveMinimum", low / 4.0);
        }
        if (random.nextBoolean()) {
            schema.put(random.nextBoolean() ? "maximum" : "exclusiveMaximum", (low + random.nextInt(100) + 8) / 4.0);
        }
        if (random.nextInt(3) == 0) {
            schema.put("multipleOf", List.of(0.25, 0.5, 1, 2).get(random.nextInt(4)));
        }
        if (random.nextInt(5) == 0) {
            schema.put("not", Json.object("const", low / 4.0));
        }
        return schema;
    }

    private static Map<String, Object> text(Random random) {
        int least = random.nextInt(4);
        Map<String, Object> schema =
                Json.object("type", "string", "minLength", least, "maxLength", least + random.nextInt(9));
        if (random.nextInt(4) == 0) {
            schema.put("not", Json.object("enum", List.of("", "a", "the")));
        }
        return schema;
    }

    private static Map<String, Object> list(Random random, int depth) {
        Map<String, Object> schema = Json.object("type", "array", "items", schema(random, depth - 1));
        int least = random.nextInt(3);
        schema.put("minItems", least);
        schema.put("maxItems", least + random.nextInt(3));
        if (random.nextInt(4) == 0) {
            schema.put("prefixItems", List.of(schema(random, 0), schema(random, 0)));
        }
        return schema;
    }

    private static Map<String, Object> object(Random random, int depth) {
        Map<String, Object> properties = new LinkedHashMap<>();
        List<String> required = new ArrayList<>();
        for (String name : List.of("name", "size", "a\"b", "é")) {
            if (random.nextBoolean()) {
                properties.put(name, schema(random, depth - 1));
            }
            if (random.nextInt(4) == 0) {
                required.add(name);
            }
        }
        Map<String, Object> schema = Json.object("type", "object", "properties", properties, "required", required);
        switch (random.nextInt(6)) {
            case 0 -> schema.put("additionalProperties", schema(random, depth - 1));
            case 1 -> schema.put("propertyNames", Json.object("maxLength", 5));
            case 2 -> schema.put("maxProperties", 3);
            case 3 -> schema.put("dependentRequired", Json.object("name", List.of("size")));
            case 4 -> schema.put("patternProperties", Json.object("^s", schema(random, 0)));
            default -> schema.put("additionalProperties", false);
        }
        return schema;
    }

    private static Map<String, Object> tagged(Random random, int depth) {
        Map<String, Object> schema = object(random, depth);
        return Json.object(
                "type",
                "object",
                "properties",
                Json.object("t", Json.object("const", 1), "v", schema),
                "required",
                List.of("t"),
                "additionalProperties",
                false);
    }

    private static String text(Map<String, Object> schema) {
        return new String(Json.write(schema), StandardCharsets.UTF_8);
    }
}
