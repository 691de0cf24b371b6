package dev.causal4j.training;

import dev.causal4j.FormatException;
import dev.causal4j.format.UntrustedInput;
import dev.causal4j.format.WholeFile;
import dev.causal4j.tokenizer.SpecialTokens;
import dev.causal4j.tokenizer.Tokenizer;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.DigestOutputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.function.LongConsumer;

/**
 * A corpus of token ids in a memory-mapped file. Immutable and thread-safe. Close it after the last use of its tokens.
 *
 * <p>Little-endian:
 * <pre>
 *   8 bytes    "C4JTOKEN"
 *   i32        version, 2
 *   i32        vocabulary size; every id is below it
 *   i64        how many ids there are, at least 1
 *   32 bytes   fingerprint: SHA-256 of the tokenizer and the data
 *   8 bytes    0
 *   the rest   the ids, i32
 * </pre>
 *
 * <p>Each document ends with the end-of-text id. Special tokens in a text are parsed, so a text file can separate
 * documents itself.
 */
public final class TokenFile implements AutoCloseable {
    private static final String MAGIC = "C4JTOKEN";
    private static final int VERSION = 2;
    private static final int HEADER = 64;

    private final Arena arena = Arena.ofShared();
    private final Tokens tokens;
    private final byte[] fingerprint;

    private TokenFile(Path file, int vocabularySize, byte[] fingerprint) throws IOException {
        this.fingerprint = fingerprint;
        try (FileChannel channel = FileChannel.open(file)) {
            MemorySegment ids = channel.map(FileChannel.MapMode.READ_ONLY, HEADER, channel.size() - HEADER, arena);
            tokens = new Tokens(file.toString(), ids, vocabularySize);
        }
    }

    /**
     * Opens the file if it matches these documents and this tokenizer; otherwise makes it, replacing a stale or damaged
     * one. Documents are read once to compare and once more to make it. It is written whole or not at all.
     *
     * @param endOfText the id that ends each document
     * @param progress receives how many of the {@link Documents#bytes} are read, in both passes; an exception from it
     *     ends the work and leaves the file unchanged
     * @throws FormatException if there is another kind of file at this place, if a document is not what it should be,
     *     or if there is no text at all
     * @throws IOException if reading or writing fails
     * @throws IllegalArgumentException if the tokenizer has no id {@code endOfText}
     */
    public static TokenFile prepare(
            Path file, Documents documents, Tokenizer tokenizer, int endOfText, LongConsumer progress)
            throws IOException {
        tokenizer.piece(endOfText); // is there one?
        header(file); // before hours of reading
        int vocabularySize = tokenizer.vocabularySize();
        byte[] fingerprint = fingerprint(documents, tokenizer, endOfText, progress);
        byte[] existing = header(file);
        long size = existing.length == 0 ? 0 : Files.size(file);
        long ids = (size - HEADER) / Integer.BYTES;
        boolean fresh = size % Integer.BYTES == 0 && Arrays.equals(existing, header(vocabularySize, ids, fingerprint));
        if (!fresh) {
            WholeFile.write(file, channel -> {
                channel.position(HEADER);
                writeIds(file, channel, documents, tokenizer, endOfText, progress);
                long count = (channel.position() - HEADER) / Integer.BYTES;
                if (count == 0) {
                    throw new FormatException("training data", "text", "none", "are the files empty?");
                }
                byte[] header = header(vocabularySize, count, fingerprint);
                WholeFile.append(file, ByteBuffer.wrap(header), channel.position(0));
            });
        }
        return new TokenFile(file, vocabularySize, fingerprint);
    }

    /** The header of a file, empty if there is none. A file of another kind is never replaced. */
    private static byte[] header(Path file) throws IOException {
        if (!Files.exists(file)) {
            return new byte[0];
        }
        UntrustedInput.requireFile(file, "a token file");
        try (InputStream in = Files.newInputStream(file)) {
            byte[] header = in.readNBytes(HEADER);
            if (!new String(header, StandardCharsets.US_ASCII).startsWith(MAGIC)) {
                throw new FormatException(file.toString(), "a token file", "another file", "name another path");
            }
            return header;
        }
    }

    private static byte[] header(int vocabularySize, long count, byte[] fingerprint) {
        ByteBuffer header = ByteBuffer.allocate(HEADER).order(ByteOrder.LITTLE_ENDIAN);
        header.put(MAGIC.getBytes(StandardCharsets.US_ASCII)).putInt(VERSION).putInt(vocabularySize);
        return header.putLong(count).put(fingerprint).array();
    }

    private static byte[] fingerprint(Documents documents, Tokenizer tokenizer, int endOfText, LongConsumer progress)
            throws IOException {
        MessageDigest digest;
        try {
            digest = MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e); // every JDK has it
        }
        DataOutputStream content =
                new DataOutputStream(new DigestOutputStream(OutputStream.nullOutputStream(), digest));
        byte[] json = tokenizer.toJson();
        content.writeInt(json.length);
        content.write(json);
        content.writeInt(endOfText);
        documents.writeTo(content, progress);
        return digest.digest();
    }

    private static void writeIds(
            Path file,
            FileChannel channel,
            Documents documents,
            Tokenizer tokenizer,
            int endOfText,
            LongConsumer progress)
            throws IOException {
        ByteBuffer buffer = ByteBuffer.allocateDirect(1 << 16).order(ByteOrder.LITTLE_ENDIAN);
        final class Ids {
            private int last = endOfText;

            void add(int id) {
                last = id;
                buffer.putInt(id);
                if (!buffer.hasRemaining()) {
                    flush();
                }
            }

            void flush() {
                try {
                    WholeFile.append(file, buffer.flip(), channel);
                    buffer.clear();
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            }
        }
        Ids ids = new Ids();
        try {
            documents.forEach(
                    text -> {
                        Arrays.stream(tokenizer.withPrefix(new int[0])).forEach(ids::add);
                        tokenizer.encode(text, SpecialTokens.PARSE, ids::add);
                        if (ids.last != endOfText) {
                            ids.add(endOfText);
                        }
                    },
                    progress);
            ids.flush();
        } catch (UncheckedIOException e) {
            throw e.getCause();
        }
    }

    /** Ends the mapping: using the tokens afterwards is an {@link IllegalStateException}. */
    @Override
    public void close() {
        arena.close();
    }

    /** All ids in the order of the documents. */
    public Tokens tokens() {
        return tokens;
    }

    /** 64 hexadecimal digits of tokenizer and data; file names play no part. */
    public String fingerprint() {
        return HexFormat.of().formatHex(fingerprint);
    }
}
