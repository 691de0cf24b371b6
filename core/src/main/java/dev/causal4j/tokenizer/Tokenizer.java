package dev.causal4j.tokenizer;

import dev.causal4j.FormatException;
import dev.causal4j.UnsupportedModelException;
import dev.causal4j.format.UntrustedInput;
import dev.causal4j.format.WholeFile;
import dev.causal4j.tokenizer.BytePairVocabulary.AddedToken;
import java.io.IOException;
import java.io.Reader;
import java.io.StringReader;
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
import java.util.function.IntConsumer;
import java.util.stream.IntStream;

/**
 * Text to token ids and back, for models with GPT-2's byte-level byte-pair encoding. Immutable and thread-safe; needs
 * no closing.
 *
 * <p>For valid Unicode {@code decode(encode(text))} equals {@code text}, unless the model's files set {@code
 * add_prefix_space} or have special tokens that strip the spaces beside them.
 *
 * <p>The first {@code encode} of a process loads the native library; loading a tokenizer and decoding do not need it.
 */
public final class Tokenizer {
    /** GPT-2's only special token: it ends a document. */
    public static final String END_OF_TEXT = "<|endoftext|>";

    private static final String JSON = "tokenizer.json";
    private static final String VOCAB = "vocab.json";
    private static final String MERGES = "merges.txt";

    // The largest tokenizer.json in use has 33 MB.
    private static final int MAX_FILE_BYTES = 64 << 20;

    private final BytePairVocabulary vocabulary;
    private final BitSet special = new BitSet();
    private final Map<SpecialTokens, NativeTokenizer> encoders = new ConcurrentHashMap<>();

    Tokenizer(BytePairVocabulary vocabulary) {
        this.vocabulary = vocabulary;
        vocabulary.addedTokens().stream()
                .filter(token -> token.has(AddedToken.SPECIAL))
                .forEach(token -> special.set(token.id()));
    }

    /**
     * The tokenizer of a model folder: its tokenizer.json, else its vocab.json with merges.txt, else empty. Files of
     * more than 64 MB are refused.
     *
     * @throws FormatException if a file is malformed or not supported
     * @throws IOException if reading fails
     */
    public static Optional<Tokenizer> load(Path folder) throws IOException {
        Path json = folder.resolve(JSON);
        if (Files.exists(json)) {
            return Optional.of(fromJson(json.toString(), read(json)));
        }
        Path vocab = folder.resolve(VOCAB);
        Path merges = folder.resolve(MERGES);
        if (Files.exists(vocab) || Files.exists(merges)) {
            return Optional.of(fromVocabulary(folder.toString(), read(vocab), read(merges)));
        }
        return Optional.empty();
    }

    /**
     * From the bytes of a tokenizer.json.
     *
     * @param subject its name in errors, usually the path
     * @throws FormatException if it is malformed
     * @throws UnsupportedModelException if it is not a byte-level byte-pair tokenizer with GPT-2's pattern
     */
    public static Tokenizer fromJson(String subject, byte[] tokenizerJson) throws FormatException {
        return new Tokenizer(new VocabularyReader(subject).tokenizerJson(tokenizerJson));
    }

    /**
     * From the bytes of GPT-2's vocab.json and merges.txt. {@code <|endoftext|>} is special if the vocabulary has it.
     *
     * @param subject their name in errors, usually the folder
     * @throws FormatException if they are malformed or do not belong together
     */
    public static Tokenizer fromVocabulary(String subject, byte[] vocabJson, byte[] mergesTxt) throws FormatException {
        return new Tokenizer(new VocabularyReader(subject).vocabAndMerges(vocabJson, mergesTxt));
    }

    /**
     * Writes {@code tokenizer.json}, and GPT-2's {@code vocab.json} and {@code merges.txt} for programs that only know
     * those, into a folder that exists. Each file is written whole or not at all; equal tokenizers give equal bytes.
     *
     * @throws IOException if writing fails
     */
    public void save(Path folder) throws IOException {
        WholeFile.write(folder.resolve(VOCAB), vocabulary.vocabJson());
        WholeFile.write(folder.resolve(MERGES), vocabulary.mergesTxt());
        WholeFile.write(folder.resolve(JSON), toJson()); // last, since it is read first
    }

    /** The bytes of this tokenizer's {@code tokenizer.json}. Equal tokenizers give equal bytes. */
    public byte[] toJson() {
        return vocabulary.tokenizerJson();
    }

    private static byte[] read(Path file) throws IOException {
        return UntrustedInput.readFile(file, "a tokenizer's file", MAX_FILE_BYTES);
    }

    /** As {@link #encode(String, SpecialTokens)} with {@link SpecialTokens#PARSE}. */
    public int[] encode(String text) {
        return encode(text, SpecialTokens.PARSE);
    }

    /**
     * The ids of {@code text}, without truncation or added tokens. An unpaired surrogate becomes U+FFFD.
     *
     * @throws IllegalArgumentException if the text has a byte that the vocabulary lacks (GPT-2's lacks none), or more
     *     than 16 million characters without a space
     * @throws UncheckedIOException if the native library cannot be unpacked or loaded; the message of its cause is one
     *     line
     */
    public int[] encode(String text, SpecialTokens specialTokens) {
        IntStream.Builder ids = IntStream.builder();
        try {
            encode(new StringReader(text), specialTokens, ids::add);
        } catch (IOException impossible) {
            throw new UncheckedIOException(impossible);
        }
        return ids.build().toArray();
    }

    /**
     * Encodes a text of any length, in parts of about 64 K characters, with the ids of {@link #encode(String,
     * SpecialTokens)}.
     *
     * @param ids receives each id in order
     * @throws IOException if the reader fails
     * @throws IllegalArgumentException as {@link #encode(String, SpecialTokens)} does; the tokenizer of a model that
     *     puts a space before each text takes at most 16 million characters
     */
    public void encode(Reader text, SpecialTokens specialTokens, IntConsumer ids) throws IOException {
        encode(text, specialTokens, TextParts.USUAL, ids);
    }

    void encode(Reader text, SpecialTokens specialTokens, int partLength, IntConsumer ids) throws IOException {
        TextParts.forEach(text, partLength, vocabulary.splitsAtSpaces(), part -> {
            for (long id :
                    encoders.computeIfAbsent(specialTokens, this::encoder).encode(part)) {
                if (id == vocabulary.unknownId()) {
                    throw new IllegalArgumentException("text: expected bytes the vocabulary has a token for, got"
                            + " others; use a vocabulary with all 256");
                }
                ids.accept((int) id);
            }
        });
    }

    private NativeTokenizer encoder(SpecialTokens specialTokens) {
        try {
            return new NativeTokenizer(vocabulary.nativeJson(specialTokens));
        } catch (IOException e) {
            throw new UncheckedIOException(Objects.toString(e.getMessage()), e);
        }
    }

    /**
     * The text of {@code ids}, special tokens included. Invalid UTF-8 becomes U+FFFD, also an incomplete character at
     * the end.
     *
     * @throws IllegalArgumentException if the vocabulary has no such id
     */
    public String decode(int... ids) {
        StreamingDecoder decoder = decoder();
        StringBuilder text = new StringBuilder();
        for (int id : ids) {
            text.append(decoder.accept(id));
        }
        return text.append(decoder.finish()).toString();
    }

    /** As {@link #decode}, without the special tokens. */
    public String decodeWithoutSpecial(int... ids) {
        return decode(Arrays.stream(ids).filter(id -> !isSpecial(id)).toArray());
    }

    /** A new decoder for streamed text. */
    public StreamingDecoder decoder() {
        return new StreamingDecoder(this);
    }

    /**
     * The UTF-8 bytes of an id, which may be part of a character.
     *
     * @throws IllegalArgumentException if the vocabulary has no such id
     */
    public byte[] bytes(int id) {
        return ByteLevel.bytes(piece(id));
    }

    /** Number of ids: one more than the largest. A model's logits may be padded beyond it. */
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
     * text. Empty for an id that the files skip.
     *
     * @throws IllegalArgumentException if the vocabulary has no such id
     */
    public String piece(int id) {
        return vocabulary.pieces().get(checked(id));
    }

    /**
     * Whether the model's files mark the token as special, such as {@code <|endoftext|>}.
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
