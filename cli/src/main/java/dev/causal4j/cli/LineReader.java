package dev.causal4j.cli;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Optional;

/** Reads lines of bounded length, without a byte order mark. Not thread-safe. */
final class LineReader {
    private static final byte[] MARK = "\ufeff".getBytes(StandardCharsets.UTF_8);

    private final InputStream in;
    private final byte[] buffer = new byte[1 << 16];
    private int next;
    private int filled;
    private long read;
    private long number;

    LineReader(InputStream in) {
        this.in = in;
    }

    /** Bytes read so far. */
    long consumed() {
        return read - (filled - next);
    }

    /** The number of the last line, from 1. */
    long number() {
        return number;
    }

    private void skipMark() throws IOException {
        filled = in.readNBytes(buffer, 0, MARK.length);
        read = filled;
        next = Arrays.equals(buffer, 0, filled, MARK, 0, MARK.length) ? filled : 0;
    }

    /** The next line without its end, cut one byte after {@link TextInput#MOST_BYTES}; empty at the end of input. */
    Optional<byte[]> next() throws IOException {
        if (read == 0) {
            skipMark();
        }
        ByteArrayOutputStream line = new ByteArrayOutputStream();
        boolean any = false;
        while (true) {
            if (next == filled) {
                filled = in.read(buffer);
                next = 0;
                if (filled < 0) {
                    filled = 0;
                    if (any) {
                        number++;
                    }
                    return any ? Optional.of(line.toByteArray()) : Optional.empty();
                }
                read += filled;
            }
            any = true;
            int end = next;
            while (end < filled && buffer[end] != '\n') {
                end++;
            }
            line.write(buffer, next, Math.min(end - next, TextInput.MOST_BYTES + 1 - line.size()));
            next = end;
            if (end < filled) {
                next++;
                number++;
                return Optional.of(line.toByteArray());
            }
        }
    }
}
