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
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Folders that hold no usable model: one line that names the file and what is wrong, and status 1. */
class BadModelTest {
    private static final String CONFIG = "config.json";
    private static final String WEIGHTS = "model.safetensors";

    @TempDir
    Path folder;

    private void refused(String... told) throws Exception {
        Program.Run run = Program.run("inspect", "--model", folder.toString());
        run.refused(1, told);
        assertThat(run.err()).startsWith(folder.toString()).contains(": expected ", ", got ");
    }

    private void change(String file, UnaryOperator<byte[]> change) throws IOException {
        Path path = Repository.copyModel(folder).resolve(file);
        Files.write(path, change.apply(Files.readAllBytes(path)));
    }

    @Test
    void aFolderThatIsNone() throws Exception {
        Path missing = folder.resolve("no\nsuch");
        Program.run("inspect", "--model", missing.toString()).refused(1, "no\\u000asuch", "no such folder");
        Path file = Files.writeString(folder.resolve("file"), "");
        Program.run("generate", "x", "--model", file.toString()).refused(1, file.toString(), "GGUF");
    }

    @Test
    void truncatedWeights() throws Exception {
        change(WEIGHTS, bytes -> Arrays.copyOf(bytes, bytes.length - 1));
        refused(WEIGHTS, "cut short, 1 bytes missing; download it again");
    }

    @Test
    void aConfigOfBinaryGarbage() throws Exception {
        byte[] garbage = new byte[1000];
        new Random(1).nextBytes(garbage);
        change(CONFIG, _ -> garbage);
        refused(CONFIG);
    }

    @Test
    void aFileThatMayNotBeRead() throws Exception {
        Path weights = Repository.copyModel(folder).resolve(WEIGHTS);
        Files.setPosixFilePermissions(weights, PosixFilePermissions.fromString("---------"));
        assumeFalse(Files.isReadable(weights), "root may read everything");
        refused(WEIGHTS, "no permission");
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
        Program.run("generate", "--model", folder.toString(), "--tokens", "4,5,6", "--json")
                .refused(1, "logits: expected finite numbers", "NaN at position 2;");
        Program.run("generate", "--model", folder.toString(), "--tokens", "4", "--max-new-tokens", "1")
                .done();
    }
}
