package dev.causal4j.training;

import dev.causal4j.FormatException;
import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.chat.Message;
import dev.causal4j.chat.ToolDefinition;
import dev.causal4j.head.CausalLMHead;
import dev.causal4j.json.Sha256;
import dev.causal4j.json.UntrustedInput;
import dev.causal4j.json.WholeFile;
import dev.causal4j.model.CausalLM;
import dev.causal4j.tokenizer.SpecialTokens;
import dev.causal4j.tokenizer.Tokenizer;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.Reader;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.DigestOutputStream;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.OptionalInt;
import java.util.Set;
import java.util.function.IntConsumer;
import java.util.function.LongConsumer;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Token ids of documents, in memory or in a memory-mapped file. Immutable and thread-safe. Tokens of a file are closed
 * after their last use; parts of them share the mapping.
 *
 * <p>The file, little-endian:
 * <pre>
 *   8 bytes    "C4JTOKEN"
 *   i32        version, 2
 *   i32        vocabulary size, above every id
 *   i64        how many ids there are, at least 1
 *   32 bytes   fingerprint: SHA-256 of the tokenizer and the data
 *   8 bytes    0
 *   the rest   the ids, i32; in conversations bit 29 marks a first token, bit 30 a token that is not a target
 * </pre>
 *
 * <p>Each text ends with the end-of-text id. Special tokens in a text are parsed, so a text file can separate
 * documents itself. In a conversation only the assistant's tokens are targets.
 */
public final class Tokens implements AutoCloseable {
    private static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final String MAGIC = "C4JTOKEN";
    private static final int VERSION = 2;
    private static final int HEADER = 64;
    private static final int ID = (1 << 29) - 1;
    private static final int FIRST = 1 << 29;
    private static final int NO_TARGET = 1 << 30;
    private static final int NO_END = -1;

    private final MemorySegment data;
    private final Source source;

    /**
     * Properties of the ids that their parts share.
     *
     * @param subject the name in messages
     * @param endOfText the id that ends a document; {@link #NO_END} for a single one
     * @param mapping null for ids in memory
     */
    private record Source(
            String subject,
            int vocabularySize,
            int endOfText,
            String fingerprint,
            @Nullable Arena mapping) {}

    /** Training and held-out tokens. */
    public record Split(Tokens training, Tokens heldOut) {}

    private Tokens(MemorySegment data, Source source) {
        this.data = data;
        this.source = source;
    }

    /**
     * A copy of ids in memory: one document, unless {@link #withEndOfText} divides it.
     *
     * @throws IllegalArgumentException if an id is not in {@code [0, vocabularySize)}
     */
    public static Tokens of(int vocabularySize, int... ids) {
        MemorySegment data = MemorySegment.ofArray(new byte[Math.multiplyExact(ids.length, Integer.BYTES)]);
        for (int i = 0; i < ids.length; i++) {
            if (ids[i] < 0 || ids[i] >= vocabularySize) {
                throw new IllegalArgumentException("token " + i + ": expected an id from 0 to " + (vocabularySize - 1)
                        + ", got " + ids[i] + "; use the tokenizer of the model");
            }
            data.setAtIndex(INT, i, ids[i]);
        }
        return new Tokens(data, new Source("tokens", vocabularySize, NO_END, "", null));
    }

    /** These ids, divided into documents that end with {@code id}. */
    public Tokens withEndOfText(int id) {
        Source other = new Source(source.subject, source.vocabularySize, id, source.fingerprint, source.mapping);
        return new Tokens(data, other);
    }

    /**
     * The id that ends a document, empty if neither the model nor the tokenizer has one. If several ids end a text, the
     * tokenizer's end of text ends a document, or without one the lowest id: the others end turns of a conversation.
     *
     * @param eos the ids that end a text for the model
     */
    public static OptionalInt endOfText(Set<Integer> eos, Tokenizer tokenizer) {
        OptionalInt lowest = eos.stream().mapToInt(Integer::intValue).min();
        OptionalInt gpt2 = tokenizer.id(Tokenizer.END_OF_TEXT);
        OptionalInt known = gpt2.isPresent() ? gpt2 : tokenizer.id("<|end_of_text|>"); // Llama 3's
        return eos.size() == 1 || known.isEmpty() ? lowest : known;
    }

    /**
     * Prepares the documents for a model, with its tokenizer and its end of text; as {@link #prepare(Path, Documents,
     * Tokenizer, int, LongConsumer)}.
     */
    public static Tokens prepare(Path file, Documents documents, CausalLM model) throws IOException {
        Tokenizer tokenizer = model.requireTokenizer();
        int end = endOfText(model.eos(), tokenizer)
                .orElseThrow(() -> new IllegalArgumentException(
                        "model: expected one with an end-of-sequence id, got one without; documents need an end"));
        return prepare(file, documents, tokenizer, end, _ -> {});
    }

    /**
     * Maps the file if it matches these documents and this tokenizer; otherwise makes it, replacing a stale or damaged
     * one. Documents are read once to compare and once more to make it. It is written whole or not at all.
     *
     * @param endOfText the id that ends each document
     * @param progress receives how many of the {@link Documents#bytes} are read, in both passes; an exception from it
     *     ends the work and leaves the file unchanged
     * @throws FormatException if the path has another kind of file, a document is not valid, or there is no text at all
     * @throws IOException if reading or writing fails
     * @throws IllegalArgumentException if the tokenizer has no id {@code endOfText}
     */
    @SuppressWarnings("MustBeClosedChecker") // the tokens are closed
    public static Tokens prepare(
            Path file, Documents documents, Tokenizer tokenizer, int endOfText, LongConsumer progress)
            throws IOException {
        tokenizer.piece(endOfText); // throws if there is none
        Preparation preparation = new Preparation(file, documents, tokenizer, endOfText, progress);
        byte[] existing = header(file); // refuses a file of another kind before hours of reading
        byte[] fingerprint = preparation.fingerprint();
        long size = existing.length == 0 ? 0 : Files.size(file);
        byte[] expected = preparation.header((size - HEADER) / Integer.BYTES, fingerprint);
        if (size % Integer.BYTES != 0 || !Arrays.equals(existing, expected)) {
            WholeFile.write(file, channel -> preparation.write(channel, fingerprint));
        }
        Arena mapping = Arena.ofShared();
        try (FileChannel channel = FileChannel.open(file)) {
            MemorySegment ids = channel.map(FileChannel.MapMode.READ_ONLY, HEADER, channel.size() - HEADER, mapping);
            String name = HexFormat.of().formatHex(fingerprint);
            return new Tokens(ids, new Source(file.toString(), tokenizer.vocabularySize(), endOfText, name, mapping));
        }
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

    /** Makes the file from documents. */
    private record Preparation(
            Path file, Documents documents, Tokenizer tokenizer, int endOfText, LongConsumer progress) {
        byte[] header(long count, byte[] fingerprint) {
            ByteBuffer header = ByteBuffer.allocate(HEADER).order(ByteOrder.LITTLE_ENDIAN);
            header.put(MAGIC.getBytes(StandardCharsets.US_ASCII)).putInt(VERSION);
            return header.putInt(tokenizer.vocabularySize())
                    .putLong(count)
                    .put(fingerprint)
                    .array();
        }

        byte[] fingerprint() throws IOException {
            MessageDigest digest = Sha256.begin();
            DataOutputStream content =
                    new DataOutputStream(new DigestOutputStream(OutputStream.nullOutputStream(), digest));
            byte[] json = tokenizer.toJson();
            content.writeInt(json.length);
            content.write(json);
            content.writeInt(endOfText);
            documents.writeTo(content, progress);
            return digest.digest();
        }

        /** Writes the ids of all documents, then the header, which has their number. */
        void write(FileChannel channel, byte[] fingerprint) throws IOException {
            Writer writer = new Writer(channel.position(HEADER));
            try {
                documents.forEach(writer, progress);
            } catch (UncheckedIOException e) {
                throw e.getCause();
            }
            WholeFile.append(file, writer.buffer.flip(), channel);
            long count = (channel.position() - HEADER) / Integer.BYTES;
            if (count == 0) {
                throw new FormatException("training data", "text", "none", "are the files empty?");
            }
            WholeFile.append(file, ByteBuffer.wrap(header(count, fingerprint)), channel.position(0));
        }

        private final class Writer implements Documents.Visitor, IntConsumer {
            private final FileChannel channel;
            private final ByteBuffer buffer = ByteBuffer.allocateDirect(1 << 16).order(ByteOrder.LITTLE_ENDIAN);
            private int last = endOfText;
            private @Nullable String kind;

            Writer(FileChannel channel) {
                this.channel = channel;
            }

            @Override
            public void document(Reader text) throws IOException {
                only("texts");
                Arrays.stream(tokenizer.withPrefix(new int[0])).forEach(this);
                tokenizer.encode(text, SpecialTokens.PARSE, this);
                if (last != endOfText) {
                    accept(endOfText);
                }
            }

            @Override
            public void conversation(List<Message> messages, List<ToolDefinition> tools) {
                only("conversations");
                ChatTemplate template = documents.template();
                if (template == null) {
                    throw new IllegalArgumentException(
                            "messages: expected a model with a chat template for them, got none;"
                                    + " give one with --template");
                }
                Conversation conversation = Conversation.of(template, tokenizer, messages, tools);
                for (int i = 0; i < conversation.tokens().length; i++) {
                    int first = i == 0 ? FIRST | NO_TARGET : 0; // it has no context
                    accept(conversation.tokens()[i]
                            | first
                            | (conversation.targets().get(i) ? 0 : NO_TARGET));
                }
            }

            /** Refuses a mixture, since texts are divided by their ends and conversations by marks. */
            private void only(String wanted) {
                if (kind != null && !kind.equals(wanted)) {
                    throw new IllegalArgumentException("training data: expected " + kind + " alone, got " + wanted
                            + ", too; train on one after the other");
                }
                kind = wanted;
            }

            @Override
            public void accept(int id) {
                last = id;
                if (!buffer.putInt(id).hasRemaining()) {
                    try {
                        WholeFile.append(file, buffer.flip(), channel);
                        buffer.clear();
                    } catch (IOException e) {
                        throw new UncheckedIOException(e);
                    }
                }
            }
        }
    }

    /** Throws if there are fewer tokens than training examples of this context length need. */
    void require(int contextLength) {
        LearningRate.atLeast(1, "context length", contextLength);
        String got = contextLength + ", got " + count() + "; give more text or a shorter context";
        LearningRate.refuse(
                count() <= contextLength,
                "training data: expected at least " + (contextLength + 1L) + " tokens for a context of " + got);
    }

    /** 64 hexadecimal digits of tokenizer and data; file names play no part. Empty for ids in memory. */
    public String fingerprint() {
        return source.fingerprint;
    }

    /** Number of ids. */
    public long count() {
        return data.byteSize() / Integer.BYTES;
    }

    /**
     * One id.
     *
     * @throws IndexOutOfBoundsException if there is no such index
     * @throws UncheckedIOException if the file has an id there that is not in the vocabulary
     * @throws IllegalStateException if the tokens are closed
     */
    public int id(long index) {
        return stored(index) & ID;
    }

    /** Whether the token is a target: every token of a text is, and in a conversation the assistant's tokens are. */
    public boolean isTarget(long index) {
        return (stored(index) & NO_TARGET) == 0;
    }

    /** Whether a conversation begins with the token. */
    boolean isFirst(long index) {
        return (stored(index) & FIRST) != 0;
    }

    /** Whether a text ends with the token. */
    boolean isLast(long index) {
        return id(index) == source.endOfText;
    }

    private int stored(long index) {
        int stored = data.getAtIndex(INT, index);
        if (stored < 0 || (stored & ID) >= source.vocabularySize) {
            throw new UncheckedIOException(new FormatException(
                    source.subject + ", token " + index,
                    "an id from 0 to " + (source.vocabularySize - 1),
                    String.valueOf(stored),
                    "the file is damaged; delete it, and it is made again from the data"));
        }
        return stored;
    }

    /** The example of ids and their marks, as they are stored: the first T are fed, the last T are targets. */
    static Example example(int[] stored, int real) {
        int[] tokens = Arrays.stream(stored).map(each -> each & ID).toArray();
        int[] targets = IntStream.range(1, stored.length)
                .map(i -> i < real && (stored[i] & NO_TARGET) == 0 ? tokens[i] : CausalLMHead.IGNORED)
                .toArray();
        return new Example(Arrays.copyOf(tokens, targets.length), targets);
    }

    /** Copies {@code count} ids with their marks from index {@code from} on; throws as {@link #id} does. */
    void copy(long from, int[] to, int offset, int count) {
        for (int i = 0; i < count; i++) {
            to[offset + i] = stored(from + i);
        }
    }

    /**
     * Splits off a part at the end. No example crosses the border.
     *
     * @param fraction share of the tokens, between 0 and 1
     * @throws IllegalArgumentException if it is not
     */
    public Split split(double fraction) {
        boolean right = fraction > 0 && fraction < 1;
        LearningRate.refuse(!right, "held-out fraction: expected a number between 0 and 1, got " + fraction);
        long cut = count() - (long) (count() * fraction);
        return new Split(slice(0, cut), slice(cut, count()));
    }

    private Tokens slice(long from, long to) {
        return new Tokens(data.asSlice(from * Integer.BYTES, (to - from) * Integer.BYTES), source);
    }

    /** Ends the mapping. Ids in memory stay. */
    @Override
    public void close() {
        if (source.mapping != null) {
            source.mapping.close();
        }
    }
}
