package dev.causal4j.constraint;

import dev.causal4j.tokenizer.Tokenizer;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The masks and verdicts that an independent recogniser gave, and the tokenizers they are for. */
final class Golden {
    private static final Map<String, Tokenizer> TOKENIZERS = new ConcurrentHashMap<>();

    private Golden() {}

    private static byte[] resource(String name) {
        try (InputStream in = Golden.class.getResourceAsStream(name)) {
            if (in == null) {
                throw new AssertionError("no resource " + name);
            }
            return in.readAllBytes();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    static JsonNode json(String name) {
        return JsonMapper.shared().readTree(resource("golden/" + name + ".json"));
    }

    /** Schemas with texts and verdicts. */
    static JsonNode schemas(String name) {
        return JsonMapper.shared().readTree(resource("schemas/" + name + ".json"));
    }

    /** One of the tokenizers in tokenizer/golden. */
    static Tokenizer tokenizer(String name) {
        return TOKENIZERS.computeIfAbsent(name, unused -> {
            try {
                return Tokenizer.fromJson(name, resource("/dev/causal4j/tokenizer/golden/" + name + "/tokenizer.json"));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        });
    }

    /** A constraint as the cases write it. */
    static Constraint constraint(JsonNode json) {
        Whitespace whitespace = json.has("whitespace")
                ? Whitespace.valueOf(json.get("whitespace").asString().toUpperCase(Locale.ROOT))
                : Whitespace.FLEXIBLE;
        if (json.has("regex")) {
            return Constraint.regex(json.get("regex").asString());
        }
        if (json.has("grammar")) {
            return Constraint.grammar(json.get("grammar").asString());
        }
        if (json.has("choice")) {
            List<String> texts = new ArrayList<>();
            json.get("choice").forEach(each -> texts.add(each.asString()));
            return Constraint.choice(texts);
        }
        return json.has("json_object")
                ? Constraint.jsonObject()
                : Constraint.schema(json.get("json_schema").toString(), whitespace);
    }

    static byte[] bytes(String text) {
        return text.startsWith("hex:")
                ? HexFormat.of().parseHex(text.substring(4))
                : text.getBytes(StandardCharsets.UTF_8);
    }

    /** Ids as the cases write them: {@code 3-7,9}, or after {@code !} the ids that are left out. */
    static BitSet ids(String text, int size) {
        BitSet ids = new BitSet();
        boolean others = text.startsWith("!");
        for (String run : (others ? text.substring(1) : text).split(",", -1)) {
            if (!run.isEmpty()) {
                String[] ends = run.split("-", -1);
                ids.set(Integer.parseInt(ends[0]), Integer.parseInt(ends[ends.length - 1]) + 1);
            }
        }
        if (others) {
            ids.flip(0, size);
        }
        return ids;
    }

    static BitSet mask(Matcher matcher, int size) {
        long[] allowed = new long[Math.ceilDiv(size, Long.SIZE)];
        matcher.mask(allowed);
        return BitSet.valueOf(allowed);
    }
}
