package dev.causal4j.format;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.json.Refusal;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ShardedSafeTensorsTest {
    private static final String ONE = "model-00001-of-00002.safetensors";
    private static final String TWO = "model-00002-of-00002.safetensors";

    @TempDir
    Path folder;

    @BeforeEach
    void shards() throws IOException {
        SafeTensors.write(
                folder.resolve(ONE),
                List.of(SafeTensorsWritingTest.floats("a", 1, 2), SafeTensorsWritingTest.floats("unlisted", 0)),
                Map.of());
        SafeTensors.write(folder.resolve(TWO), List.of(SafeTensorsWritingTest.floats("b", 3)), Map.of());
    }

    @Test
    void tensorsComeFromTheirShards() throws IOException {
        TensorStore store = open("{\"metadata\":{\"total_size\":12,\"x\":[{}]},\"weight_map\":{\"b\":\"" + TWO
                + "\",\"a\":\"" + ONE + "\"},\"more\":[1]}");
        assertThat(store.names()).containsExactly("b", "a");
        assertThat(store.tensor("a").toArray()).containsExactly(1, 2);
        assertThat(store.tensor("b").toArray()).containsExactly(3);
        Refusal.refused(() -> store.tensor("unlisted"), folder.toString(), "\"unlisted\"", "2 others (\"b\", \"a\")");
    }

    @Test
    void shardsMayBeSymbolicLinksAsInTheHubCache() throws IOException {
        Path blob = Files.createDirectory(folder.resolve("blobs")).resolve("0123");
        Files.move(folder.resolve(ONE), blob);
        Files.createSymbolicLink(folder.resolve(ONE), blob);
        assertThat(open(map("a", ONE)).tensor("a").toArray()).containsExactly(1, 2);
    }

    @Test
    void tensorThatIsNotInItsShardIsRefused() throws IOException {
        indexRefused(map("a", TWO), "tensor \"a\" in \"" + TWO + "\"", "1 tensors without it");
    }

    @Test
    void missingShardIsNamed() throws IOException {
        indexRefused(map("a", "gone.safetensors"), "gone.safetensors", "no such file");
    }

    @Test
    void damagedShardIsNamed() throws IOException {
        Files.writeString(folder.resolve("bad.safetensors"), "bad");
        indexRefused(map("a", "bad.safetensors"), "bad.safetensors", "3 bytes");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "../x.safetensors",
                "..\\\\x.safetensors",
                "/etc/x.safetensors",
                "a/x.safetensors",
                "a\\\\x.safetensors",
                "C:x.safetensors",
                "\\\\\\\\host\\\\x.safetensors",
                "",
                ".safetensors",
                "..safetensors",
                "a..safetensors",
                ".x.safetensors",
                "x.bin",
                "x.safetensors/",
                "x.safetensors\\n",
                "x\\u0000.safetensors",
                "\\u0000",
                "-x.safetensors",
                "x.SAFETENSORS",
                "\\u202ex.safetensors",
                "~/x.safetensors",
                "file:x.safetensors"
            })
    void fileNameThatLeavesTheFolderIsRefused(String name) throws IOException {
        indexRefused(map("a", name), "tensor \"a\"", "plain name");
    }

    @Test
    void fileNameOfAThousandCharactersIsRefused() throws IOException {
        indexRefused(map("a", "x".repeat(1000) + ".safetensors"), "plain name", "xxx...");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{}",
                "{\"weight_map\":null}",
                "{\"weight_map\":[]}",
                "{\"weight_map\":\"x\"}",
                "{\"weight_map\":{\"a\":1}}",
                "{\"weight_map\":{\"a\":null}}",
                "{\"weight_map\":{\"a\":{}}}",
                "{\"weight_map\":{\"a\":[\"model-00001-of-00002.safetensors\"]}}",
                "{\"weight_map\":{},\"weight_map\":{}}",
                "{\"weight_map\":{}} x",
                "{\"weight_map\":{\"a\":\"x.safetensors\",\"a\":\"x.safetensors\"}}",
                "[]",
                "",
                "\u0000"
            })
    void indexWithoutAMapOfStringsIsRefused(String json) throws IOException {
        indexRefused(json);
    }

    @Test
    void indexOfTooManyBytesIsRefusedBeforeItIsRead() throws IOException {
        Path index = index("{}");
        try (RandomAccessFile sparse = new RandomAccessFile(index.toFile(), "rw")) {
            sparse.setLength(10_000_000_000L);
        }
        Refusal.refused(
                () -> SafeTensors.openIndex(index, Arena.ofAuto()), index.toString(), "64000000", "10000000000 bytes");
    }

    private void indexRefused(String json, String... told) throws IOException {
        Path index = index(json);
        Refusal.refused(() -> SafeTensors.openIndex(index, Arena.ofAuto()), folder.toString(), told);
    }

    private TensorStore open(String json) throws IOException {
        return SafeTensors.openIndex(index(json), Arena.ofAuto());
    }

    private Path index(String json) throws IOException {
        return Files.writeString(folder.resolve("model.safetensors.index.json"), json);
    }

    private static String map(String tensor, String file) {
        return "{\"weight_map\":{\"" + tensor + "\":\"" + file + "\"}}";
    }
}
