package dev.causal4j.format;

import dev.causal4j.FormatException;
import dev.causal4j.json.Refusal;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/** Forged files. */
final class Attack {
    private Attack() {}

    /** A file with this header, its true length before it and {@code data} zeros after it. */
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
        Refusal.refused(() -> open(file(header, data)), "memory", told);
    }
}
