package dev.causal4j.model.gguf;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.FormatException;
import dev.causal4j.decoder.BlockConfig.AttentionConfig;
import dev.causal4j.format.Gguf;
import dev.causal4j.format.TensorStore;
import dev.causal4j.json.Json;
import dev.causal4j.model.Conversion;
import dev.causal4j.model.GgufType;
import dev.causal4j.model.families.Architecture;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class Gemma4KeysTest {
    private static final String FACTORS = "rope_freqs.weight";

    private static Gguf file(String name) throws IOException {
        Path file = Path.of("src/test/resources/dev/causal4j/golden/gguf", name + ".gguf");
        return Gguf.open(file, Arena.ofAuto());
    }

    private static Architecture read(String name, String key, Object value) throws IOException {
        Gguf file = file(name);
        Json metadata = file.metadata().with(Map.of("gemma4." + key, value));
        return new GgufFamily(metadata, file.tensors()).read();
    }

    private static Architecture read(float... factors) throws IOException {
        Gguf file = file("gemma4");
        Map<String, TensorStore.Stored> tensors = new HashMap<>(file.tensors().tensors());
        List<Long> shape = List.of((long) factors.length);
        tensors.put(FACTORS, new TensorStore.Stored("x.gguf", "F32", shape, MemorySegment.ofArray(factors)));
        return new GgufFamily(file.metadata(), new TensorStore("x.gguf", tensors, Map.of())).read();
    }

    /** Some of the 8 pairs turn; the frequencies of the others are divided by 1e30. */
    @Test
    void aFrequencyDividedBy1e30Is0() throws IOException {
        float never = 1e30f;
        Architecture read = read(2, 2, 2, never, never, never, never, never);
        List<Double> frequencies = Objects.requireNonNull(
                        read.decoder().attentions().getLast().rope())
                .frequencies();
        assertThat(frequencies.get(1)).isEqualTo(StrictMath.pow(200000, -2.0 / 16) / 2);
        assertThat(frequencies.subList(3, 8)).containsOnly(0.0);
        assertThatThrownBy(() -> read(1, 2, never, never, never, never, never, never))
                .isInstanceOf(FormatException.class)
                .hasMessageContaining("tensor " + FACTORS);
        assertThatThrownBy(() -> read(1, never, 1, never, never, never, never, never))
                .isInstanceOf(FormatException.class)
                .hasMessageContaining("tensor " + FACTORS);
        assertThatThrownBy(() -> read(1, never))
                .isInstanceOf(FormatException.class)
                .hasMessageContaining(FACTORS);
    }

    @Test
    void keysOfOthersAreReadAsLlamaCppReadsThem() throws IOException {
        Architecture read = new GgufFamily(
                        file("gemma4-multimodal").metadata(),
                        file("gemma4-multimodal").tensors())
                .read();
        assertThat(read.decoder().attentions().stream().map(AttentionConfig::keysOf))
                .containsExactly(-1, -1, -1, -1, 2, 3);
    }

    private static Object json(String value) throws FormatException {
        return Objects.requireNonNull(Json.value("x", value.getBytes(StandardCharsets.UTF_8)));
    }

    /** Files of llama.cpp's converter have the same keys and tensors, and others that are never read. */
    @ParameterizedTest
    @ValueSource(strings = {"gemma4", "gemma4-moe", "gemma4-multimodal"})
    void aFileIsWrittenAsLlamaCppWritesIt(String name, @TempDir Path folder) throws IOException {
        Gguf twin = file(name);
        Path written = folder.resolve("x.gguf");
        Path fixture = Path.of("src/test/resources/dev/causal4j/golden", name);
        Conversion.of(fixture).toGguf(written, GgufType.F32);
        Gguf own = Gguf.open(written, Arena.ofAuto());
        twin.metadata().root().forEach((key, value) -> {
            if (((String) key).startsWith("gemma4.")) {
                assertThat(own.metadata().root().get(key)).as("%s", key).isEqualTo(value);
            }
        });
        for (String tensor : own.tensors().names()) {
            assertThat(own.tensors().tensor(tensor).shape())
                    .as(tensor)
                    .isEqualTo(twin.tensors().tensor(tensor).shape());
            assertThat(own.tensors().tensor(tensor).toArray())
                    .as(tensor)
                    .isEqualTo(twin.tensors().tensor(tensor).toArray());
        }
        assertThat(twin.tensors().names().stream()
                        .filter(tensor -> !own.tensors().names().contains(tensor)))
                .allMatch(tensor -> tensor.matches("blk\\.[45]\\.attn_(k|v|k_norm)\\.weight"));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "gemma4 | attention.head_count_kv | [2, 2] | 6 layers",
                "gemma4 | attention.head_count_kv | [2, 2, 1, 2, 2, 1] | equal numbers",
                "gemma4 | attention.sliding_window_pattern | [true] | 6 layers",
                "gemma4 | attention.sliding_window_pattern | [true, true, true, true, true, true] | the last layer",
                "gemma4 | attention.sliding_window_pattern | 6 | 6 layers",
                "gemma4 | feed_forward_length | [50, 50, 50, 50, 50, 51] | equal numbers",
                "gemma4 | feed_forward_length | [50, 50, 50, 50, 50, -1] | 6 layers",
                "gemma4 | attention.value_length | 8 | 16",
                "gemma4 | rope.dimension_count_swa | 4 | 10",
                "gemma4 | rope.scaling.type | \"yarn\" | none",
                "gemma4 | block_count | 1000000 | one block for each tensor",
                "gemma4 | attention.shared_kv_layers | 1 | a full one",
                "gemma4 | attention.head_count | 0 | 1",
                "gemma4-moe | expert_used_count | 6 | 5",
                "gemma4-moe | expert_count | 1000 | ffn_gate_inp",
                "gemma4-multimodal | attention.shared_kv_layers | 3 | a full one"
            })
    void whatDoesNotFitIsRefusedByName(String name, String key, String value, String expected) {
        assertThatThrownBy(() -> read(name, key, json(value)))
                .isInstanceOf(FormatException.class)
                .hasMessageContaining(expected)
                .message()
                .matches("[^\\p{Cntrl}]+: expected [^\\p{Cntrl}]+, got [^\\p{Cntrl}]+; [^\\p{Cntrl}]+");
    }
}
