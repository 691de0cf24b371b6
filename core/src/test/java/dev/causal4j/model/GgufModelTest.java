package dev.causal4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.causal4j.compute.Rows;
import dev.causal4j.decoder.Activations;
import dev.causal4j.decoder.Batch;
import dev.causal4j.decoder.KVCache;
import dev.causal4j.format.Gguf;
import dev.causal4j.json.Json;
import dev.causal4j.kernel.choice.Kernels;
import dev.causal4j.tensor.DType;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Models in GGUF files, widened, against float64 of the same weights; {@link QuantisedBitsTest} multiplies their codes.
 */
class GgufModelTest {
    private static final Path FILES = Path.of("src/test/resources/dev/causal4j/golden/gguf");

    static List<String> names() throws IOException {
        try (Stream<Path> files = Files.list(FILES)) {
            return files.map(file -> file.getFileName().toString())
                    .filter(name -> name.endsWith(".expected.json"))
                    .map(name -> name.substring(0, name.length() - ".expected.json".length()))
                    .sorted()
                    .toList();
        }
    }

    @ParameterizedTest
    @MethodSource("names")
    void logitsAreThoseOfDoublePrecision(String name) throws IOException {
        Json expected = Json.read(FILES.resolve(name + ".expected.json"));
        int[] tokens =
                expected.integers("tokens").stream().mapToInt(Integer::intValue).toArray();
        List<?> logits = Objects.requireNonNull((List<?>) expected.root().get("logits"));
        double tolerance = expected.number("tolerance", 0, 0, 1);
        try (CausalLM model = CausalLM.load(FILES.resolve(expected.requireString("file")), DType.F32);
                KVCache cache = model.newCache()) {
            cache.reserve(expected.integer("n_ctx", 64, 1, 1 << 20));
            Rows hidden = model.forward(Batch.of(cache, tokens), new Activations());
            for (int t = 0; t < tokens.length; t++) {
                float[] actual = model.head().logits(hidden, t);
                List<?> row = (List<?>) logits.get(t);
                for (int v = 0; v < row.size(); v++) {
                    assertThat((double) actual[v])
                            .as("position %d, token %d", t, v)
                            .isCloseTo(((Number) row.get(v)).doubleValue(), within(tolerance));
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("names")
    void greedyTokensAreThoseOfDoublePrecision(String name) throws IOException {
        Json expected = Json.read(FILES.resolve(name + ".expected.json"));
        List<Integer> greedy = expected.integers("greedy");
        try (CausalLM model = CausalLM.load(FILES.resolve(expected.requireString("file")), DType.F32);
                KVCache cache = model.newCache()) {
            cache.reserve(expected.integer("n_ctx", 64, 1, 1 << 20));
            Activations activations = new Activations();
            int[] next = expected.integers(expected.has("greedy_prompt") ? "greedy_prompt" : "tokens").stream()
                    .mapToInt(Integer::intValue)
                    .toArray();
            for (int token : greedy) {
                Rows hidden = model.forward(Batch.last(cache, next), activations);
                float[] logits = model.head().logits(hidden, 0);
                next = new int[] {Kernels.argmax(logits, 0, logits.length)};
                assertThat(next[0]).isEqualTo(token);
            }
        }
    }

    /** The file is from llama.cpp's converter. */
    @Test
    void floatsHaveTheBitsOfTheModelTheyWereConvertedFrom() throws IOException {
        int[] tokens = {5, 80, 3, 111, 2, 64};
        try (CausalLM gguf = CausalLM.load(FILES.resolve("llama-f32.gguf"));
                CausalLM folder = CausalLM.load(FILES.resolve("hf"))) {
            assertThat(Logits.of(gguf, tokens)).isEqualTo(Logits.of(folder, tokens));
            assertThat(gguf.config().sameArchitecture(folder.config())).isTrue();
        }
    }

    /**
     * All fixtures except families whose sums have another order in the file ({@link Qwen35Test}), or that divide
     * logits by a number that is not a float.
     */
    static List<String> twins() throws IOException {
        List<String> twins = new ArrayList<>();
        for (String name : names()) {
            if (!name.matches("(qwen3_5|granite4).*")
                    && Json.read(FILES.resolve(name + ".expected.json")).has("fixture")) {
                twins.add(name);
            }
        }
        return twins;
    }

    @ParameterizedTest
    @MethodSource("twins")
    void twinsHaveTheBitsOfTheirFixtures(String name) throws IOException {
        Json expected = Json.read(FILES.resolve(name + ".expected.json"));
        int[] tokens =
                expected.integers("tokens").stream().mapToInt(Integer::intValue).toArray();
        Path fixture = Golden.folder(expected.requireString("fixture"));
        try (CausalLM gguf = CausalLM.load(FILES.resolve(expected.requireString("file")), DType.F32);
                CausalLM folder = CausalLM.load(fixture, DType.F32)) {
            assertThat(Logits.of(gguf, tokens)).isEqualTo(Logits.of(folder, tokens));
        }
    }

    /** The scale or minimum of a block is infinite or NaN. */
    @ParameterizedTest
    @CsvSource({
        "llama-q4_0, blk.0.ffn_down.weight, 0, 7c00, int4",
        "llama-q4_1, blk.0.ffn_down.weight, 2, fc00, int4",
        "llama-q4_k, blk.0.ffn_down.weight, 2, 7e00, int4",
        "llama-q8_0, token_embd.weight, 0, 7e00, int8"
    })
    void scalesAndMinimumsThatAreNotFiniteAreRefused(
            String name, String tensor, long at, String half, String dtype, @TempDir Path folder) throws IOException {
        Path file = folder.resolve("broken.gguf");
        byte[] bytes = Files.readAllBytes(FILES.resolve(name + ".gguf"));
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment data = Gguf.open(FILES.resolve(name + ".gguf"), arena)
                    .tensors()
                    .tensor(tensor)
                    .data();
            byte[] block = data.asSlice(0, 256).toArray(ValueLayout.JAVA_BYTE);
            int start = new String(bytes, StandardCharsets.ISO_8859_1)
                    .indexOf(new String(block, StandardCharsets.ISO_8859_1));
            ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putShort(start + (int) at, (short)
                    Integer.parseInt(half, 16));
        }
        Files.write(file, bytes);
        assertThatThrownBy(() -> CausalLM.load(file).close())
                .isExactlyInstanceOf(IllegalArgumentException.class)
                .hasMessageStartingWith(
                        file + ", tensors [" + tensor + "]: " + dtype + ": expected finite scales and minimums, got ")
                .hasMessageEndingWith(" in row 0");
    }
}
