package dev.causal4j.tokenizer;

import dev.causal4j.FormatException;
import dev.causal4j.UnsupportedModelException;
import dev.causal4j.json.Json;
import dev.causal4j.json.Unicode;
import dev.causal4j.json.UntrustedInput;
import dev.causal4j.json.WholeFile;
import dev.causal4j.tokenizer.AddedTokens.Token;
import dev.causal4j.tokenizer.AddedTokens.Trust;
import dev.causal4j.tokenizer.StreamingDecoder.Rule;
import java.io.IOException;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.IntConsumer;
import java.util.stream.IntStream;

/**
 * Encodes text to token ids and decodes it, with the results of Hugging Face's library: byte-pair encoding of bytes
 * (GPT-2, Llama 3, Qwen) or characters (Llama 2, Gemma), and unigram models. Immutable and thread-safe; needs no
 * closing.
 *
 * <p>For valid Unicode {@code decode(encode(text))} equals {@code text}, unless the model's files normalize text, put a
 * space before it, or have special tokens that strip the spaces beside them.
 */
public final class Tokenizer implements Vocabulary {
    /** GPT-2's only special token, which ends a document. */
    public static final String END_OF_TEXT = "<|endoftext|>";

    private static final String JSON = "tokenizer.json";

    private static final String ADDED = "added_tokens";
    private static final String VOCAB = "vocab.json";
    private static final String MERGES = "merges.txt";

    // The largest tokenizer.json in use has 33 MB.
    private static final int MAX_FILE_BYTES = 64 << 20;

    final Json settings;
    final Pieces pieces;
    final Encoder encoder;
    final Rule rule;
    private final int[] prefix;
    private final int[] suffix;
    private final BitSet special = new BitSet();
    final List<Token> tokens;
    private final List<String> controlTokens;
    private final TextParts.Cuts cuts;

    /**
     * The tokens of a text and their places in it.
     *
     * @param tokens ids
     * @param starts for each token its first byte in the UTF-8 of the text, where U+FFFD stands for an unpaired
     *     surrogate
     * @param ends for each token the byte after its last; equal to its start for a space that only the model reads
     */
    public record Encoding(int[] tokens, int[] starts, int[] ends) {}

    /**
     * @param settings a tokenizer.json without vocabulary and merges, and perhaps without added tokens
     * @param prefix ids that files put before a text
     * @param suffix ids that files put after a text
     */
    Tokenizer(
            Json settings, Pieces pieces, Encoder encoder, Rule rule, List<Token> tokens, int[] prefix, int[] suffix) {
        this.settings = settings;
        this.pieces = pieces;
        this.encoder = encoder;
        this.rule = rule;
        this.prefix = prefix;
        this.suffix = suffix;
        this.tokens = tokens;
        for (Token token : tokens) {
            special.set(token.id(), token.has(Token.SPECIAL));
        }
        controlTokens =
                tokens.stream().filter(Token::isControl).map(Token::content).toList();
        cuts = TextParts.cuts(encoder, tokens);
    }

    /**
     * The tokenizer of a model folder: its tokenizer.json, else its vocab.json with merges.txt, else empty; or that of
     * a tokenizer.json. Files of more than 64 MB are refused.
     *
     * @throws FormatException if a file is malformed or not supported
     * @throws IOException if reading fails
     */
    public static Optional<Tokenizer> load(Path folder) throws IOException {
        Path json = Files.isRegularFile(folder) ? folder : folder.resolve(JSON);
        if (Files.exists(json)) {
            return Optional.of(fromJson(json.toString(), read(json)));
        }
        Path vocab = folder.resolve(VOCAB);
        Path merges = folder.resolve(MERGES);
        return Files.exists(vocab) || Files.exists(merges)
                ? Optional.of(fromVocabulary(folder.toString(), read(vocab), read(merges)))
                : Optional.empty();
    }

    /**
     * Reads the bytes of a tokenizer.json.
     *
     * @param subject its name in errors, usually the path
     * @throws FormatException if it is malformed
     * @throws UnsupportedModelException if it has a component or a pattern that no known family has
     */
    public static Tokenizer fromJson(String subject, byte[] tokenizerJson) throws FormatException {
        return TokenizerReader.read(subject, tokenizerJson);
    }

    /**
     * Reads the bytes of GPT-2's vocab.json and merges.txt. {@code <|endoftext|>} is special if the vocabulary has it.
     *
     * @param subject their name in errors, usually the folder
     * @throws FormatException if they are malformed or do not belong together
     */
    public static Tokenizer fromVocabulary(String subject, byte[] vocabJson, byte[] mergesTxt) throws FormatException {
        Map<String, Object> vocab = Json.tree(subject + ": vocab.json", vocabJson);
        List<String> merges = new String(mergesTxt, StandardCharsets.UTF_8)
                .replaceFirst("^#version.*", "")
                .lines()
                .filter(line -> !line.isEmpty())
                .toList();
        return TokenizerReader.byteLevel(
                subject, Map.of(), vocab, merges, vocab.containsKey(END_OF_TEXT) ? List.of(END_OF_TEXT) : List.of());
    }

    /**
     * From a tokenizer.json whose vocabulary and merges lie elsewhere.
     *
     * @param subject its name in errors
     * @param settings its tree, with null for both
     * @param vocabulary ids by piece
     * @param merges left and right piece of each, best first
     * @throws FormatException if they do not belong together
     * @throws UnsupportedModelException if it has a component or a pattern that no known family has
     */
    public static Tokenizer of(
            String subject, Map<?, ?> settings, Map<String, Integer> vocabulary, List<List<String>> merges)
            throws FormatException {
        return TokenizerReader.read(new Json(subject, settings), vocabulary, merges);
    }

    /**
     * Writes {@code tokenizer.json}, and for GPT-2's kind its {@code vocab.json} and {@code merges.txt} for programs
     * that only know those, into a folder that exists. Each file is written whole or not at all; equal tokenizers give
     * equal bytes.
     *
     * @throws IOException if writing fails
     */
    public void save(Path folder) throws IOException {
        boolean gpt2 = encoder.splitters().stream()
                .allMatch(each ->
                        each instanceof Splitter.Matches words && words.source().equals(Splitter.Matches.GPT2));
        if (gpt2 && encoder.model() instanceof BytePair model) {
            WholeFile.write(folder.resolve(VOCAB), Json.write(modelPieces()));
            String merges = "#version: 0.2\n" + String.join("\n", lines(model)) + "\n";
            WholeFile.write(folder.resolve(MERGES), merges.getBytes(StandardCharsets.UTF_8));
        }
        WholeFile.write(folder.resolve(JSON), toJson()); // last, since it is read first
    }

    /** The bytes of this tokenizer's {@code tokenizer.json}. Equal tokenizers give equal bytes. */
    public byte[] toJson() {
        Map<Object, Object> model = new LinkedHashMap<>(
                (Map<?, ?>) Objects.requireNonNull(settings.root().get("model")));
        switch (encoder.model()) {
            case BytePair pairs -> {
                model.put("vocab", modelPieces());
                // Only pieces of bytes have no spaces.
                model.put("merges", pieces.byteLevel() ? lines(pairs) : merges(pairs));
            }
            case Unigram unigram -> {
                List<Object> scored = new ArrayList<>();
                modelPieces()
                        .forEach((piece, id) ->
                                scored.add(List.of(piece, unigram.scores().get(id))));
                model.put("vocab", scored);
            }
        }
        List<?> added = tokens.stream().map(Token::json).toList();
        return Json.write(settings.with(Map.of("model", model, ADDED, added)).root());
    }

    private Map<String, Integer> modelPieces() {
        Map<String, Integer> ids = new LinkedHashMap<>();
        IntStream.range(0, vocabularySize())
                .filter(id -> pieces.id(piece(id)) == id)
                .forEach(id -> ids.put(piece(id), id));
        return ids;
    }

    private List<List<String>> merges(BytePair model) {
        Merges merges = model.merges();
        return IntStream.range(0, merges.size())
                .mapToObj(rank -> List.of(piece(merges.part(rank, 0)), piece(merges.part(rank, 1))))
                .toList();
    }

    /** Merges as files have them. */
    List<String> lines(BytePair model) {
        return merges(model).stream().map(pair -> String.join(" ", pair)).toList();
    }

    private static byte[] read(Path file) throws IOException {
        return UntrustedInput.readFile(file, "a tokenizer's file", MAX_FILE_BYTES);
    }

    /** Encodes a text as {@link #encode(String, SpecialTokens)} does with {@link SpecialTokens#AS_TEXT}. */
    public int[] encode(String text) {
        return encode(text, SpecialTokens.AS_TEXT);
    }

    /**
     * Encodes a text, without truncation and without BOS, which {@link #withPrefix} adds. An unpaired surrogate becomes
     * U+FFFD.
     *
     * @throws IllegalArgumentException if the text has a byte that the vocabulary lacks and has no token for
     */
    public int[] encode(String text, SpecialTokens specialTokens) {
        return encode(text, false, trust(specialTokens));
    }

    /** Encodes a text that continues another: nothing is put before it. */
    public int[] encodeContinuation(String text, SpecialTokens specialTokens) {
        return encode(text, true, trust(specialTokens));
    }

    /**
     * Encodes a text of which only parts may spell special tokens, for instance what a chat template writes around the
     * messages of users.
     *
     * @param trusted indices of its chars; a token is special if all of its chars are trusted
     */
    public int[] encode(String text, BitSet trusted) {
        return encode(text, false, (from, to) -> trusted.get(from, to).cardinality() == to - from);
    }

    /** Encodes a text as {@link #encode(String, SpecialTokens)} does, and finds the places of the tokens in it. */
    public Encoding encodeWithOffsets(String text, SpecialTokens specialTokens) {
        return Offsets.find(Unicode.wellFormed(text), encode(text, specialTokens), this::bytes);
    }

    /** Encodes a text as {@link #encode(String, BitSet)} does, and finds the places of the tokens in it. */
    public Encoding encodeWithOffsets(String text, BitSet trusted) {
        return Offsets.find(Unicode.wellFormed(text), encode(text, trusted), this::bytes);
    }

    private int[] encode(String text, boolean continues, Trust trust) {
        IntStream.Builder ids = IntStream.builder();
        encoder.encode(Unicode.wellFormed(text), continues, trust, ids);
        return ids.build().toArray();
    }

    private static Trust trust(SpecialTokens specialTokens) {
        return (from, to) -> specialTokens == SpecialTokens.PARSE;
    }

    /**
     * Encodes a text of any length, in parts of about 64 K characters, with the ids of {@link #encode(String,
     * SpecialTokens)}.
     *
     * @param ids receives each id in order
     * @throws IOException if the reader fails
     * @throws IllegalArgumentException if the text has a byte that the vocabulary lacks and has no token for, or 16
     *     million characters without a place for a cut, which is mostly before a space
     */
    public void encode(Reader text, SpecialTokens specialTokens, IntConsumer ids) throws IOException {
        encode(text, specialTokens, TextParts.USUAL, ids);
    }

    void encode(Reader text, SpecialTokens specialTokens, int partLength, IntConsumer ids) throws IOException {
        boolean[] continues = {false};
        TextParts.forEach(text, partLength, cuts, part -> {
            encoder.encode(part, continues[0], trust(specialTokens), ids);
            continues[0] = true;
        });
    }

    /**
     * Puts the ids before a text that the model's files put there, such as BOS, unless the text begins with them.
     * GPT-2's files put none. A model continues after it; {@link #whole} makes a complete text.
     */
    public int[] withPrefix(int[] ids) {
        boolean begun = prefix.length <= ids.length && Arrays.equals(prefix, 0, prefix.length, ids, 0, prefix.length);
        return begun ? ids : joined(prefix, ids);
    }

    /** Puts the ids around a text that the model's files put before and after it, as a model that embeds texts reads them. */
    public int[] whole(int[] ids) {
        return joined(withPrefix(ids), suffix);
    }

    private static int[] joined(int[] first, int[] last) {
        int[] all = Arrays.copyOf(first, first.length + last.length);
        System.arraycopy(last, 0, all, first.length, last.length);
        return all;
    }

    /**
     * Decodes ids, special tokens included. Invalid UTF-8 becomes U+FFFD, also an incomplete character at the end.
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

    /** Decodes ids as {@link #decode} does, without the special tokens. */
    public String decodeWithoutSpecial(int... ids) {
        return decode(Arrays.stream(ids).filter(id -> !isSpecial(id)).toArray());
    }

    /** A new decoder for streamed text. */
    public StreamingDecoder decoder() {
        return new StreamingDecoder(pieces, rule, false);
    }

    /** A new decoder for text that continues another: it keeps a space that SentencePiece drops before a text. */
    public StreamingDecoder continuingDecoder() {
        return new StreamingDecoder(pieces, rule, true);
    }

    /**
     * A new decoder for text after a prompt. The text continues the prompt, unless that is special tokens alone, such
     * as BOS.
     */
    public StreamingDecoder decoderBehind(int... prompt) {
        return Arrays.stream(prompt).allMatch(special::get) ? decoder() : continuingDecoder();
    }

    /**
     * The UTF-8 bytes that an id stands for inside a text, which may be part of a character.
     *
     * @throws IllegalArgumentException if the vocabulary has no such id
     */
    @Override
    public byte[] bytes(int id) {
        return pieces.bytes(pieces.require(id));
    }

    /**
     * The bytes that an id stands for at the beginning of a text, where SentencePiece drops a space.
     *
     * @throws IllegalArgumentException if the vocabulary has no such id
     */
    @Override
    public byte[] firstBytes(int id) {
        byte[] bytes = bytes(id);
        if (!rule.dropsFirst()) {
            return bytes;
        }
        if (rule.metaspace()) {
            String piece = piece(id).replace(String.valueOf(Splitter.MARK), "");
            return pieces.fallbackByte(id) >= 0 ? bytes : piece.getBytes(StandardCharsets.UTF_8);
        }
        return bytes.length > 0 && bytes[0] == ' ' ? Arrays.copyOfRange(bytes, 1, bytes.length) : bytes;
    }

    /** The kind of its model: {@code byte-level BPE}, {@code SentencePiece BPE} or {@code unigram}. */
    public String kind() {
        return encoder.model() instanceof Unigram
                ? "unigram"
                : pieces.byteLevel() ? "byte-level BPE" : "SentencePiece BPE";
    }

    /** The number of ids: one more than the largest. A model's logits may be padded beyond it. */
    @Override
    public int vocabularySize() {
        return pieces.size();
    }

    /**
     * Whether a head of this size has all ids, or lacks only special ones, as Gemma 3's text models lack that of
     * images.
     */
    public boolean fits(int size) {
        return IntStream.range(size, vocabularySize()).allMatch(special::get);
    }

    /** The id of a raw token such as {@code Ġair}; empty if the vocabulary has no such token. */
    @Override
    public OptionalInt id(String piece) {
        int known = pieces.id(piece);
        return known >= 0
                ? OptionalInt.of(known)
                : tokens.stream()
                        .filter(token -> token.content().equals(piece))
                        .mapToInt(Token::id)
                        .findFirst();
    }

    /**
     * The raw token of an id, in GPT-2's alphabet ({@code Ġ} is a space) or with SentencePiece's mark for a space;
     * {@link #decode} gives it as text. Empty for an id that the files skip.
     *
     * @throws IllegalArgumentException if the vocabulary has no such id
     */
    public String piece(int id) {
        return pieces.piece(pieces.require(id));
    }

    /**
     * Whether the model's files mark the token as special, such as {@code <|endoftext|>}.
     *
     * @throws IllegalArgumentException if the vocabulary has no such id
     */
    public boolean isSpecial(int id) {
        return special.get(pieces.require(id));
    }

    /** Control tokens, which untrusted text must not produce: the special tokens, and others such as {@code </s>}. */
    @Override
    public List<String> controlTokens() {
        return controlTokens;
    }

    @Override
    public boolean writes(int codePoint) {
        return pieces.byteLevel() || codePoint != Splitter.MARK;
    }
}
