package dev.causal4j.model;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.compute.Compute;
import dev.causal4j.compute.Rows;
import dev.causal4j.decoder.Activations;
import dev.causal4j.decoder.Batch;
import dev.causal4j.decoder.KVCache;
import dev.causal4j.tensor.DType;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import java.util.zip.CRC32;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Models whose weights are codes, in each format of a file: the same bits whatever the threads, the chunks and the
 * batch, and the same as in the previous release. {@link EqualKernelsTest} tests other machines.
 */
class QuantisedBitsTest {
    private static final Path FILES = Path.of("src/test/resources/dev/causal4j/golden/gguf");
    private static final int VOCABULARY = 300;

    /** Checksums of {@link #digest}, of the specification in plain Java. */
    private static final Map<String, String> BITS = Map.ofEntries(
            Map.entry("llama-q8_0", "9708f7fd"),
            Map.entry("llama-q4_0", "7f164c16"),
            Map.entry("llama-q4_1", "50b715b4"),
            Map.entry("llama-q5_0", "2b71e1bc"),
            Map.entry("llama-q5_1", "b81d6899"),
            Map.entry("llama-q2_k", "297ad3a3"),
            Map.entry("llama-q3_k", "bea48247"),
            Map.entry("llama-q4_k", "384eb396"),
            Map.entry("llama-q5_k", "f1171b81"),
            Map.entry("llama-q6_k", "e8c47502"),
            Map.entry("llama-iq4_nl", "f0a60fd8"),
            Map.entry("llama-iq4_xs", "34defc5d"),
            Map.entry("llama-mxfp4", "95d7a55a"),
            Map.entry("llama-mix-q4_k_m", "fe18ca86"),
            Map.entry("llama-odd-q4_k_m", "bacc2df0"),
            Map.entry("gpt-oss", "58c2b78c"),
            Map.entry("llama-f32 in int8", "742e4d13"),
            Map.entry("llama-f32 in int4", "220bc045"));

    private final int threads = Compute.shared().threads();

    @AfterEach
    void restoreThreads() {
        Compute.shared().use(threads);
    }

    static Stream<String> names() {
        return Stream.of(
                "llama-q8_0",
                "llama-q4_0",
                "llama-q4_1",
                "llama-q5_0",
                "llama-q5_1",
                "llama-q2_k",
                "llama-q3_k",
                "llama-q4_k",
                "llama-q5_k",
                "llama-q6_k",
                "llama-iq4_nl",
                "llama-iq4_xs",
                "llama-mxfp4",
                "llama-mix-q4_k_m",
                "llama-odd-q4_k_m",
                "gpt-oss",
                "llama-f32 in int8",
                "llama-f32 in int4");
    }

    /** The model of a file with such weights, or with floats that are quantised here. */
    static CausalLM model(String name) {
        String[] parts = name.split(" in ", -1);
        Path file = FILES.resolve(parts[0] + ".gguf");
        try {
            CausalLM model = parts.length == 1
                    ? CausalLM.load(file)
                    : CausalLM.load(file, DType.ofLabel(parts[1]).orElseThrow());
            assertThat(model.dtype().arithmetic()).isEqualTo("integer");
            return model;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The digest of the logits of 70 tokens. */
    static String digest(String name) {
        try (CausalLM model = model(name)) {
            float[] logits = Logits.of(model, tokens(1, 70));
            ByteBuffer bytes = ByteBuffer.allocate(4 * logits.length);
            bytes.asFloatBuffer().put(logits);
            CRC32 crc = new CRC32();
            crc.update(bytes);
            return Long.toHexString(crc.getValue());
        }
    }

    @ParameterizedTest
    @MethodSource("names")
    void logitsHaveTheBitsThatTheyHad(String name) {
        assertThat(digest(name)).isEqualTo(BITS.get(name));
    }

    @ParameterizedTest
    @MethodSource("names")
    void logitsAreNearThoseOfWidenedWeights(String name) throws IOException {
        if (name.contains(" in ")) {
            return; // quantised here: not the same weights
        }
        try (CausalLM codes = model(name);
                CausalLM wide = CausalLM.load(FILES.resolve(name + ".gguf"), DType.F32)) {
            float[] actual = Logits.of(codes, tokens(1, 70));
            float[] expected = Logits.of(wide, tokens(1, 70));
            double error = 0;
            double square = 0;
            for (int i = 0; i < actual.length; i++) {
                error += Math.pow(actual[i] - expected[i], 2);
                square += Math.pow(expected[i], 2);
            }
            assertThat(Math.sqrt(error / square)).isLessThan(0.08); // for narrow random models
        }
    }

    @ParameterizedTest
    @MethodSource("names")
    void threadsChunksAndNeighboursChangeNothing(String name) {
        try (CausalLM model = model(name)) {
            int[] tokens = tokens(2, 70);
            Compute.shared().use(1);
            float[] expected = Logits.of(model, tokens);
            for (int count = 2; count <= 3; count++) {
                Compute.shared().use(count);
                assertThat(Logits.of(model, tokens)).isEqualTo(expected);
            }
            for (int size : new int[] {1, 2, 7, 17, 33}) {
                assertThat(inChunks(model, tokens, size))
                        .as("chunks of %d", size)
                        .isEqualTo(expected);
            }
            assertThat(besideOthers(model, tokens)).isEqualTo(expected);
        }
    }

    private static float[] inChunks(CausalLM model, int[] tokens, int size) {
        Activations activations = new Activations();
        float[] logits = new float[tokens.length * VOCABULARY];
        try (KVCache cache = model.newCache()) {
            for (int from = 0; from < tokens.length; from += size) {
                int[] chunk = Arrays.copyOfRange(tokens, from, Math.min(tokens.length, from + size));
                Rows hidden = model.forward(Batch.of(cache, chunk), activations);
                Rows out = new Rows(logits, from * VOCABULARY, VOCABULARY, chunk.length);
                model.head().logits(hidden, out);
            }
        }
        return logits;
    }

    private static float[] besideOthers(CausalLM model, int[] tokens) {
        List<Batch.Chunk> chunks = new ArrayList<>();
        for (int length : new int[] {5, 1, tokens.length, 18, 1, 2, 3, 40}) {
            chunks.add(new Batch.Chunk(model.newCache(), length == tokens.length ? tokens : tokens(length, length)));
        }
        Batch batch = new Batch(chunks);
        Rows hidden = model.forward(batch, new Activations());
        float[] logits = new float[batch.rows() * VOCABULARY];
        model.head().logits(hidden, Rows.of(logits, VOCABULARY, batch.rows()));
        return Arrays.copyOfRange(logits, 6 * VOCABULARY, (6 + tokens.length) * VOCABULARY);
    }

    private static int[] tokens(long seed, int count) {
        return new Random(seed).ints(count, 0, VOCABULARY).toArray();
    }
}
