package dev.causal4j.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import dev.causal4j.Whole;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Ids and texts against Hugging Face's native library: the families' traps, and random texts. {@link #main} does the same
 * with more texts and other files.
 */
class OracleTest {
    private static final int TEXTS = 300;

    /** A mark of Unicode 16, which Java 21 does not know. */
    private static final String NEW = Character.isDefined(0x897) ? "\u0897" : "";

    /** Where families differ from each other, or implementations from the library. */
    private static final List<String> TRAPS = List.of(
            "'\u017f he'\u017f IT'S it's", // a long s is an s to Unicode
            "12345 (  12 123456789",
            "a  \u4e00  b   ",
            "\u00bd \u2167 \u00b2 x\u00b2 \u0663\u0661",
            "\u25cc\u0301abc \u0301\u0302x HTTPServer iPhone ABCdef \u01c5x",
            "<|user|>\nHi<|end|>\n\n<|assistant|>  x",
            "<|end|>\u3000 x <|end|>   <|end|>  <|end|>   ",
            "x</s>y </s>  z",
            "a" + " ".repeat(30) + "b" + " ".repeat(7) + "\n" + " ".repeat(25),
            "\n\n\n\u2581\u2581\u2581 <table> <unused7>\n\n\n\n",
            "\u2581 \u2581\u2581a\u2581b \u2581",
            "<s>Hi",
            " Hi",
            "  Hi",
            "<s> Hi</s> x",
            "\0a\0\0\u0378\ud83d\ude00",
            "<0x0A><0x41>\n",
            "a\u0323\u0307 \u1112\u1161\u11ab \u212b \u0958 \u0344 a\u0301" + NEW + "\u0302 a\u0301\u07fd\u0302",
            "<|endoftext|<|endoftext|>>",
            "<|im_start|>user\nhi<|im_end|>\n",
            "a".repeat(3000),
            "x" + " ".repeat(500) + "y",
            "\ud83d\ude00".repeat(200),
            "ab".repeat(700) + "\u6f22".repeat(300),
            "\r\n \r\n\n x\r\r\n",
            "\u0085\u00a0\u1680\u2000\u2028\u2029\u202f\u205f\u3000x\u200b\ufeff",
            "//\n/ /*/\n\n!?\r\n.\n",
            "");

    static List<String> names() {
        return TokenizerGoldenTest.names();
    }

    @ParameterizedTest
    @EnabledIfSystemProperty(named = Whole.PROPERTY, matches = "true")
    @MethodSource("names")
    void idsAndTextsAreThoseOfTheNativeLibrary(String name) throws IOException {
        compare(name, Fixtures.resource("golden/" + name + "/tokenizer.json"), TEXTS, 1);
    }

    /** Arguments: number of texts, seed, and files. */
    public static void main(String[] args) throws IOException {
        for (String file : Arrays.asList(args).subList(2, args.length)) {
            long start = System.nanoTime();
            compare(file, Files.readAllBytes(Path.of(file)), Integer.parseInt(args[0]), Long.parseLong(args[1]));
            System.out.printf("%s: %s texts, %.1f s%n", file, args[0], (System.nanoTime() - start) / 1e9);
        }
    }

    private static void compare(String name, byte[] json, int texts, long seed) throws IOException {
        Tokenizer tokenizer = Tokenizer.fromJson(name, json);
        Random random = new Random(seed);
        try (HuggingFaceTokenizer peer =
                HuggingFaceTokenizer.newInstance(new ByteArrayInputStream(json), Map.of("truncation", "false"))) {
            for (String text : TRAPS) {
                compare(text, tokenizer, peer);
            }
            List<String> pieces = pieces(tokenizer);
            int[] all = IntStream.range(0, tokenizer.vocabularySize())
                    .filter(id -> !tokenizer.piece(id).isEmpty())
                    .toArray();
            int[] bytes = Arrays.stream(all)
                    .filter(id -> tokenizer.bytes(id).length == 1)
                    .toArray();
            for (int i = 0; i < texts; i++) {
                StringBuilder text = new StringBuilder();
                for (int parts = random.nextInt(8); parts >= 0; parts--) {
                    text.append(
                            random.nextBoolean()
                                    ? pieces.get(random.nextInt(pieces.size()))
                                    : Fixtures.randomText(random, 1 + random.nextInt(8)));
                }
                compare(text.toString(), tokenizer, peer);
                int[] from = i % 2 == 0 ? all : bytes; // runs of single bytes are mostly no UTF-8
                int[] ids = random.ints(random.nextInt(20), 0, from.length)
                        .map(at -> from[at])
                        .toArray();
                compareTexts(ids, tokenizer, peer);
            }
        }
    }

    /** Added tokens, and what the traps are made of. */
    private static List<String> pieces(Tokenizer tokenizer) {
        List<String> pieces = new ArrayList<>(List.of("\u2581", "\u0301", "\u0323", "\u1161", "\u11a8", NEW, "\u212b"));
        IntStream.range(0, tokenizer.vocabularySize())
                .mapToObj(tokenizer::piece)
                .filter(piece -> piece.startsWith("<") || piece.startsWith("[") || piece.isBlank())
                .limit(300)
                .forEach(pieces::add);
        TRAPS.stream().filter(trap -> trap.length() < 40).forEach(pieces::add);
        return pieces;
    }

    private static void compare(String text, Tokenizer tokenizer, HuggingFaceTokenizer peer) {
        int[] ids;
        try {
            ids = tokenizer.encode(text, SpecialTokens.PARSE);
        } catch (IllegalArgumentException e) {
            assertThat(e.getMessage()).startsWith("text: expected bytes the vocabulary has a token for");
            return; // the library drops them silently
        }
        int[] expected = Arrays.stream(peer.encode(text, false, false).getIds())
                .mapToInt(id -> (int) id)
                .toArray();
        assertThat(ids).as(text).isEqualTo(expected);
        compareTexts(ids, tokenizer, peer);
    }

    private static void compareTexts(int[] ids, Tokenizer tokenizer, HuggingFaceTokenizer peer) {
        long[] peerIds = Arrays.stream(ids).asLongStream().toArray();
        assertThat(tokenizer.decode(ids)).as(Arrays.toString(ids)).isEqualTo(peer.decode(peerIds, false));
        assertThat(tokenizer.decodeWithoutSpecial(ids)).as(Arrays.toString(ids)).isEqualTo(peer.decode(peerIds, true));
        StreamingDecoder decoder = tokenizer.decoder();
        StringBuilder streamed = new StringBuilder();
        Arrays.stream(ids).forEach(id -> streamed.append(decoder.accept(id)));
        assertThat(streamed + decoder.finish()).isEqualTo(tokenizer.decode(ids));
    }
}
