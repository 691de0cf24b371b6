package dev.causal4j.format;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import dev.causal4j.FormatException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** Whatever the bytes, a file is refused with one line or everything in it can be read. */
class SafeTensorsFuzzTest {
    @FuzzTest(maxDuration = "10s")
    void onlyFormatExceptionIsThrownAndViewsAreInside(byte[] file) {
        check(file);
        check(withHonestLength(file));
    }

    private static void check(byte[] file) {
        TensorStore tensors;
        try {
            tensors = Attack.open(file);
        } catch (FormatException e) {
            assertThat(e.getMessage()).doesNotContain("\n", "\r", "\u001b").startsWith("memory");
            return;
        }
        for (String name : tensors.names()) {
            try {
                TensorView view = tensors.tensor(name);
                assertThat(view.toArray()).hasSize((int) view.elements());
                assertThat(view.data().byteSize()).isLessThanOrEqualTo(file.length);
            } catch (FormatException e) {
                assertThat(e.getMessage()).contains("F32, F16, BF16 or I8");
            }
        }
    }

    /** The header is taken to end at the last brace: mutations of the JSON then get past the check of its length. */
    private static byte[] withHonestLength(byte[] file) {
        for (int i = file.length - 1; i >= Long.BYTES; i--) {
            if (file[i] == '}') {
                byte[] repaired = file.clone();
                ByteBuffer.wrap(repaired).order(ByteOrder.LITTLE_ENDIAN).putLong(i + 1 - Long.BYTES);
                return repaired;
            }
        }
        return file;
    }
}
