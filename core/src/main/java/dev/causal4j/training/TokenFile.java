package dev.causal4j.training;

import dev.causal4j.FormatException;
import dev.causal4j.format.UntrustedInput;
import dev.causal4j.format.WholeFile;
import dev.causal4j.tokenizer.SpecialTokens;
import dev.causal4j.tokenizer.Tokenizer;
import java.io.IOException;
import java.io.InputStream;
import java.io.Reader;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
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
 *   i32        version, 1
 *   i32        bytes of an id, 2 (unsigned) or 4
 *   i32        vocabulary size; every id is below it
 *   i32        0
 *   i64        how many ids there are, at least 1
 *   32 bytes   fingerprint: SHA-256 of the tokenizer and the data
 *   the rest   the ids
 * </pre>
 *
 * <p>Each document ends with the end-of-text id. Special tokens in a text are parsed, so a text file can separate
 * documents itself.
 */
public final class TokenFile implements AutoCloseable {
    private static final byte[] MAGIC = "C4JTOKEN".getBytes(StandardCharsets.US_ASCII);
    private static final int VERSION = 1;
    private static final int HEADER = 64;
    private static final int FINGERPRINT = 32;
    private static final int MAX_VOCABULARY = 1 << 24; // that of the tokenizer
    static final String REMEDY = "the file is damaged; delete it, and it is made again from the data";

    private final Arena arena;
    private final Tokens tokens;
    private final byte[] fingerprint;

    private TokenFile(Arena arena, Tokens tokens, byte[] fingerprint) {
        this.arena = arena;
        this.tokens = tokens;
        this.fingerprint = fingerprint;
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
        if (Files.exists(file)) {
            requireTokenFile(file); // before hours of reading
        }
        byte[] fingerprint = fingerprint(documents, tokenizer, endOfText, progress);
        if (Files.exists(file)) {
            requireTokenFile(file); // it may have appeared meanwhile
            try {
                TokenFile existing = open(file);
                if (Arrays.equals(existing.fingerprint, fingerprint)) {
                    return existing;
                }
                existing.close();
            } catch (FormatException damaged) {
                // made again
            }
        }
        WholeFile.write(file, channel -> {
            TokenWriter writer = new TokenWriter(file, channel, tokenizer, endOfText);
            documents.forEach(writer, progress);
            writer.finish(fingerprint);
        });
        return open(file);
    }

    /**
     * Opens a file.
     *
     * @throws FormatException if there is no such file, or it breaks a rule of the format
     * @throws IOException if reading fails
     */
    @SuppressWarnings("MustBeClosedChecker") // close() does
    public static TokenFile open(Path file) throws IOException {
        requireTokenFile(file);
        Arena arena = Arena.ofShared();
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            long size = channel.size();
            check(file, size >= HEADER, "a header of " + HEADER + " bytes", size + " bytes");
            MemorySegment all = channel.map(FileChannel.MapMode.READ_ONLY, 0, size, arena);
            ByteBuffer header = all.asSlice(MAGIC.length, HEADER - MAGIC.length)
                    .asByteBuffer()
                    .order(ByteOrder.LITTLE_ENDIAN);
            int version = header.getInt();
            check(file, version == VERSION, "version " + VERSION, "version " + version);
            int width = header.getInt();
            int vocabulary = header.getInt();
            boolean known = (width == Short.BYTES || width == Integer.BYTES) && header.getInt() == 0;
            check(file, known, "2 or 4 bytes an id", width + " bytes");
            boolean inRange = vocabulary >= 1 && vocabulary <= MAX_VOCABULARY;
            check(file, inRange, "a vocabulary of 1 to " + MAX_VOCABULARY, "one of " + vocabulary);
            long count = header.getLong();
            long rest = size - HEADER;
            // Divided, not multiplied: a count may be any long.
            boolean whole = count >= 1 && rest % width == 0 && rest / width == count;
            check(file, whole, count + " ids of " + width + " bytes", rest + " bytes of them");
            byte[] fingerprint = new byte[FINGERPRINT];
            header.get(fingerprint);
            Tokens tokens = new Tokens(file.toString(), all.asSlice(HEADER), width, vocabulary);
            return new TokenFile(arena, tokens, fingerprint);
        } catch (Throwable e) {
            arena.close();
            throw e;
        }
    }

    /** A file of another kind is never replaced. */
    private static void requireTokenFile(Path file) throws IOException {
        UntrustedInput.requireFile(file, "a token file");
        try (InputStream in = Files.newInputStream(file)) {
            if (!Arrays.equals(in.readNBytes(MAGIC.length), MAGIC)) {
                throw new FormatException(file.toString(), "a token file", "another file", "name another path");
            }
        }
    }

    private static void check(Path file, boolean right, String expected, String got) throws FormatException {
        if (!right) {
            throw new FormatException(file.toString(), expected, got, REMEDY);
        }
    }

    private static byte[] fingerprint(Documents documents, Tokenizer tokenizer, int endOfText, LongConsumer progress)
            throws IOException {
        MessageDigest digest;
        try {
            digest = MessageDigest.getInstance("SHA-256");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e); // every JDK has it
        }
        byte[] json = tokenizer.toJson();
        digest.update(ByteBuffer.allocate(Integer.BYTES).putInt(json.length).flip());
        digest.update(json);
        digest.update(ByteBuffer.allocate(Integer.BYTES).putInt(endOfText).flip());
        byte[] buffer = new byte[1 << 16];
        long before = 0;
        for (Path file : documents.files()) {
            String kind = Documents.isJsonLines(file) ? "jsonl " + documents.textField() : "text";
            digest.update((kind + "\0").getBytes(StandardCharsets.UTF_8));
            long length = 0;
            try (InputStream in = Files.newInputStream(file)) {
                for (int count = in.read(buffer); count >= 0; count = in.read(buffer)) {
                    digest.update(buffer, 0, count);
                    length += count;
                    progress.accept(before + length);
                }
            }
            digest.update(ByteBuffer.allocate(Long.BYTES).putLong(length).flip());
            before += length;
        }
        return digest.digest();
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

    /** Writes the ids of documents, and the header last. Not thread-safe. */
    private static final class TokenWriter implements Documents.Visitor {
        private final Path file;
        private final FileChannel channel;
        private final Tokenizer tokenizer;
        private final int endOfText;
        private final int width;
        private final ByteBuffer buffer = ByteBuffer.allocateDirect(1 << 16).order(ByteOrder.LITTLE_ENDIAN);
        private long count;
        private int last;

        TokenWriter(Path file, FileChannel channel, Tokenizer tokenizer, int endOfText) throws IOException {
            this.file = file;
            this.channel = channel;
            this.tokenizer = tokenizer;
            this.endOfText = endOfText;
            width = tokenizer.vocabularySize() <= 1 << 16 ? Short.BYTES : Integer.BYTES;
            channel.position(HEADER);
        }

        @Override
        public void document(Reader text) throws IOException {
            try {
                tokenizer.encode(text, SpecialTokens.PARSE, this::add);
                if (count > 0 && last != endOfText) {
                    add(endOfText);
                }
            } catch (UncheckedIOException e) {
                throw e.getCause();
            }
        }

        private void add(int id) {
            if (buffer.remaining() < width) {
                flush();
            }
            if (width == Short.BYTES) {
                buffer.putShort((short) id);
            } else {
                buffer.putInt(id);
            }
            last = id;
            count++;
        }

        void finish(byte[] fingerprint) throws IOException {
            if (count == 0) {
                throw new FormatException("training data", "text", "none", "are the files empty?");
            }
            flush();
            channel.position(0);
            buffer.put(MAGIC).putInt(VERSION).putInt(width);
            buffer.putInt(tokenizer.vocabularySize()).putInt(0);
            buffer.putLong(count).put(fingerprint);
            flush();
        }

        private void flush() {
            try {
                WholeFile.append(file, buffer.flip(), channel);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
            buffer.clear();
        }
    }
}
