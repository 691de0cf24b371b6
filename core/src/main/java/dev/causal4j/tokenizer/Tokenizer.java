package dev.causal4j.tokenizer;

import dev.causal4j.tokenizer.BytePairVocabulary.AddedToken;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.IntStream;

/**
 * Text to token ids and back, for models with GPT-2's byte-level byte-pair encoding. Immutable and thread-safe; there
 * is nothing to close.
 *
 * <p>Every text of valid Unicode comes back: {@code decode(encode(text))} equals {@code text}. Two things in a model's
 * own files can break that: {@code add_prefix_space}, and special tokens that swallow the spaces beside them.
 *
 * <p>The first {@code encode} of a process loads the native library; loading a tokenizer and decoding do not need it.
 */
public final class Tokenizer {
    // The largest tokenizer.json in use has 33 MB.
    private static final int MAX_FILE_BYTES = 64 << 20;
    // Encoding takes about 140 bytes of memory for a character of a part.
    private static final int PART = 1 << 16;
    private static final int MAX_PART = 1 << 24;

    private final BytePairVocabulary vocabulary;
    private final BitSet special = new BitSet();
    private final Map<SpecialTokens, NativeTokenizer> encoders = new ConcurrentHashMap<>();

    private Tokenizer(BytePairVocabulary vocabulary) {
        this.vocabulary = vocabulary;
        vocabulary.addedTokens().stream().filter(AddedToken::special).forEach(token -> special.set(token.id()));
    }

    /**
     * The tokenizer of a model folder: its tokenizer.json, else its vocab.json with merges.txt, else empty. Files of
     * more than 64 MB are refused unread.
     *
     * @throws IOException if a file cannot be read or is not what it should be; the message is one line
     */
    public static Optional<Tokenizer> load(Path folder) throws IOException {
        Path json = folder.resolve("tokenizer.json");
        if (Files.exists(json)) {
            return Optional.of(fromJson(json.toString(), read(json)));
        }
        Path vocab = folder.resolve("vocab.json");
        Path merges = folder.resolve("merges.txt");
        if (Files.exists(vocab) || Files.exists(merges)) {
            return Optional.of(fromVocabulary(folder.toString(), read(vocab), read(merges)));
        }
        return Optional.empty();
    }

    /**
     * From the bytes of a tokenizer.json.
     *
     * @param subject what errors call it, usually its path
     * @throws IOException if it is malformed, or needs what GPT-2's tokenizer has not; the message is one line
     */
    public static Tokenizer fromJson(String subject, byte[] tokenizerJson) throws IOException {
        return new Tokenizer(new VocabularyReader(subject).tokenizerJson(tokenizerJson));
    }

    /**
     * From the bytes of GPT-2's vocab.json and merges.txt. {@code <|endoftext|>} is special if the vocabulary has it.
     *
     * @param subject what errors call them, usually their folder
     * @throws IOException if they are malformed or do not belong together; the message is one line
     */
    public static Tokenizer fromVocabulary(String subject, byte[] vocabJson, byte[] mergesTxt) throws IOException {
        return new Tokenizer(new VocabularyReader(subject).vocabAndMerges(vocabJson, mergesTxt));
    }

    private static byte[] read(Path file) throws IOException {
        // A pipe or a device could make us wait for ever.
        if (!Files.isRegularFile(file)) {
            throw new IOException(file + ": expected a file, got " + (Files.exists(file) ? "something else" : "none")
                    + "; copy it from where the model came");
        }
        try (InputStream in = Files.newInputStream(file)) {
            byte[] bytes = in.readNBytes(MAX_FILE_BYTES + 1);
            if (bytes.length > MAX_FILE_BYTES) {
                throw new IOException(file + ": expected at most " + MAX_FILE_BYTES + " bytes, got "
                        + Math.max(bytes.length, Files.size(file)) + "; is it the right file?");
            }
            return bytes;
        }
    }

    /** As {@link #encode(String, SpecialTokens)} with {@link SpecialTokens#PARSE}. */
    public int[] encode(String text) {
        return encode(text, SpecialTokens.PARSE);
    }

    /**
     * The ids of {@code text}: all of it, whatever its length, and nothing added to it. Half of a surrogate pair is
     * taken as U+FFFD.
     *
     * @throws IllegalArgumentException if the vocabulary lacks some bytes and the text has one of them (GPT-2's has
     *     all), or if the text runs for more than 16 million characters without a space
     * @throws UncheckedIOException if the native library cannot be unpacked or loaded; the message of its cause is one
     *     line
     */
    public int[] encode(String text, SpecialTokens specialTokens) {
        return encode(text, specialTokens, PART);
    }

    int[] encode(String text, SpecialTokens specialTokens, int partLength) {
        String valid = Text.wellFormed(text);
        boolean splits = vocabulary.splitsAtSpaces();
        IntStream.Builder ids = IntStream.builder();
        for (int from = 0; from < valid.length(); ) {
            int to = splits && valid.length() - from > partLength
                    ? Text.nextCut(valid, from + partLength)
                    : valid.length();
            if (to - from > MAX_PART) {
                throw new IllegalArgumentException("text: expected a space at least every " + MAX_PART
                        + " characters, got none in " + (to - from) + "; split the text");
            }
            for (long id : encoder(specialTokens).encode(valid.substring(from, to))) {
                ids.add(known((int) id));
            }
            from = to;
        }
        return ids.build().toArray();
    }

    private int known(int id) {
        if (id == vocabulary.unknownId()) {
            throw new IllegalArgumentException("text: expected bytes the vocabulary has a token for, got others;"
                    + " use a vocabulary with all 256");
        }
        return id;
    }

    private NativeTokenizer encoder(SpecialTokens specialTokens) {
        return encoders.computeIfAbsent(specialTokens, key -> {
            try {
                return new NativeTokenizer(vocabulary.toJson(key));
            } catch (IOException e) {
                throw new UncheckedIOException(Objects.toString(e.getMessage()), e);
            }
        });
    }

    /**
     * The text of {@code ids}, special tokens included. Bytes that are no valid UTF-8 become U+FFFD, an incomplete
     * character at the end too.
     *
     * @throws IllegalArgumentException if the vocabulary has no such id
     */
    public String decode(int... ids) {
        StreamingDecoder decoder = decoder();
        StringBuilder text = new StringBuilder();
        for (int id : ids) {
            decoder.accept(id, text);
        }
        return text.append(decoder.finish()).toString();
    }

    /** As {@link #decode}, but leaves the special tokens out. */
    public String decodeWithoutSpecial(int... ids) {
        return decode(Arrays.stream(ids).filter(id -> !isSpecial(id)).toArray());
    }

    /** A new decoder for text that is shown while it is made; it belongs to the caller. */
    public StreamingDecoder decoder() {
        return new StreamingDecoder(this);
    }

    /**
     * The bytes of UTF-8 that an id stands for, which may be part of a character only.
     *
     * @throws IllegalArgumentException if the vocabulary has no such id
     */
    public byte[] bytes(int id) {
        return ByteLevel.bytes(piece(id));
    }

    /** How many ids there are: one more than the largest. A model's logits may be padded beyond it. */
    public int vocabularySize() {
        return vocabulary.pieces().size();
    }

    /** The id of a raw token such as {@code Ġair}; empty if the vocabulary has none. */
    public OptionalInt id(String piece) {
        Integer id = vocabulary.ids().get(piece);
        return id == null ? OptionalInt.empty() : OptionalInt.of(id);
    }

    /**
     * The raw token of an id, its bytes written in GPT-2's alphabet ({@code Ġ} is a space); {@link #decode} gives it as
     * text. Empty if the files leave this id out.
     *
     * @throws IllegalArgumentException if the vocabulary has no such id
     */
    public String piece(int id) {
        return vocabulary.pieces().get(checked(id));
    }

    /**
     * Whether the token is one the model's files call special, such as {@code <|endoftext|>}: not text, but about it.
     *
     * @throws IllegalArgumentException if the vocabulary has no such id
     */
    public boolean isSpecial(int id) {
        return special.get(checked(id));
    }

    private int checked(int id) {
        if (id < 0 || id >= vocabularySize()) {
            throw new IllegalArgumentException("token id: expected 0 to " + (vocabularySize() - 1) + ", got " + id);
        }
        return id;
    }
}
