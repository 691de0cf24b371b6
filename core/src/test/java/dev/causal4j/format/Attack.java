package dev.causal4j.format;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.causal4j.FormatException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;

/** Forged files, and what every refusal has in common. */
final class Attack {
    private Attack() {}

    /** A file with this header, an honest length before it and {@code data} zeros after it. */
    static byte[] file(String header, int data) {
        byte[] json = header.getBytes(StandardCharsets.UTF_8);
        return file(json.length, json, data);
    }

    static byte[] file(long claimedLength, byte[] header, int data) {
        return ByteBuffer.allocate(Long.BYTES + header.length + data)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(claimedLength)
                .put(header)
                .array();
    }

    static TensorStore open(byte[] file) throws FormatException {
        return SafeTensors.of("memory", MemorySegment.ofArray(file));
    }

    static void refused(String header, int data, String... told) {
        refused(() -> open(file(header, data)), "memory", told);
    }

    /** Refused by our exception, in one printable line that names the subject and everything in {@code told}. */
    static void refused(ThrowingCallable attack, String subject, String... told) {
        Throwable refusal = catchThrowable(attack);
        assertThat(refusal).isExactlyInstanceOf(FormatException.class);
        assertThat(refusal.getMessage())
                .startsWith(subject)
                .satisfies(message -> assertThat(List.of(told)).allMatch(message::contains))
                .matches("[^\\p{Cntrl}]+: expected [^\\p{Cntrl}]+, got [^\\p{Cntrl}]+; [^\\p{Cntrl}]+")
                .hasSizeLessThan(1000);
    }
}
