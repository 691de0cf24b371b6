package dev.causal4j.json;

import static dev.causal4j.json.Refusal.refused;
import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.FormatException;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class JsonTest {
    @TempDir
    Path folder;

    @Test
    void valuesOfARealConfigAreRead() throws IOException {
        Path file = Files.writeString(folder.resolve("config.json"), """
                {"model_type": "gpt2", "n_embd": 768, "n_inner": null, "layer_norm_epsilon": 1e-5, "p": 1,
                 "scale_attn_weights": true, "eos_token_id": [50256, 7], "bos_token_id": 50256, "deep": {"x": [{}]}}
                """);
        Json config = Json.read(file);
        assertThat(config.string("model_type", "none")).isEqualTo("gpt2");
        assertThat(config.requireInt("n_embd", 1, 768)).isEqualTo(768);
        assertThat(config.integer("n_embd", 3, 768, 768)).isEqualTo(768);
        assertThat(config.number("layer_norm_epsilon", 1, 0, 1)).isEqualTo(1e-5);
        assertThat(config.number("p", 0.5, 0, 1)).isEqualTo(1);
        assertThat(config.bool("scale_attn_weights", false)).isTrue();
        assertThat(config.integers("eos_token_id")).containsExactly(50256, 7);
        assertThat(config.integers("bos_token_id")).containsExactly(50256);
        assertThat(config.has("deep")).isTrue();
    }

    @ParameterizedTest
    @ValueSource(strings = {"{}", "{\"k\":null}"})
    void nullCountsAsAbsent(String json) throws IOException {
        Json config = parse(json);
        assertThat(config.has("k")).isFalse();
        assertThat(config.integer("k", -5, 1, 2)).isEqualTo(-5);
        assertThat(config.number("k", -0.5, 1, 2)).isEqualTo(-0.5);
        assertThat(config.bool("k", true)).isTrue();
        assertThat(config.string("k", "other")).isEqualTo("other");
        assertThat(config.integers("k")).isEmpty();
        refused(() -> config.requireInt("k", 1, 9), "config, key \"k\": ", "an integer from 1 to 9", "got nothing");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "0",
                "10",
                "-1",
                "1.0",
                "1e0",
                "\"5\"",
                "true",
                "[]",
                "[5]",
                "{}",
                "2147483648",
                "99999999999999999999"
            })
    void whatIsNoIntegerInRangeIsRefused(String value) throws IOException {
        Json config = parse("{\"k\":" + value + "}");
        String got = "got " + shown(value) + ";";
        refused(() -> config.requireInt("k", 1, 9), "config, key \"k\": ", "1 to 9", got);
        refused(() -> config.integer("k", 5, 1, 9), "config, key \"k\": ", "1 to 9", got);
    }

    @ParameterizedTest
    @ValueSource(strings = {"-0.1", "1.1", "1e400", "-1e400", "\"0.5\"", "false", "[]", "{}"})
    void whatIsNoFiniteNumberInRangeIsRefused(String value) throws IOException {
        Json config = parse("{\"k\":" + value + "}");
        refused(() -> config.number("k", 0, 0, 1), "config, key \"k\": ", "0.0 to 1.0");
    }

    @Test
    void infinityIsNoNumberEvenWithoutARange() throws IOException {
        Json config = parse("{\"k\":1e400,\"i\":1" + "0".repeat(400) + "}");
        double all = Double.POSITIVE_INFINITY;
        refused(() -> config.number("k", 0, -all, all), "config, key \"k\": ", "a number");
        refused(() -> config.number("i", 0, -all, all), "config, key \"i\": ", "a number");
    }

    @ParameterizedTest
    @ValueSource(strings = {"0", "1", "\"true\"", "[]", "{}"})
    void whatIsNoBooleanIsRefused(String value) throws IOException {
        Json config = parse("{\"k\":" + value + "}");
        refused(() -> config.bool("k", true), "config, key \"k\": ", "true or false", "got " + shown(value) + ";");
    }

    @ParameterizedTest
    @ValueSource(strings = {"0", "true", "[\"x\"]", "{}"})
    void whatIsNoStringIsRefused(String value) throws IOException {
        Json config = parse("{\"k\":" + value + "}");
        refused(() -> config.string("k", "x"), "config, key \"k\": ", "a string", "got " + shown(value) + ";");
    }

    @ParameterizedTest
    @ValueSource(strings = {"1.5", "\"1\"", "{}", "[1,null]", "[1,[2]]", "[2147483648]", "true"})
    void whatIsNoListOfIntegersIsRefused(String value) throws IOException {
        Json config = parse("{\"k\":" + value + "}");
        refused(() -> config.integers("k"), "config, key \"k\": ", "an integer");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                " ",
                "[]",
                "null",
                "1",
                "\"x\"",
                "{",
                "{}{}",
                "{} 1",
                "{}}",
                "{\"a\":1,\"a\":1}",
                "{a:1}",
                "{'a':1}",
                "{\"a\":NaN}",
                "{\"a\":Infinity}",
                "{\"a\":+1}",
                "{\"a\":.5}",
                "{\"a\":1,}",
                "// x\n{}",
                "\ufeff{}",
                "{}\0",
                "{\"x\":{\"a\":1,\"a\":2}}"
            })
    void whatIsNotOneStrictJsonObjectIsRefused(String json) {
        refused(() -> parse(json), "config: ");
    }

    @Test
    void deepNestingIsRefused() {
        int depth = 400_000;
        refused(
                () -> parse("{\"a\":" + "[".repeat(depth) + "]".repeat(depth) + "}"),
                "config: ",
                "depth at most 100",
                "more");
    }

    @Test
    void numberOfManyDigitsIsRefused() {
        refused(() -> parse("{\"a\":" + "9".repeat(900_000) + "}"), "config: ", "valid JSON");
    }

    @Test
    void hugeExponentCostsNothing() throws IOException {
        Json config = parse("{\"a\":1e999999999,\"b\":1e-999999999}");
        refused(() -> config.requireInt("a", 0, 1), "config, key \"a\": ", "an integer");
        assertThat(config.number("b", 1, 0, 1)).isZero();
    }

    @ParameterizedTest
    @ValueSource(strings = {"1e2147483648", "-1e-2147483649", "1e99999999999"})
    void anExponentThatNoDecimalHasIsRefused(String number) {
        byte[] json = ("{\"a\": " + number + "}").getBytes(StandardCharsets.UTF_8);
        refused(() -> Json.exactTree("x", json), "x: ", "valid JSON", "exponent");
    }

    @Test
    void bytesThatAreNotUtf8AreRefused() {
        byte[] utf16 = "{\"a\":1}".getBytes(StandardCharsets.UTF_16);
        refused(() -> Json.parse("config", utf16), "config: ", "UTF-8");
        refused(
                () -> Json.parse("config", new byte[] {'{', '"', (byte) 0xc0, (byte) 0x80, '"', ':', '1', '}'}),
                "config: ",
                "UTF-8");
    }

    @Test
    void fileOfMoreThanAMegabyteIsRefusedBeforeItIsRead() throws IOException {
        Path file = Files.writeString(folder.resolve("config.json"), "{}");
        try (RandomAccessFile sparse = new RandomAccessFile(file.toFile(), "rw")) {
            sparse.setLength(10_000_000_000L);
        }
        refused(() -> Json.read(file), file + ": ", "1000000", "10000000000 bytes");
        refused(() -> Json.parse("config", new byte[1_000_001]), "config: ", "1000000", "1000001 bytes");
    }

    @Test
    void missingFileIsNamed() {
        refused(() -> Json.read(folder.resolve("none")), folder + "/none: ", "a JSON file", "no such file");
    }

    @ParameterizedTest
    @CsvSource({"\\u001b[2J\\n", "\\u202e", "\\ud800"})
    void hostileStringsStayOnOneLine(String escape) throws IOException {
        Json config = parse("{\"k\":\"" + escape.repeat(1000) + "\"}");
        refused(() -> config.requireInt("k", 1, 9), "config, key \"k\": ", "...");
    }

    /** How a message shows a value. */
    private static String shown(String json) {
        return switch (json) {
            case "1e0" -> "1.0";
            case "[]" -> "a list of 0";
            case "[5]", "[\"x\"]" -> "a list of 1";
            case "{}" -> "an object of 0";
            default -> json;
        };
    }

    private static Json parse(String json) throws FormatException {
        return Json.parse("config", json.getBytes(StandardCharsets.UTF_8));
    }

    private static long allocated(String json, Set<String> large) throws IOException {
        byte[] bytes = json.getBytes(StandardCharsets.UTF_8);
        var threads = (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
        long before = threads.getCurrentThreadAllocatedBytes();
        Json.tree("body", bytes, large, (path, name, value) -> {});
        return threads.getCurrentThreadAllocatedBytes() - before;
    }

    private static String listsBelowNames(int lists, int length) {
        return ("{\"" + "n".repeat(length) + "\":").repeat(60) + "[" + "[],".repeat(lists) + "[]]" + "}".repeat(60);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "model.vocab"})
    void twiceTheNamesAndTwiceTheListsTakeTwiceTheMemory(String large) throws IOException {
        Set<String> paths = large.isEmpty() ? Set.of() : Set.of(large);
        allocated(listsBelowNames(1, 1), paths);
        long once = allocated(listsBelowNames(1000, 2000), paths);
        assertThat(allocated(listsBelowNames(2000, 4000), paths)).isLessThan(3 * once);
    }

    @Test
    void aNameHasABound() throws IOException {
        assertThat(Json.tree("body", ("{\"" + "n".repeat(1 << 14) + "\":1}").getBytes(StandardCharsets.UTF_8)))
                .hasSize(1);
        refused(
                () -> Json.tree("body", ("{\"" + "n".repeat((1 << 14) + 1) + "\":1}").getBytes(StandardCharsets.UTF_8)),
                "body: ",
                "valid JSON",
                "Name length (16385) exceeds the maximum allowed (16384)");
    }

    @ParameterizedTest
    @ValueSource(strings = {"{}", "[]"})
    void emptyObjectsAndListsTakeNoMemory(String value) throws IOException {
        byte[] json = ("{\"k\":[" + value + "," + value + "]}").getBytes(StandardCharsets.UTF_8);
        List<?> list = (List<?>) Objects.requireNonNull(Json.tree("body", json).get("k"));
        assertThat(list.getFirst()).isSameAs(list.getLast());
    }
}
