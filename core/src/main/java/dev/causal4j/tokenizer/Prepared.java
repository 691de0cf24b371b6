package dev.causal4j.tokenizer;

import dev.causal4j.FormatException;
import dev.causal4j.format.Json;
import dev.causal4j.format.UntrustedInput;
import dev.causal4j.format.WholeFile;
import dev.causal4j.tokenizer.AddedTokens.Token;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import java.util.zip.CRC32C;

/**
 * What a tokenizer.json says as it is used, in a file beside it that is read in a tenth of the time. It holds for the
 * very bytes of the JSON it was made of.
 *
 * <p>Big-endian: a magic number, the checksum of the JSON and that of what follows; the counts of what follows;
 * settings in JSON; scores; for each id the length of its piece, 0 for none; the tables of the pieces and of the
 * merges, and the merges, as they are in memory; id, flags and length of each added token; the chars of all pieces and
 * added tokens.
 *
 * @param settings all but vocabulary, merges and added tokens
 * @param pieces of the model
 * @param table the vocabulary's
 * @param scores of the pieces, where they have some
 * @param tokens that are added, as files have them
 */
record Prepared(Json settings, Pieces pieces, int[] table, Merges merges, List<Double> scores, List<Token> tokens) {
    // The last byte is the version; it changes with the order in the tables, too.
    private static final int MAGIC = 0x43344a01;
    private static final int CHECKED = 12; // where begins what the second checksum covers
    private static final int COUNTS = 8;
    private static final int HEADER = CHECKED + COUNTS * Integer.BYTES;

    // Gemma 3 has 19 MB.
    private static final int MAX_BYTES = 128 << 20;

    static Path beside(Path json) {
        return json.resolveSibling(Tokenizer.PREPARED);
    }

    /** @param bytes of the JSON, which this was made of: its file may have changed since */
    void write(Path json, byte[] bytes) throws IOException {
        byte[] root = Json.write(settings.root());
        List<String> texts = Stream.concat(
                        IntStream.range(0, pieces.size()).mapToObj(pieces::get),
                        tokens.stream().map(Token::content))
                .toList();
        int[] lengths =
                texts.stream().limit(pieces.size()).mapToInt(String::length).toArray();
        int[] added = tokens.stream()
                .flatMapToInt(token ->
                        IntStream.of(token.id(), bits(token), token.content().length()))
                .toArray();
        int[][] ints = {lengths, table, merges.table(), merges.pairs(), added};
        String chars = String.join("", texts);
        int[] counts = IntStream.concat(
                        IntStream.of(root.length, scores.size(), chars.length()),
                        Arrays.stream(ints).mapToInt(each -> each.length))
                .toArray();
        ByteBuffer out = ByteBuffer.allocate(Math.toIntExact(size(counts))).position(CHECKED);
        Arrays.stream(counts).forEach(out::putInt);
        out.put(root);
        scores.forEach(out::putDouble);
        Arrays.stream(ints).flatMapToInt(Arrays::stream).forEach(out::putInt);
        chars.chars().forEach(c -> out.putChar((char) c));
        int checksum = checksum(out.rewind().slice(CHECKED, out.capacity() - CHECKED));
        out.putInt(MAGIC).putInt(checksum(ByteBuffer.wrap(bytes))).putInt(checksum);
        WholeFile.write(beside(json), out.array());
    }

    private static int bits(Token token) {
        return IntStream.range(0, Token.FLAGS.size())
                .filter(i -> token.has(Token.FLAGS.get(i)))
                .map(i -> 1 << i)
                .sum();
    }

    private static Set<String> flags(int bits) {
        return IntStream.range(0, Token.FLAGS.size())
                .filter(i -> (bits >> i & 1) != 0)
                .mapToObj(Token.FLAGS::get)
                .collect(Collectors.toUnmodifiableSet());
    }

    private static long size(int[] counts) {
        long ints = Arrays.stream(counts).skip(3).asLongStream().sum();
        return HEADER + counts[0] + 8L * counts[1] + 2L * counts[2] + 4 * ints;
    }

    private static int checksum(ByteBuffer bytes) {
        CRC32C checksum = new CRC32C();
        checksum.update(bytes);
        return (int) checksum.getValue();
    }

    private static int checksum(Path file) throws IOException {
        CRC32C checksum = new CRC32C();
        byte[] buffer = new byte[1 << 18];
        try (InputStream in = Files.newInputStream(file)) {
            for (int count = in.read(buffer); count >= 0; count = in.read(buffer)) {
                checksum.update(buffer, 0, count);
            }
        }
        return (int) checksum.getValue();
    }

    /**
     * Reads the file beside a JSON.
     *
     * @throws FormatException if it is damaged, or of another JSON
     */
    static Prepared read(Path json) throws IOException {
        Path file = beside(json);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment bytes = UntrustedInput.map(file, "a prepared tokenizer", arena);
            check(file, bytes.byteSize() <= MAX_BYTES, "at most " + MAX_BYTES + " bytes");
            ByteBuffer in = bytes.asByteBuffer();
            check(file, in.limit() >= HEADER && in.getInt() == MAGIC, "a prepared tokenizer of this version");
            int ofJson = in.getInt();
            check(
                    file,
                    in.getInt() == checksum(in.slice(CHECKED, in.limit() - CHECKED)),
                    "the bytes that were written");
            int[] counts = IntStream.range(0, COUNTS).map(_ -> in.getInt()).toArray();
            boolean sizes = Arrays.stream(counts).allMatch(count -> count >= 0) && size(counts) == in.limit();
            boolean bounded = counts[3] <= Vocabulary.MAX_ID && counts[7] <= 3 * TokenizerReader.MAX_ADDED_TOKENS;
            boolean scored = counts[1] == 0 || counts[1] == counts[3];
            check(file, sizes && bounded && scored, "as many bytes as it says");
            byte[] settings = new byte[counts[0]];
            in.get(settings);
            // Reading the JSON and loading the classes that parse settings takes as long as all the rest.
            CompletableFuture<Json> root = CompletableFuture.supplyAsync(() -> settings(file, settings, json, ofJson));
            return read(file, in, counts, root);
        }
    }

    private static Json settings(Path file, byte[] settings, Path json, int checksum) {
        try {
            check(file, checksum == checksum(json), "the tokenizer.json it was made of");
            return new Json(file.toString(), Json.tree(file.toString(), settings));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Prepared read(Path file, ByteBuffer in, int[] counts, CompletableFuture<Json> settings)
            throws IOException {
        List<Double> scores = new ArrayList<>();
        for (int i = 0; i < counts[1]; i++) {
            scores.add(in.getDouble());
        }
        int ids = counts[3];
        int[] ends = ints(file, in, ids, counts[2]); // lengths, to begin with
        int[] table = ints(file, in, counts[4], ids);
        int[] ofMerges = ints(file, in, counts[5], counts[6] / 3);
        Merges merges = new Merges(ofMerges, ints(file, in, counts[6], ids - 1));
        int[] added = ints(file, in, counts[7], Vocabulary.MAX_ID);
        boolean tables = Integer.bitCount(table.length) == 1 && Integer.bitCount(ofMerges.length) == 1;
        boolean finite = scores.stream().allMatch(Double::isFinite);
        check(file, tables && finite && counts[6] % 3 == 0 && added.length % 3 == 0, "tables of their sizes");
        char[] chars = new char[counts[2]];
        in.asCharBuffer().get(chars);
        check(file, isUnicode(chars), "text of Unicode");
        int from = 0;
        for (int id = 0; id < ids; id++) {
            boolean fits = ends[id] <= chars.length - from;
            check(file, fits && (from == chars.length || !Character.isLowSurrogate(chars[from])), "pieces of its text");
            from += ends[id];
            ends[id] = from;
        }
        List<Set<String>> flags = IntStream.range(0, 1 << Token.FLAGS.size())
                .mapToObj(Prepared::flags)
                .toList();
        List<Token> tokens = new ArrayList<>();
        for (int i = 0; i < added.length; i += 3) {
            check(file, added[i + 2] <= chars.length - from, "tokens of its text");
            String content = new String(chars, from, added[i + 2]);
            int bits = added[i + 1];
            check(file, bits < flags.size(), "flags of tokens");
            tokens.add(new Token(added[i], content, content, flags.get(bits)));
            from += content.length();
        }
        check(file, from == chars.length, "no text but that of pieces and tokens");
        try {
            return new Prepared(settings.join(), new Pieces(chars, ends), table, merges, scores, tokens);
        } catch (CompletionException e) {
            if (e.getCause() instanceof UncheckedIOException why) {
                throw why.getCause();
            }
            throw e;
        }
    }

    private static boolean isUnicode(char[] text) {
        boolean high = false; // whether a low surrogate must follow
        for (char c : text) {
            if (high != Character.isLowSurrogate(c)) {
                return false;
            }
            high = Character.isHighSurrogate(c);
        }
        return !high;
    }

    /** Numbers from 0 to {@code most}. */
    private static int[] ints(Path file, ByteBuffer in, int count, int most) throws FormatException {
        int[] ints = new int[count];
        in.asIntBuffer().get(ints);
        in.position(in.position() + Integer.BYTES * count);
        int all = 0;
        int largest = 0;
        for (int value : ints) {
            all |= value;
            largest = Math.max(largest, value);
        }
        check(file, all >= 0 && largest <= most, "numbers of what there is");
        return ints;
    }

    private static void check(Path file, boolean right, String expected) throws FormatException {
        if (!right) {
            throw new FormatException(file.toString(), expected, "something else", "prepare it again");
        }
    }
}
