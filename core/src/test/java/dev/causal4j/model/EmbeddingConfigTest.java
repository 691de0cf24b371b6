package dev.causal4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.FormatException;
import dev.causal4j.NonFiniteException;
import dev.causal4j.generation.Embedder;
import dev.causal4j.model.EmbeddingConfig.Pooling;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** How a model embeds is read from its own files, and what cannot be computed is refused at load by name. */
class EmbeddingConfigTest {
    @TempDir
    Path temporary;

    private Path copy() throws IOException {
        return copy("embedding-last");
    }

    private Path copy(String name) throws IOException {
        Path from = Golden.folder(name);
        Path to = temporary.resolve("model");
        try (Stream<Path> all = Files.walk(from)) {
            for (Path each : all.toList()) {
                Path target = to.resolve(from.relativize(each).toString());
                if (Files.isDirectory(each)) {
                    Files.createDirectories(target);
                } else {
                    Files.copy(each, target);
                }
            }
        }
        return to;
    }

    private static void write(Path file, String text) throws IOException {
        Files.createDirectories(file.resolveSibling(""));
        Files.writeString(file, text);
    }

    private static void addLayer(Path folder, String config) throws IOException {
        Path dense = Golden.folder("embedding-mean").resolve("2_Dense");
        Files.createDirectories(folder.resolve("2_Dense"));
        Files.copy(dense.resolve("model.safetensors"), folder.resolve("2_Dense/model.safetensors"));
        write(folder.resolve("2_Dense/config.json"), config.replace('\'', '"'));
        String modules = "[{'type': 'a.Pooling', 'path': '1_Pooling'}, {'type': 'a.Dense', 'path': '2_Dense'}]";
        write(folder.resolve("modules.json"), modules.replace('\'', '"'));
    }

    @Test
    void aFolderSaysItsPoolingAndItsPrompts() throws IOException {
        Path folder = copy();
        try (CausalLM model = CausalLM.load(folder)) {
            EmbeddingConfig config = model.embedding().orElseThrow();
            assertThat(config.pooling()).isEqualTo(Pooling.LAST);
            assertThat(config.prompts()).containsOnlyKeys("query", "document").containsEntry("document", "");
            assertThat(config.shortens()).isFalse();
            assertThat(config.size(32)).isEqualTo(32);
        }
        Path file = folder.resolve("config.json");
        write(file, Files.readString(file).replaceFirst("\\{", "{\"matryoshka_dimensions\": [8, 16],"));
        write(folder.resolve("1_Pooling/config.json"), "{\"pooling_mode\": \"mean\"}");
        try (CausalLM model = CausalLM.load(folder)) {
            assertThat(model.embedding().orElseThrow().shortens()).isTrue();
            assertThat(model.embedding().orElseThrow().pooling()).isEqualTo(Pooling.MEAN);
        }
        Files.delete(folder.resolve("modules.json"));
        try (CausalLM model = CausalLM.load(folder)) {
            assertThat(model.embedding()).isEmpty();
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{'pooling_mode_cls_token': true}|cls",
                "{'pooling_mode_max_tokens': true, 'pooling_mode_mean_tokens': false}|max",
                "{'pooling_mode_max_tokens': true, 'pooling_mode_mean_tokens': true}|max, mean",
                "{'pooling_mode': 'weightedmean'}|weightedmean",
                "{}|mean or lasttoken",
                "{'pooling_mode_lasttoken': true, 'include_prompt': false}|include_prompt",
                "{'pooling_mode_lasttoken': true, 'word_embedding_dimension': 33}|word_embedding_dimension"
            })
    void otherPoolingIsRefusedByName(String pooling, String named) throws IOException {
        Path folder = copy();
        write(folder.resolve("1_Pooling/config.json"), pooling.replace('\'', '"'));
        assertThatThrownBy(() -> CausalLM.load(folder))
                .isInstanceOf(FormatException.class)
                .hasMessageContaining(named);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "5|modules",
                "[]|Pooling",
                "[{'type': 'a.Pooling', 'path': '../other'}]|path",
                "[{'type': 'a.Pooling', 'path': '..'}]|path",
                "[{'type': 'a.LayerNorm', 'path': '2_Norm'}]|LayerNorm",
                "[{'type': 'a.Dense', 'path': '2_Dense'}, {'type': 'a.Pooling', 'path': '1_Pooling'}]|Pooling"
            })
    void otherModulesAreRefusedByName(String modules, String named) throws IOException {
        Path folder = copy();
        write(folder.resolve("modules.json"), modules.replace('\'', '"'));
        assertThatThrownBy(() -> CausalLM.load(folder))
                .isInstanceOf(FormatException.class)
                .hasMessageContaining(named);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{'in_features': 32, 'out_features': 80}|bias",
                "{'in_features': 32, 'out_features': 80, 'bias': false}|activation_function",
                "{'in_features': 31, 'out_features': 80, 'bias': false}|in_features",
                "{'in_features': 32, 'out_features': 81, 'bias': false, 'activation_function': 'Identity'}|linear.weight"
            })
    void aLayerThatCannotBeComputedIsRefused(String config, String named) throws IOException {
        Path folder = copy();
        addLayer(folder, config);
        assertThatThrownBy(() -> CausalLM.load(folder))
                .isInstanceOf(FormatException.class)
                .hasMessageContaining(named);
    }

    /** A file with a hole has as many numbers as it says. */
    @Test
    void aLayerOfTooManyNumbersIsRefusedBeforeItIsRead() throws IOException {
        Path folder = copy("embedding-mean");
        for (String each : new String[] {"2_Dense", "3_Dense"}) {
            Path config = folder.resolve(each).resolve("config.json");
            write(
                    config,
                    Files.readString(config)
                            .replace("80", "60000")
                            .replace("_features\": 32,\n \"b", "_features\": 60000,\n \"b"));
        }
        String header = "{\"linear.weight\":{\"dtype\":\"F32\",\"shape\":[60000,32],\"data_offsets\":[0,7680000]}}";
        ByteBuffer bytes = ByteBuffer.allocate(8 + header.length() + 7_680_000).order(ByteOrder.LITTLE_ENDIAN);
        bytes.putLong(header.length()).put(header.getBytes(StandardCharsets.US_ASCII));
        Files.write(folder.resolve("2_Dense/model.safetensors"), bytes.array());
        assertThatThrownBy(() -> CausalLM.load(folder))
                .isInstanceOf(FormatException.class)
                .hasMessageContaining("3_Dense")
                .hasMessageContaining("\"out_features\": expected an integer from 1 to 559, got 60000");
    }

    @Test
    void aLayerWithANumberThatIsNotFiniteIsNamed() throws IOException {
        Path folder = copy("embedding-mean");
        Path file = folder.resolve("3_Dense/model.safetensors");
        byte[] bytes = Files.readAllBytes(file);
        Arrays.fill(bytes, bytes.length - 4, bytes.length, (byte) -1);
        Files.write(file, bytes);
        try (CausalLM model = CausalLM.load(folder)) {
            assertThatThrownBy(() -> Embedder.of(model).embed("Emma"))
                    .isInstanceOf(NonFiniteException.class)
                    .hasMessageContaining("vector: expected finite numbers, got NaN");
        }
    }

    /** A folder of converted weights embeds as the original. */
    @Test
    void aConversionKeepsIt() throws IOException {
        Path folder = copy();
        Path out = temporary.resolve("out");
        Conversion.of(folder).toPanels(out);
        try (CausalLM model = CausalLM.load(out)) {
            assertThat(model.embedding().orElseThrow().pooling()).isEqualTo(Pooling.LAST);
        }
        Conversion.of(folder).withOverwrite(true).toHuggingFace(out);
        try (CausalLM model = CausalLM.load(out)) {
            assertThat(model.embedding().orElseThrow().prompts()).hasSize(2);
        }
    }

    /** GGUF has a key for the pooling, and one for the token after a text if it is the one that ends texts. */
    @Test
    void aGgufFileSaysItsPoolingAndItsEnd() throws IOException {
        Path folder = copy();
        Path file = temporary.resolve("model.gguf");
        assertThatThrownBy(() -> Conversion.of(folder).toGguf(file))
                .hasMessageContaining("expected no token after texts but 272")
                .hasMessageContaining("[270]");
        Path config = folder.resolve("config.json");
        write(config, Files.readString(config).replace("\"eos_token_id\": 272", "\"eos_token_id\": 270"));
        Conversion.of(folder).toGguf(file);
        try (CausalLM model = CausalLM.load(folder);
                CausalLM read = CausalLM.load(file)) {
            assertThat(read.embedding().map(EmbeddingConfig::pooling)).contains(Pooling.LAST);
            assertThat(Embedder.of(read).embed("Emma"))
                    .isEqualTo(Embedder.of(model).embed("Emma"));
        }
    }

    /** It would embed other vectors without a word. */
    @Test
    void layersAfterThePoolingAreNotLeftOutOfAGgufFile() throws IOException {
        Path folder = copy();
        Path config = folder.resolve("config.json");
        write(config, Files.readString(config).replace("\"eos_token_id\": 272", "\"eos_token_id\": 270"));
        addLayer(folder, "{'in_features': 32, 'out_features': 80, 'bias': false, 'activation_function': 'Identity'}");
        assertThatThrownBy(() -> Conversion.of(folder).toGguf(temporary.resolve("model.gguf")))
                .isInstanceOf(FormatException.class)
                .hasMessageContaining("expected no layers after the pooling for a GGUF file, got 1");
    }

    /** llama.cpp's numbers: 2 cls, 4 rank. */
    @ParameterizedTest
    @ValueSource(ints = {2, 4, 5})
    void otherPoolingOfAGgufFileIsRefused(int pooling) throws IOException {
        Path folder = copy();
        Path config = folder.resolve("config.json");
        write(config, Files.readString(config).replace("\"eos_token_id\": 272", "\"eos_token_id\": 270"));
        Path file = temporary.resolve("model.gguf");
        Conversion.of(folder).toGguf(file);
        byte[] bytes = Files.readAllBytes(file);
        String key = "qwen3.pooling_type";
        int value = new String(bytes, StandardCharsets.ISO_8859_1).indexOf(key) + key.length() + Integer.BYTES;
        assertThat(bytes[value]).isEqualTo((byte) 3);
        bytes[value] = (byte) pooling;
        Files.write(file, bytes);
        assertThatThrownBy(() -> CausalLM.load(file))
                .isInstanceOf(FormatException.class)
                .hasMessageContaining(
                        "\"" + key + "\": expected 1, mean, or 3, last; 2 is cls and 4 rank, got " + pooling);
    }
}
