package dev.causal4j.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.junit.jupiter.api.Assertions.assertTimeout;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import dev.causal4j.Whole;
import dev.causal4j.tokenizer.AddedTokens.Token;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.Reader;
import java.io.StringReader;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.json.JsonMapper;

class TokenizerTest {
    private static final int END_OF_TEXT = 2047;

    private final Tokenizer austen = Fixtures.austen();

    TokenizerTest() throws IOException {}

    @Test
    void wordsOfLaterTextsAreRemembered() {
        for (int i = 0; i < 40_000; i++) {
            austen.encode("w" + i);
        }
        assertThat(austen.encoder.words()).hasSizeLessThanOrEqualTo(1 << 15);
        austen.encode("Pemberley");
        assertThat(austen.encoder.words()).containsKey("Pemberley");
    }

    /** A text and its ids from PyTorch's side; ids of a generated text are the model's choice, not the encoder's. */
    record Expected(String text, boolean generated, List<Integer> tokens) {
        @Override
        public String toString() {
            return text;
        }
    }

    static List<Expected> expected() {
        return List.of(JsonMapper.shared().readValue(Fixtures.resource("expected.json"), Expected[].class));
    }

    @ParameterizedTest
    @MethodSource("expected")
    void idsAndTextsAreThoseOfPyTorchsSide(Expected expected) {
        assertThat(austen.decode(
                        expected.tokens().stream().mapToInt(Integer::intValue).toArray()))
                .isEqualTo(expected.text());
        if (!expected.generated()) {
            assertThat(austen.encode(expected.text()))
                    .containsExactly(expected.tokens().toArray(Integer[]::new));
        }
    }

    @Test
    void bothLayoutsOfTheFilesGiveTheSameTokenizer() throws IOException {
        Tokenizer other =
                Tokenizer.fromVocabulary("austen", Fixtures.resource("vocab.json"), Fixtures.resource("merges.txt"));
        String text = Fixtures.randomText(new Random(1), 2000) + "<|endoftext|>Emma";

        assertThat(other.encode(text, SpecialTokens.PARSE)).containsExactly(austen.encode(text, SpecialTokens.PARSE));
        assertThat(other.vocabularySize()).isEqualTo(austen.vocabularySize()).isEqualTo(2048);
        assertThat(IntStream.range(0, 2048).mapToObj(other::piece))
                .containsExactlyElementsOf(
                        IntStream.range(0, 2048).mapToObj(austen::piece).toList());
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
    void idsAreThoseOfHuggingFaceAndTheTextComesBack(long seed) throws IOException {
        Random random = new Random(seed);
        try (HuggingFaceTokenizer peer = HuggingFaceTokenizer.newInstance(
                new ByteArrayInputStream(Fixtures.resource("tokenizer.json")), Map.of("truncation", "false"))) {
            for (int round = 0; round < 100; round++) {
                String text = Fixtures.randomText(random, 1 + random.nextInt(60));
                long[] ids = peer.encode(text, false, false).getIds();

                assertThat(austen.encode(text))
                        .as(text)
                        .containsExactly(
                                Arrays.stream(ids).mapToInt(i -> (int) i).toArray());
                assertThat(austen.decode(austen.encode(text))).isEqualTo(text);
            }
        }
    }

    @Test
    void decodingAnyIdsIsThatOfHuggingFace() throws IOException {
        Random random = new Random(7);
        try (HuggingFaceTokenizer peer = HuggingFaceTokenizer.newInstance(
                new ByteArrayInputStream(Fixtures.resource("tokenizer.json")), Map.of("truncation", "false"))) {
            for (int round = 0; round < 2000; round++) {
                // The first 256 ids are single bytes, mostly no UTF-8.
                int bound = round % 2 == 0 ? 256 : 2048;
                int[] ids = random.ints(random.nextInt(20), 0, bound).toArray();
                if (round % 5 == 0 && ids.length > 0) {
                    ids[0] = END_OF_TEXT;
                }
                long[] peerIds = Arrays.stream(ids).asLongStream().toArray();

                assertThat(austen.decode(ids)).isEqualTo(peer.decode(peerIds, false));
                assertThat(austen.decodeWithoutSpecial(ids)).isEqualTo(peer.decode(peerIds, true));
            }
        }
    }

    @Test
    void longTextIsNotTruncated() {
        String text = "It is a truth universally acknowledged. ".repeat(3000);

        int[] ids = austen.encode(text);

        assertThat(ids.length).isGreaterThan(5000);
        assertThat(austen.decode(ids)).isEqualTo(text);
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 5, 50})
    void cuttingTheTextIntoPartsDoesNotChangeTheIds(int partLength) throws IOException {
        String text =
                Fixtures.randomText(new Random(partLength), 5000) + "Emma   <|endoftext|>  \n was " + "a".repeat(500);

        assertThat(encode(austen, text, partLength)).containsExactly(encode(austen, text, Integer.MAX_VALUE));
        Tokenizer prefixing =
                Tokenizer.fromJson("test", changed("\"add_prefix_space\": false", "\"add_prefix_space\": true"));
        assertThat(encode(prefixing, text, partLength)).containsExactly(encode(prefixing, text, Integer.MAX_VALUE));
        Tokenizer stripping = Tokenizer.fromJson("test", changed("\"rstrip\": false", "\"rstrip\": true"));
        assertThat(encode(stripping, "x<|endoftext|>   y", partLength))
                .containsExactly(austen.encode("x<|endoftext|>y", SpecialTokens.PARSE));
    }

    private static int[] encode(Tokenizer tokenizer, String text, int partLength) throws IOException {
        IntStream.Builder ids = IntStream.builder();
        tokenizer.encode(new StringReader(text), SpecialTokens.PARSE, partLength, ids::add);
        return ids.build().toArray();
    }

    private static byte[] changed(String from, String to) {
        String json = new String(Fixtures.resource("tokenizer.json"), StandardCharsets.UTF_8);
        assertThat(json).contains(from);
        return json.replace(from, to).getBytes(StandardCharsets.UTF_8);
    }

    @Test
    void specialTokensInTextAreParsedWhereTheCallerSaysSo() {
        String text = "Emma<|endoftext|>was";

        assertThat(austen.encode(text, SpecialTokens.PARSE)).contains(END_OF_TEXT);
        assertThat(austen.encode(text)).doesNotContain(END_OF_TEXT);
        assertThat(austen.decode(austen.encode(text))).isEqualTo(text);
        assertThat(austen.decode(austen.encode(text, SpecialTokens.PARSE))).isEqualTo(text);
        assertThat(austen.encode("Emma was", SpecialTokens.PARSE)).containsExactly(austen.encode("Emma was"));
    }

    @Test
    void specialTokensAreParsedWhereTheTextIsTrusted() {
        String text = "<|endoftext|>Emma<|endoftext|>was<|endoftext|>";
        BitSet trusted = new BitSet();
        trusted.set(0, 13);
        trusted.set(text.length() - 12, text.length()); // all of it but one character

        assertThat(austen.encode(text, trusted))
                .startsWith(END_OF_TEXT)
                .containsOnlyOnce(END_OF_TEXT)
                .isEqualTo(IntStream.concat(IntStream.of(END_OF_TEXT), Arrays.stream(austen.encode(text.substring(13))))
                        .toArray());
    }

    /** At each token, the end of what is trusted was looked for. */
    @Test
    void timeDoesNotGrowAsTheTrustedTextAfterATokenDoes() throws IOException {
        String token = "{\"id\": 2048, \"content\": \"<|n|>\", \"special\": true, \"normalized\": true}, ";
        byte[] json = changed("\"added_tokens\": [", "\"added_tokens\": [" + token);
        Tokenizer nfc = Tokenizer.fromJson(
                "test",
                new String(json, StandardCharsets.UTF_8)
                        .replace("\"normalizer\": null", "\"normalizer\": {\"type\": \"NFC\"}")
                        .getBytes(StandardCharsets.UTF_8));
        for (String text : List.of("<|endoftext|>".repeat(1000), "e\u0301" + "<|n|>".repeat(1000))) {
            assertThat(nfc.encode(text, SpecialTokens.PARSE)).hasSizeGreaterThanOrEqualTo(1000);
            millis(nfc, text, text.length());
            long once = millis(nfc, text, text.length());
            assertThat(millis(nfc, text, 1 << 27)).isLessThan(3 * once + 100);
        }
    }

    private static long millis(Tokenizer tokenizer, String text, int length) {
        BitSet trusted = new BitSet();
        trusted.set(0, length);
        long start = ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
        assertThat(tokenizer.encode(text, trusted)).isEqualTo(tokenizer.encode(text, SpecialTokens.PARSE));
        return (ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime() - start) / 1_000_000;
    }

    @Test
    void asTextKeepsAddedTokensThatAreNotSpecial() throws IOException {
        byte[] json = changed(
                "\"added_tokens\": [",
                "\"added_tokens\": [{\"id\": 2048, \"content\": \"<|special|>\", \"special\": true},"
                        + "{\"id\": 2049, \"content\": \"<plain>\", \"special\": false},"
                        + "{\"id\": 2050, \"content\": \"<|turn|>\", \"special\": false}, ");
        Tokenizer tokenizer = Tokenizer.fromJson("test", json);

        assertThat(tokenizer.encode("<|special|><|turn|><plain>", SpecialTokens.PARSE))
                .containsExactly(2048, 2050, 2049);
        // A token of this form steers a model, whatever the file calls it.
        assertThat(tokenizer.encode("<|special|><|turn|><plain>"))
                .doesNotContain(2048, 2050)
                .endsWith(2049);
        assertThat(tokenizer.vocabularySize()).isEqualTo(2051);
        assertThat(tokenizer.isSpecial(2048)).isTrue();
        assertThat(tokenizer.isSpecial(2049)).isFalse();
        assertThat(tokenizer.decodeWithoutSpecial(2048, 2049)).isEqualTo("<plain>");
    }

    /** Each of these tokens is white space that one before it took. */
    @Test
    void timeGrowsAsTheWhiteSpaceThatTokensTake() {
        AddedTokens tokens = new AddedTokens(Stream.of(
                new Token(0, " ", " ", Set.of("rstrip")),
                new Token(1, "\t", "\t", Set.of()),
                new Token(2, "\n", "\n", Set.of("lstrip", "rstrip"))));
        for (String space : List.of(" ", " \t", "\n")) {
            millis(tokens, space.repeat(10_000));
            long once = millis(tokens, space.repeat(40_000));
            assertThat(millis(tokens, space.repeat(80_000))).isLessThan(3 * once + 100);
        }
        List<String> parts = new ArrayList<>();
        tokens.find("a \t b", (from, to) -> true, (from, to, token) -> parts.add(from + "-" + to));
        assertThat(parts).containsExactly("0-1", "1-4", "3-3", "3-4", "4-5");
    }

    private static long millis(AddedTokens tokens, String text) {
        long start = ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
        tokens.find(
                text, (from, to) -> true, (from, to, token) -> assertThat(token).isNotNull());
        return (ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime() - start) / 1_000_000;
    }

    @Test
    void aVocabularyMayHaveHoles() throws IOException {
        byte[] vocab = "{\"a\":0,\"b\":1,\"ab\":300}".getBytes(StandardCharsets.UTF_8);
        Tokenizer tokenizer = Tokenizer.fromVocabulary("test", vocab, "a b".getBytes(StandardCharsets.UTF_8));

        assertThat(tokenizer.encode("aba")).containsExactly(300, 0);
        assertThat(tokenizer.vocabularySize()).isEqualTo(301);
        assertThat(tokenizer.piece(299)).isEmpty();
        assertThat(tokenizer.decode(299, 300)).isEqualTo("ab");
        assertThat(tokenizer.id("")).isEmpty();
    }

    @Test
    void anAddedTokenOutsideTheAlphabetIsTextAsItStands() throws IOException {
        byte[] json =
                changed("\"added_tokens\": [", "\"added_tokens\": [{\"id\": 2048, \"content\": \"\u4e16 \u754c\"}, ");
        Tokenizer tokenizer = Tokenizer.fromJson("test", json);

        assertThat(tokenizer.encode("a\u4e16 \u754cb"))
                .containsExactly(austen.encode("a")[0], 2048, austen.encode("b")[0]);
        assertThat(tokenizer.decode(2048)).isEqualTo("\u4e16 \u754c");
    }

    @Test
    void aLatinLetterAsAnAddedTokenDecodesAsTheByteItStandsFor() throws IOException {
        byte[] json =
                changed("\"added_tokens\": [", "\"added_tokens\": [{\"id\": 2048, \"content\": \"\u00e9\u00e9\"}, ");

        assertThat(Tokenizer.fromJson("test", json).decode(2048)).isEqualTo("\ufffd\ufffd");
    }

    @Test
    void onlySpecialTokensMayLieBehindAVocabulary() throws IOException {
        Tokenizer gemma = TokenizerGoldenTest.tokenizer("gemma-style");

        assertThat(austen.fits(2048)).isTrue();
        assertThat(austen.fits(2047)).isTrue(); // without <|endoftext|>
        assertThat(austen.fits(2046)).isFalse();
        assertThat(gemma.fits(gemma.vocabularySize() - 1)).isEqualTo(gemma.isSpecial(gemma.vocabularySize() - 1));
    }

    @Test
    void aPairThatIsListedTwiceHasItsLastRank() throws IOException {
        List<String> pieces = List.of("a", "b", "c", "ab", "bc");

        assertThat(Fixtures.of(pieces, List.of("a b", "b c")).encode("abc")).containsExactly(3, 2);
        assertThat(Fixtures.of(pieces, List.of("a b", "b c", "a b")).encode("abc"))
                .containsExactly(0, 4);
    }

    @Test
    void aVocabularyWithoutAByteNamesItsLack() throws IOException {
        Tokenizer tokenizer = TokenizerGoldenTest.tokenizer("smollm2-small");

        assertThatIllegalArgumentException()
                .isThrownBy(() -> tokenizer.encode("a\u0004b"))
                .withMessageStartingWith("text: expected bytes the vocabulary has a token for");
    }

    @Test
    void hostileTextTakesTimeInProportionToItsLength() throws IOException {
        for (String name : List.of("qwen3-small", "llama2-style", "unigram-style", "gemma-style")) {
            Tokenizer tokenizer = TokenizerGoldenTest.tokenizer(name);
            for (String unit : List.of("a", "ab", "<", " ", "\n", "\u6f22", "\ud83d\ude42", "a\u0301")) {
                assertTimeout(Duration.ofSeconds(20), () -> tokenizer.encode(unit.repeat(Whole.or(300_000, 100_000))));
            }
        }
    }

    @Test
    void aContinuationHasNoSpaceBeforeIt() throws IOException {
        for (String name : List.of("llama2-style", "mistral-style")) {
            Tokenizer tokenizer = TokenizerGoldenTest.tokenizer(name);
            int[] whole = tokenizer.encode("The quick brown fox");
            int[] first = tokenizer.encode("The quick");
            int[] rest = tokenizer.encodeContinuation(" brown fox", SpecialTokens.AS_TEXT);

            assertThat(IntStream.concat(Arrays.stream(first), Arrays.stream(rest))
                            .toArray())
                    .isEqualTo(whole);
        }
    }

    @ParameterizedTest
    @MethodSource("dev.causal4j.tokenizer.TokenizerGoldenTest#names")
    void aTextThatIsReadInPartsHasTheIdsOfTheWhole(String name) throws IOException {
        Tokenizer tokenizer = TokenizerGoldenTest.tokenizer(name);
        String text =
                "The  quick\tbrown. Fox\n\njumps!\n over a>b \u6f22\u5b57\n \u2581x <|end|>  y </s> \u00e9a".repeat(30);

        for (int part : new int[] {1, 3, 40}) {
            assertThat(encode(tokenizer, text, part)).isEqualTo(tokenizer.encode(text, SpecialTokens.PARSE));
        }
    }

    @Test
    void halfASurrogatePairIsTheReplacementCharacter() {
        String broken = "a\ud83d b\ude42\0 \ud83d\ude42\udc00";

        assertThat(austen.decode(austen.encode(broken))).isEqualTo("a\ufffd b\ufffd\0 \ud83d\ude42\ufffd");
        assertThat(austen.encode("\ud800")).containsExactly(austen.encode("\ufffd"));
    }

    @Test
    void emptyTextHasNoIdsAndNoIdsAreEmptyText() {
        assertThat(austen.encode("")).isEmpty();
        assertThat(austen.decode()).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(ints = {-1, 2048, Integer.MIN_VALUE, Integer.MAX_VALUE})
    void anIdOutsideTheVocabularyIsNamed(int id) {
        String message = "token id: expected 0 to 2047, got " + id;

        assertThatIllegalArgumentException()
                .isThrownBy(() -> austen.decode(0, id))
                .withMessage(message);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> austen.decodeWithoutSpecial(0, id))
                .withMessage(message);
        assertThatIllegalArgumentException().isThrownBy(() -> austen.piece(id)).withMessage(message);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> austen.isSpecial(id))
                .withMessage(message);
    }

    @Test
    void piecesAndIdsAreInverse() {
        for (int id = 0; id < austen.vocabularySize(); id++) {
            assertThat(austen.id(austen.piece(id))).hasValue(id);
        }
        assertThat(austen.piece(END_OF_TEXT)).isEqualTo("<|endoftext|>");
        assertThat(austen.id("no such piece")).isEmpty();
        assertThat(austen.isSpecial(END_OF_TEXT)).isTrue();
        assertThat(austen.isSpecial(0)).isFalse();
    }

    @Test
    void theBytesOfTokensAreThoseOfTheirText() {
        String text = "café — 日本語 🙂";
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        for (int id : austen.encode(text)) {
            bytes.writeBytes(austen.bytes(id));
        }
        assertThat(bytes.toString(StandardCharsets.UTF_8)).isEqualTo(text);
    }

    @Test
    void aByteWithoutATokenIsAnErrorAndNotDropped() throws IOException {
        Tokenizer small = Fixtures.of(List.of("a", "b", "ab"), List.of("a b"));

        assertThat(small.encode("abba")).containsExactly(2, 1, 0);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> small.encode("abc"))
                .withMessageStartingWith("text: expected bytes the vocabulary has a token for");
    }

    @Test
    void aRunWithoutAPlaceToCutIsRefusedWhereATextIsRead() {
        Reader run = new StringReader("a".repeat((1 << 24) + 1));

        assertThatIllegalArgumentException()
                .isThrownBy(() -> austen.encode(run, SpecialTokens.AS_TEXT, unused -> {}))
                .withMessageStartingWith(
                        "text: expected a space at least every 16777216 characters, got none in 16777217");
    }

    @Test
    void threadsShareATokenizer() throws Exception {
        Tokenizer shared = Fixtures.austen();
        List<String> texts = IntStream.range(0, 40)
                .mapToObj(seed -> Fixtures.randomText(new Random(seed), 300) + "<|endoftext|>")
                .toList();
        List<int[]> parsed = texts.stream()
                .map(text -> austen.encode(text, SpecialTokens.PARSE))
                .toList();
        List<int[]> asText = texts.stream()
                .map(text -> austen.encode(text, SpecialTokens.AS_TEXT))
                .toList();
        try (ExecutorService threads = Executors.newFixedThreadPool(8)) {
            List<Future<?>> runs = IntStream.range(0, 8)
                    .<Future<?>>mapToObj(thread -> threads.submit(() -> {
                        for (int i = 0; i < texts.size(); i++) {
                            int at = (i + 5 * thread) % texts.size();
                            assertThat(shared.encode(texts.get(at), SpecialTokens.PARSE))
                                    .containsExactly(parsed.get(at));
                            assertThat(shared.encode(texts.get(at), SpecialTokens.AS_TEXT))
                                    .containsExactly(asText.get(at));
                            assertThat(shared.decode(parsed.get(at))).isEqualTo(texts.get(at));
                        }
                    }))
                    .toList();
            for (Future<?> run : runs) {
                run.get();
            }
        }
    }
}
