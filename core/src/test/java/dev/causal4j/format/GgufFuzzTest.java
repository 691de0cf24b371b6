package dev.causal4j.format;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import dev.causal4j.FormatException;
import dev.causal4j.json.Json;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** Whatever the bytes, a file is refused with one line or everything in it can be read. */
class GgufFuzzTest {
    @FuzzTest(maxDuration = "10s")
    void onlyFormatExceptionIsThrownAndTensorsAreInside(byte[] file) throws FormatException {
        check(file);
        check(withHonestBeginning(file));
    }

    private static void check(byte[] file) throws FormatException {
        Gguf model;
        try {
            model = new GgufFile("memory", MemorySegment.ofArray(file)).read();
        } catch (FormatException e) {
            assertThat(e.getMessage()).doesNotContain("\n", "\r", "\u001b").startsWith("memory");
            return;
        }
        assertThat(Json.write(model.metadata().root())).hasSizeGreaterThan(1);
        for (String name : model.tensors().names()) {
            TensorView tensor = model.tensors().tensor(name);
            assertThat(tensor.toArray()).hasSize((int) tensor.elements());
            assertThat(tensor.data().byteSize()).isLessThanOrEqualTo(file.length);
        }
    }

    /** Magic, version and small numbers of tensors and keys: mutations of the rest then get past the first checks. */
    private static byte[] withHonestBeginning(byte[] file) {
        byte[] repaired = Arrays.copyOf(file, Math.max(file.length, 24));
        ByteBuffer bytes = ByteBuffer.wrap(repaired).order(ByteOrder.LITTLE_ENDIAN);
        bytes.put("GGUF".getBytes(StandardCharsets.US_ASCII)).putInt(3);
        bytes.putLong(bytes.getLong(8) & 15).putLong(bytes.getLong(16) & 15);
        return repaired;
    }
}
