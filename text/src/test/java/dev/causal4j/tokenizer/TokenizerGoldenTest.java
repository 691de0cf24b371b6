package dev.causal4j.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.FormatException;
import dev.causal4j.Whole;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * Ids and texts of Hugging Face's tokenizers 0.23.2 for 68 texts and a file of each family: the first merges of real
 * vocabularies with their pipelines, or trained for this ({@code about} in golden/ids.json).
 */
public class TokenizerGoldenTest {
    private static final Map<String, String> TEXTS = texts();
    private static final JsonNode EXPECTED =
            JsonMapper.shared().readTree(Fixtures.resource("golden/ids.json")).get("tokenizers");

    private static Map<String, String> texts() {
        Map<String, String> texts = new LinkedHashMap<>();
        for (JsonNode text : JsonMapper.shared().readTree(Fixtures.resource("golden/texts.json"))) {
            String repeated = text.path("prefix").asString("")
                    + text.path("unit").asString("").repeat(text.path("repeat").asInt(0))
                    + text.path("suffix").asString("");
            texts.put(text.get("name").asString(), text.path("text").asString(repeated));
        }
        return texts;
    }

    /** The pipelines whose file is among the resources. */
    static List<String> names() {
        List<String> names = new ArrayList<>();
        EXPECTED.properties().stream()
                .filter(each -> !each.getValue().has("npm"))
                .forEach(each -> names.add(each.getKey()));
        assertThat(names).hasSize(13);
        return names;
    }

    /** A third of them in {@code ./check}. */
    static List<String> some() {
        List<String> names = names();
        return IntStream.range(0, names.size())
                .filter(i -> i % Whole.or(1, 3) == 0)
                .mapToObj(names::get)
                .toList();
    }

    /** Names and npm packages of those whose file is not. */
    static List<Map.Entry<String, String>> packages() {
        return EXPECTED.properties().stream()
                .filter(each -> each.getValue().has("npm"))
                .map(each -> Map.entry(each.getKey(), each.getValue().get("npm").asString()))
                .toList();
    }

    /** The piece of a byte in GPT-2's alphabet. */
    public static String pieceOf(byte b) {
        return ByteLevel.piece(b);
    }

    public static Tokenizer tokenizer(String name) throws FormatException {
        return Tokenizer.fromJson(name, Fixtures.resource("golden/" + name + "/tokenizer.json"));
    }

    @ParameterizedTest
    @MethodSource("names")
    void idsAndTextsAreThoseOfHuggingFace(String name) throws FormatException {
        compare(name, tokenizer(name));
    }

    public static void compare(String name, Tokenizer tokenizer) {
        TEXTS.forEach((title, text) -> {
            JsonNode expected = EXPECTED.get(name).get("cases").get(title);
            int[] ids = tokenizer.encode(text, SpecialTokens.PARSE);

            requireIds(title, ids, expected);
            String decoded = tokenizer.decode(ids);
            requireText(title, decoded, expected.path("decoded"), text);
            JsonNode without = expected.path("without_special");
            requireText(title, tokenizer.decodeWithoutSpecial(ids), without, without.isMissingNode() ? decoded : text);
        });
    }

    private static void requireIds(String title, int[] ids, JsonNode expected) {
        if (expected.has("ids")) {
            assertThat(ids).as(title).isEqualTo(ints(expected.get("ids")));
            return;
        }
        assertThat(ids).as(title).hasSize(expected.get("count").asInt()).startsWith(ints(expected.get("first")));
        String joined = Arrays.stream(ids).mapToObj(Integer::toString).collect(Collectors.joining(","));
        assertThat(sha256(joined)).as(title).isEqualTo(expected.get("sha256").asString());
    }

    private static void requireText(String title, String text, JsonNode expected, String otherwise) {
        if (expected.has("sha256")) {
            assertThat(text).as(title).hasSize(expected.get("chars").asInt());
            assertThat(sha256(text)).as(title).isEqualTo(expected.get("sha256").asString());
        } else {
            assertThat(text).as(title).isEqualTo(expected.isString() ? expected.asString() : otherwise);
        }
    }

    @ParameterizedTest
    @MethodSource("names")
    void whatIsPutBeforeATextIsThereOnce(String name) throws FormatException {
        Tokenizer tokenizer = tokenizer(name);
        int[] before = ints(EXPECTED.get(name).get("before"));
        int[] ids = tokenizer.encode("Hello");

        assertThat(tokenizer.withPrefix(ids))
                .isEqualTo(IntStream.concat(Arrays.stream(before), Arrays.stream(ids))
                        .toArray());
        assertThat(tokenizer.withPrefix(tokenizer.withPrefix(ids))).isEqualTo(tokenizer.withPrefix(ids));
        assertThat(tokenizer.withPrefix(new int[0])).isEqualTo(before);
        if (before.length > 0) {
            String written = tokenizer.piece(before[0]) + "Hello";
            assertThat(tokenizer.withPrefix(tokenizer.encode(written, SpecialTokens.PARSE)))
                    .containsOnlyOnce(before[0]);
        }
    }

    @ParameterizedTest
    @MethodSource("some")
    void streamedTextIsTheWholeText(String name) throws FormatException {
        Tokenizer tokenizer = tokenizer(name);
        for (String text : TEXTS.values()) {
            int[] ids = tokenizer.encode(text, SpecialTokens.PARSE);
            StreamingDecoder decoder = tokenizer.decoder();
            StringBuilder streamed = new StringBuilder();
            for (int id : ids) {
                String piece = decoder.accept(id);
                assertThat(piece.isEmpty() || !Character.isHighSurrogate(piece.charAt(piece.length() - 1)))
                        .isTrue();
                streamed.append(piece);
            }
            assertThat(streamed.append(decoder.finish()).toString()).isEqualTo(tokenizer.decode(ids));
        }
    }

    @ParameterizedTest
    @MethodSource("some")
    void aSavedTokenizerIsTheSame(String name) throws FormatException {
        Tokenizer tokenizer = tokenizer(name);
        Tokenizer saved = Tokenizer.fromJson(name, tokenizer.toJson());

        assertThat(saved.toJson()).isEqualTo(tokenizer.toJson());
        TEXTS.values().forEach(text -> {
            int[] ids = tokenizer.encode(text, SpecialTokens.PARSE);
            assertThat(saved.encode(text, SpecialTokens.PARSE)).isEqualTo(ids);
            assertThat(saved.decode(ids)).isEqualTo(tokenizer.decode(ids));
        });
        assertThat(withMergesAsLines(tokenizer.toJson()))
                .isEqualTo(withMergesAsLines(Fixtures.resource("golden/" + name + "/tokenizer.json")));
    }

    private static JsonNode withMergesAsLines(byte[] json) {
        ObjectNode root = (ObjectNode) JsonMapper.shared().readTree(json);
        ArrayNode lines = JsonMapper.shared().createArrayNode();
        for (JsonNode merge : root.path("model").path("merges")) {
            lines.add(
                    merge.isString()
                            ? merge.asString()
                            : merge.get(0).asString() + " " + merge.get(1).asString());
        }
        return root.set("model", ((ObjectNode) root.get("model")).set("merges", lines));
    }

    @ParameterizedTest
    @MethodSource("some")
    void offsetsCoverTheTextInOrder(String name) throws FormatException {
        Tokenizer tokenizer = tokenizer(name);
        for (String text : TEXTS.values()) {
            Tokenizer.Encoding encoding = tokenizer.encodeWithOffsets(text, SpecialTokens.PARSE);

            assertThat(encoding.tokens()).isEqualTo(tokenizer.encode(text, SpecialTokens.PARSE));
            byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
            int covered = 0;
            for (int i = 0; i < encoding.tokens().length; i++) {
                int start = encoding.starts()[i];
                // An added token may take the space beside it.
                assertThat(new String(
                                utf8, Math.min(covered, start), Math.max(0, start - covered), StandardCharsets.UTF_8))
                        .as(text)
                        .isBlank();
                assertThat(encoding.ends()[i]).as(text).isGreaterThanOrEqualTo(encoding.starts()[i]);
                covered = Math.max(covered, encoding.ends()[i]);
            }
            assertThat(new String(utf8, covered, utf8.length - covered, StandardCharsets.UTF_8))
                    .isBlank();
        }
    }

    @ParameterizedTest
    @MethodSource("some")
    void piecesAndIdsAreInverse(String name) throws FormatException {
        Tokenizer tokenizer = tokenizer(name);
        for (int id = 0; id < tokenizer.vocabularySize(); id++) {
            assertThat(tokenizer.id(tokenizer.piece(id))).hasValue(id);
        }
    }

    private static int[] ints(JsonNode list) {
        return JsonMapper.shared().convertValue(list, int[].class);
    }

    private static String sha256(String text) {
        try {
            byte[] digest = MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
            return HexFormat.of().formatHex(digest);
        } catch (NoSuchAlgorithmException impossible) {
            throw new AssertionError(impossible);
        }
    }
}
