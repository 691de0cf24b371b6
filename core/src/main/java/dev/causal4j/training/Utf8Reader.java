package dev.causal4j.training;

import dev.causal4j.FormatException;
import java.io.IOException;
import java.io.InputStream;
import java.io.Reader;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CoderResult;
import java.nio.charset.StandardCharsets;

/** Reads strict UTF-8; errors name the place. A byte order mark at the start is dropped. Not thread-safe. */
final class Utf8Reader extends Reader {
    private static final char BYTE_ORDER_MARK = '\ufeff';

    private final String subject;
    private final InputStream in;
    private final CharsetDecoder decoder = StandardCharsets.UTF_8.newDecoder(); // reports errors
    private final ByteBuffer bytes = ByteBuffer.allocate(1 << 16).flip();
    private final CharBuffer chars = CharBuffer.allocate(1 << 16).flip();
    private long offset; // in the file, of the first byte in the buffer
    private boolean ended;

    /** @param subject the file's name in errors */
    Utf8Reader(String subject, InputStream in) {
        this.subject = subject;
        this.in = in;
    }

    /** @throws FormatException if the bytes are not UTF-8, naming the first wrong one */
    @Override
    public int read(char[] to, int from, int length) throws IOException {
        while (!chars.hasRemaining()) {
            if (ended) {
                return -1;
            }
            fill();
        }
        int count = Math.min(length, chars.remaining());
        chars.get(to, from, count);
        return count;
    }

    private void fill() throws IOException {
        offset += bytes.position();
        bytes.compact();
        int count = in.read(bytes.array(), bytes.position(), bytes.remaining());
        bytes.position(bytes.position() + Math.max(count, 0)).flip();
        chars.clear();
        CoderResult result = decoder.decode(bytes, chars, count < 0);
        if (result.isError()) {
            String wrong = String.format("byte 0x%02x at offset %d", bytes.get() & 0xff, offset + bytes.position() - 1);
            throw new FormatException(subject, "text in UTF-8", wrong, "convert the file to UTF-8");
        }
        chars.flip();
        ended = count < 0 && !bytes.hasRemaining();
        if (offset == 0 && chars.hasRemaining() && chars.get(0) == BYTE_ORDER_MARK) {
            chars.get();
        }
    }

    @Override
    public void close() throws IOException {
        in.close();
    }
}
