package dev.causal4j.cli;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Optional;

/** Reads lines of bounded length, which end at \n or \r\n, without a byte order mark. Not thread-safe. */
final class LineReader {
    private static final byte[] MARK = "\ufeff".getBytes(StandardCharsets.UTF_8);

    private final InputStream in;
    private final long most;
    private long consumed;
    private long number;
    private boolean complete;

    /** @param most the most bytes of a line; a longer one is cut, but stays longer than this */
    LineReader(InputStream in, long most) {
        this.in = new BufferedInputStream(in, 1 << 16);
        this.most = most;
    }

    /** Bytes read so far. */
    long consumed() {
        return consumed;
    }

    /** The number of the last line, from 1. */
    long number() {
        return number;
    }

    /** Whether the last line had an end. */
    boolean complete() {
        return complete;
    }

    /** A line, and its name in messages. */
    record Named(String subject, byte[] bytes) {}

    /** The next line of an input with this name that is not blank; empty at its end. One that is too long is refused. */
    Optional<Named> nextFilled(String in) throws IOException {
        byte[] line = nextFilled().orElse(null);
        String subject = in + " line " + number;
        return line == null ? Optional.empty() : Optional.of(new Named(subject, TextInput.bounded(subject, line)));
    }

    /** The next line that is not blank; empty at the end of input. */
    Optional<byte[]> nextFilled() throws IOException {
        Optional<byte[]> line = next();
        while (line.isPresent() && new String(line.get(), StandardCharsets.ISO_8859_1).isBlank()) {
            line = next();
        }
        return line;
    }

    /** The next line without its end; empty at the end of input. */
    Optional<byte[]> next() throws IOException {
        int b = in.read();
        if (b < 0) {
            return Optional.empty();
        }
        ByteArrayOutputStream line = new ByteArrayOutputStream();
        int last = b;
        for (; b >= 0 && b != '\n'; last = b, b = in.read()) {
            consumed++;
            if (line.size() - MARK.length - 1 <= most) { // with a mark and \r
                line.write(b);
            }
        }
        complete = b == '\n';
        consumed += complete ? 1 : 0;
        byte[] bytes = line.toByteArray();
        boolean marked = number++ == 0 && Arrays.equals(Arrays.copyOf(bytes, MARK.length), MARK);
        int end = bytes.length - (complete && last == '\r' ? 1 : 0);
        return Optional.of(Arrays.copyOfRange(bytes, marked ? MARK.length : 0, end));
    }
}
