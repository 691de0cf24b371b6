package dev.causal4j.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Arrays;
import java.util.Random;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Folders that hold no usable model: one line that names the file and what is wrong, and status 1. */
class BadModelTest {
    private static final String CONFIG = "config.json";
    private static final String WEIGHTS = "model.safetensors";

    @TempDir
    Path folder;

    private void refused(String... told) throws Exception {
        Program.Run run = Program.SCALAR.run("inspect", "--model", folder.toString());
        run.refused(1, told);
        assertThat(run.err()).startsWith(folder.toString()).contains(": expected ", ", got ");
    }

    private void change(String file, UnaryOperator<byte[]> change) throws IOException {
        Path path = Repository.copyModel(folder).resolve(file);
        Files.write(path, change.apply(Files.readAllBytes(path)));
    }

    private void changeText(String file, String from, String to) throws IOException {
        change(file, bytes -> {
            String text = new String(bytes, StandardCharsets.ISO_8859_1);
            assertThat(text).contains(from);
            return text.replace(from, to).getBytes(StandardCharsets.ISO_8859_1);
        });
    }

    private void weightsWithHeader(long length, String header, int data) throws IOException {
        byte[] json = header.getBytes(StandardCharsets.UTF_8);
        change(
                WEIGHTS,
                _ -> ByteBuffer.allocate(Long.BYTES + json.length + data)
                        .order(ByteOrder.LITTLE_ENDIAN)
                        .putLong(length)
                        .put(json)
                        .array());
    }

    @Test
    void aFolderThatIsNone() throws Exception {
        Path missing = folder.resolve("no\nsuch");
        Program.SCALAR.run("inspect", "--model", missing.toString()).refused(1, "no\\u000asuch", "no such folder");
        Path file = Files.writeString(folder.resolve("file"), "");
        Program.SCALAR.run("generate", "x", "--model", file.toString()).refused(1, file.toString(), "not a folder");
    }

    @Test
    void aFolderWithoutFiles() throws Exception {
        refused(CONFIG, "no such file");
    }

    @Test
    void aFolderWithoutWeights() throws Exception {
        Files.delete(Repository.copyModel(folder).resolve(WEIGHTS));
        refused(WEIGHTS, "model.safetensors.index.json", "neither");
    }

    @Test
    void truncatedWeights() throws Exception {
        change(WEIGHTS, bytes -> Arrays.copyOf(bytes, bytes.length - 1));
        refused(WEIGHTS, "cut short");
    }

    @Test
    void oversizedWeights() throws Exception {
        change(WEIGHTS, bytes -> Arrays.copyOf(bytes, bytes.length + 1));
        refused(WEIGHTS, "too long");
    }

    @Test
    void emptyWeights() throws Exception {
        change(WEIGHTS, _ -> new byte[0]);
        refused(WEIGHTS, "got 0 bytes");
    }

    @Test
    void weightsWithAHole() throws Exception {
        String header = "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}";
        weightsWithHeader(header.length(), header, 8);
        refused(WEIGHTS, "a hole");
    }

    @Test
    void aHeaderThatClaimsMoreThanTheFileHas() throws Exception {
        weightsWithHeader(50_000_000, "{}", 0);
        refused(WEIGHTS, "a header of 50000000 bytes");
    }

    @Test
    void aHeaderThatClaimsMoreThanAnyMayHave() throws Exception {
        weightsWithHeader(Long.MAX_VALUE, "{}", 0);
        refused(WEIGHTS, "at most 100000000 bytes");
    }

    @Test
    void aHeaderThatNestsDeeply() throws Exception {
        String header = "{\"a\":" + "[".repeat(1_000_000);
        weightsWithHeader(header.length(), header, 0);
        refused(WEIGHTS);
    }

    @Test
    void aTensorOfAnotherShape() throws Exception {
        changeText(CONFIG, "\"n_positions\": 32", "\"n_positions\": 31");
        refused("tensor wpe.weight", "shape [31, 24]", "got [32, 24]");
    }

    @Test
    void aTensorOfAnotherDtype() throws Exception {
        changeText(WEIGHTS, "\"F32\"", "\"I32\"");
        refused(WEIGHTS, "dtype F32, F16, BF16 or I8", "got I32");
    }

    @Test
    void aMissingTensor() throws Exception {
        changeText(WEIGHTS, "\"h.1.ln_2.bias\"", "\"h.1.ln_3.bias\"");
        refused(WEIGHTS, "h.1.ln_2.bias");
    }

    @ParameterizedTest
    @CsvSource({
        "'\"n_layer\": 2', '\"layers\": 2', '\"n_layer\"', got nothing",
        "'\"model_type\": \"gpt2\"', '\"model_type\": \"llama\"', '\"model_type\"', llama",
        "'\"gelu_new\"', '\"relu\"', '\"activation_function\"', relu",
        "'\"vocab_size\": 97', '\"vocab_size\": 9700000000', '\"vocab_size\"', 9700000000"
    })
    void aConfigThatSaysWhatWeCannotDo(String from, String to, String key, String told) throws Exception {
        changeText(CONFIG, from, to);
        refused(CONFIG, key, told);
    }

    @Test
    void aConfigOfBinaryGarbage() throws Exception {
        byte[] garbage = new byte[1000];
        new Random(1).nextBytes(garbage);
        change(CONFIG, _ -> garbage);
        refused(CONFIG);
    }

    @Test
    void aFolderInPlaceOfAFile() throws Exception {
        Files.delete(Repository.copyModel(folder).resolve(WEIGHTS));
        Files.createDirectory(folder.resolve(WEIGHTS));
        refused(WEIGHTS, "a folder");
    }

    @Test
    void aFileThatMayNotBeRead() throws Exception {
        Path weights = Repository.copyModel(folder).resolve(WEIGHTS);
        Files.setPosixFilePermissions(weights, PosixFilePermissions.fromString("---------"));
        assumeFalse(Files.isReadable(weights), "root may read everything");
        refused(WEIGHTS, "AccessDenied");
    }

    @Test
    void aTokenizerOfSomethingElse() throws Exception {
        Files.writeString(Repository.copyModel(folder).resolve("tokenizer.json"), "{\"model\": 3}");
        refused("tokenizer.json");
    }

    @Test
    void notANumberInTheWeights() throws Exception {
        change(WEIGHTS, bytes -> {
            ByteBuffer file = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
            int header = (int) file.getLong(0);
            JsonNode offsets = JsonMapper.shared()
                    .readTree(new String(bytes, Long.BYTES, header, StandardCharsets.UTF_8))
                    .at("/wpe.weight/data_offsets");
            int position = 2;
            file.putFloat(Long.BYTES + header + offsets.get(0).intValue() + position * 24 * Float.BYTES, Float.NaN);
            return bytes;
        });
        Program.SCALAR
                .run("generate", "--model", folder.toString(), "--tokens", "4,5,6", "--json")
                .refused(1, "logits: expected finite numbers", "NaN at position 2;");
        Program.SCALAR
                .run("generate", "--model", folder.toString(), "--tokens", "4", "--max-new-tokens", "1")
                .done();
    }
}
