package dev.causal4j.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIOException;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.Base64;
import java.util.Random;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TokenizerReaderTest {
    private static final String SMALL = """
            {"added_tokens":[{"id":3,"content":"<s>","special":true}],"normalizer":null,
            "pre_tokenizer":{"type":"ByteLevel"},"decoder":{"type":"ByteLevel"},
            "model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]}}""";

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static void assertRefused(String message, ThrowingCallable reading) {
        assertThatIOException()
                .isThrownBy(reading)
                .satisfies(e -> assertThat(e.getMessage())
                        .isEqualTo(message)
                        .doesNotContain("\n")
                        .hasSizeLessThan(500));
    }

    @Test
    void theSmallTokenizerOfTheseTestsIsRead() throws IOException {
        assertThat(Tokenizer.fromJson("t", bytes(SMALL)).encode("ab<s>a", SpecialTokens.PARSE))
                .containsExactly(2, 3, 0);
    }

    @Test
    void mergesMayBePairs() throws IOException {
        byte[] json = bytes(SMALL.replace("[\"a b\"]", "[[\"a\",\"b\"]]"));

        assertThat(Tokenizer.fromJson("t", json).encode("ab")).containsExactly(2);
    }

    @Test
    void mergesMayComeBeforeTheVocabulary() throws IOException {
        String vocab = "\"vocab\":{\"a\":0,\"b\":1,\"ab\":2}";
        String merges = "\"merges\":[\"a b\"]";
        String json = SMALL.replace(vocab + "," + merges, merges + "," + vocab);
        assertThat(json).isNotEqualTo(SMALL);

        assertThat(Tokenizer.fromJson("t", bytes(json)).encode("ab")).containsExactly(2);
        assertRefused(
                "t: merges[0]: expected tokens of the vocabulary, got \"c\"; copy the file again from where it came",
                () -> Tokenizer.fromJson("t", bytes(json.replace("a b", "a c"))));
    }

    // A replacement in SMALL, and how it is refused.
    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '\0', textBlock = """
            "type":"BPE" | "type":"WordPiece" | key "model", key "type": expected BPE, or Unigram with scores, got "WordPiece"; this model is not supported
            "type":"BPE" | "type":[] | key "model", key "type": expected a string, got a list of 0; correct the file
            "type":"BPE" | "dropout":0.5 | key "model", key "dropout": expected nothing, got 0.5; this model is not supported
            "type":"BPE" | "continuing_subword_prefix":"xxx" | key "model", key "continuing_subword_prefix": expected nothing, got "xxx"; this model is not supported
            "type":"BPE" | "unk_token":7 | key "model", key "unk_token": expected a string, got 7; correct the file
            "normalizer":null | "normalizer":{"type":"NFD"} | key "normalizer", key "type": expected NFC, Prepend, Replace or Precompiled, got "NFD"; this model is not supported
            "normalizer":null | "normalizer":{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Strip"}]} | key "normalizer", key "normalizers"[1], key "type": expected NFC, Prepend, Replace or Precompiled, got "Strip"; this model is not supported
            "normalizer":null | "normalizer":{"type":"Replace","pattern":{"String":""},"content":"x"} | key "normalizer", key "pattern": expected a space, replaced by ▁, got an object of 1; this model is not supported
            "normalizer":null | "normalizer":{"type":"Prepend","prepend":"123456789"} | key "normalizer", key "prepend": expected ▁ before other steps, got "123456789"; this model is not supported
            "normalizer":null | "normalizer":{"type":"Precompiled","precompiled_charsmap":"%"} | key "normalizer", key "precompiled_charsmap": expected SentencePiece's table in base 64, got "%"; correct the file
            "normalizer":null | "normalizer":{"type":"Precompiled","precompiled_charsmap":"////fwAAAAAA"} | key "normalizer", key "precompiled_charsmap": expected SentencePiece's table in base 64, got "////fwAAAAAA"; correct the file
            "pre_tokenizer":{"type":"ByteLevel"} | "pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"ByteLevel"},{"type":"Split","pattern":{"Regex":"(x+x+)+y"},"behavior":"Isolated"}]} | key "pre_tokenizer", key "pretokenizers"[1], key "pattern", key "Regex": expected the pattern of a known family, got "(x+x+)+y"; this model is not supported
            "pre_tokenizer":{"type":"ByteLevel"} | "pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"ByteLevel"},{"type":"Split","pattern":{"Regex":"[0-9][0-9][0-9]"},"behavior":"Removed"}]} | key "pre_tokenizer", key "pretokenizers"[1], key "behavior": expected Isolated, Removed with invert, or a space that is never there, got "Removed"; this model is not supported
            "pre_tokenizer":{"type":"ByteLevel"} | "pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Digits"},{"type":"ByteLevel","add_prefix_space":true}]} | key "pre_tokenizer", key "pretokenizers"[1], key "add_prefix_space": expected false after other steps, got true; correct the file
            "pre_tokenizer":{"type":"ByteLevel"} | "pre_tokenizer":{"type":"BertPreTokenizer"} | key "pre_tokenizer", key "type": expected ByteLevel, Digits, Split, WhitespaceSplit or Metaspace, got "BertPreTokenizer"; this model is not supported
            "pre_tokenizer":{"type":"ByteLevel"} | "pre_tokenizer":{"type":"ByteLevel","add_prefix_space":1} | key "pre_tokenizer", key "add_prefix_space": expected true or false, got 1; correct the file
            "decoder":{"type":"ByteLevel"} | "decoder":{"type":"Metaspace"} | key "decoder": expected ByteLevel; Metaspace; or Replace, ByteFallback, Fuse and Strip for a space, got an object of 1; this model is not supported
            "decoder":{"type":"ByteLevel"} | "decoder":null | key "decoder": expected ByteLevel; Metaspace; or Replace, ByteFallback, Fuse and Strip for a space, got nothing; this model is not supported
            "decoder":{"type":"ByteLevel"} | "decoder":{"type":"ByteLevel"},"post_processor":{"type":"RobertaProcessing"} | key "post_processor", key "type": expected ByteLevel or TemplateProcessing, got "RobertaProcessing"; this model is not supported
            "decoder":{"type":"ByteLevel"} | "decoder":{"type":"ByteLevel"},"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>"}},{"Sequence":{"id":"A"}}],"special_tokens":{}} | key "post_processor", key "special_tokens", key "<s>", key "ids": expected ids of the vocabulary, got nothing; correct the file
            "decoder":{"type":"ByteLevel"} | "decoder":{"type":"ByteLevel"},"post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>"}},{"Sequence":{"id":"A"}}],"special_tokens":{"<s>":{"ids":[4]}}} | key "post_processor", key "special_tokens", key "<s>", key "ids": expected ids of the vocabulary, got a list of 1; correct the file
            {"a":0,"b":1,"ab":2} | {} | model.vocab: expected tokens with their ids, got an object of 0; copy the file again from where it came
            {"a":0,"b":1,"ab":2} | [["a",0],["b",0],["ab",0]] | key "model", key "type": expected BPE, or Unigram with scores, got "BPE"; this model is not supported
            {"a":0,"b":1,"ab":2} | [["a",1e999]] | model.vocab[0]: expected a token and its finite score, got a list of 2; copy the file again from where it came
            {"a":0,"b":1,"ab":2} | {"a":-1,"b":1,"ab":2} | model.vocab, key "a": expected an integer from 0 to 16777215, got -1; correct the file
            {"a":0,"b":1,"ab":2} | {"a":4294967296,"b":1,"ab":2} | model.vocab, key "a": expected an integer from 0 to 16777215, got 4294967296; correct the file
            {"a":0,"b":1,"ab":2} | {"a":16777215,"b":1,"ab":2} | model.vocab: expected few ids without a token, got "3 tokens and ids up to 16777215"; copy the file again from where it came
            {"a":0,"b":1,"ab":2} | {"a":0.5,"b":1,"ab":2} | model.vocab, key "a": expected an integer from 0 to 16777215, got 0.5; correct the file
            {"a":0,"b":1,"ab":2} | {"a":"0","b":1,"ab":2} | model.vocab, key "a": expected an integer from 0 to 16777215, got "0"; correct the file
            {"a":0,"b":1,"ab":2} | {"":0,"b":1,"ab":2} | model.vocab: expected a token of at least one character, all of Unicode, got ""; copy the file again from where it came
            {"a":0,"b":1,"ab":2} | {"a":0,"b":1,"ab":1} | id 1: expected one token, got a list of 2; copy the file again from where it came
            {"a":0,"b":1,"ab":2} | {"a":0,"b":1,"ab":2,"a":3} | model.vocab: expected each token once, got "a"; copy the file again from where it came
            "vocab": | "v": | model.vocab: expected tokens with their ids, got an object of 0; copy the file again from where it came
            ["a b"] | [1] | merges[0]: expected two tokens, got 1; copy the file again from where it came
            ["a b"] | [["a","b","c"]] | merges[0]: expected two tokens, got a list of 3; copy the file again from where it came
            ["a b"] | ["a b", "ab"] | merges[1]: expected two tokens, got "ab"; copy the file again from where it came
            ["a b"] | ["a b c"] | merges[0]: expected two tokens, got "a b c"; copy the file again from where it came
            ["a b"] | ["a c"] | merges[0]: expected tokens of the vocabulary, got "c"; copy the file again from where it came
            ["a b"] | ["b a"] | merges[0]: expected tokens of the vocabulary, got "ba"; copy the file again from where it came
            [{"id":3,"content":"<s>","special":true}] | 7 | key "added_tokens": expected a list of objects, got 7; correct the file
            [{"id":3,"content":"<s>","special":true}] | [7] | key "added_tokens": expected a list of objects, got a list of 1; correct the file
            {"id":3,"content":"<s>" | {"content":"<s>" | key "added_tokens"[0], key "id": expected an integer from 0 to 16777215, got nothing; correct the file
            {"id":3,"content":"<s>" | {"id":1,"content":"<s>" | key "added_tokens"[0], key "id": expected 3, as its place gives, got 1; correct the file
            {"id":3,"content":"<s>" | {"id":4,"content":"<s>" | key "added_tokens"[0], key "id": expected 3, as its place gives, got 4; correct the file
            {"id":3,"content":"<s>" | {"id":3,"content":"a" | key "added_tokens"[0], key "id": expected 0, as its place gives, got 3; correct the file
            "special":true | "special":"yes" | key "added_tokens"[0], key "special": expected true or false, got "yes"; correct the file
            """)
    void whatIsWrongIsNamed(String part, String replacement, String message) {
        assertThat(SMALL).contains(part);
        String json = SMALL.replace(part, replacement);

        String separator = message.startsWith("key") ? ", " : ": ";
        assertRefused("t" + separator + message, () -> Tokenizer.fromJson("t", bytes(json)));
    }

    private static final String SCORED = """
            {"pre_tokenizer":{"type":"Metaspace"},"decoder":{"type":"Metaspace"},
            "model":{"type":"Unigram","unk_id":0,"vocab":[["<unk>",0],["a",-1.5],["▁",-2]]}}""";

    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '\0', textBlock = """
            "unk_id":0 | "unk_id":3 | key "model", key "unk_id": expected an integer from 0 to 2, got 3; correct the file
            "unk_id":0 | "unk_id":null | key "model", key "unk_id": expected an integer from 0 to 2, got nothing; correct the file
            "Unigram"  | "BPE" | key "model", key "type": expected BPE, or Unigram with scores, got "BPE"; this model is not supported
            "decoder":{"type":"Metaspace"} | "decoder":{"type":"Metaspace","replacement":"_"} | key "decoder", key "replacement": expected ▁, got "_"; correct the file
            "decoder":{"type":"Metaspace"} | "decoder":{"type":"Metaspace","prepend_scheme":"no"} | key "decoder", key "prepend_scheme": expected always, first or never, got "no"; this model is not supported
            "decoder":{"type":"Metaspace"} | "decoder":{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"▁"},"content":" "},{"type":"Fuse"},{"type":"Strip","content":" ","start":9,"stop":9}]} | key "decoder": expected ByteLevel; Metaspace; or Replace, ByteFallback, Fuse and Strip for a space, got an object of 2; this model is not supported
            """)
    void whatIsWrongWithScoresIsNamed(String part, String replacement, String message) throws IOException {
        assertThat(Tokenizer.fromJson("t", bytes(SCORED)).encode("a b")).containsExactly(2, 1, 2, 0);
        assertThat(SCORED).contains(part);
        assertRefused("t, " + message, () -> Tokenizer.fromJson("t", bytes(SCORED.replace(part, replacement))));
    }

    /** Each of 16 steps put a mark before each digit: a character became 16 tokens. */
    @Test
    void marksArePutBeforeWordsOnce() {
        String steps =
                "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Metaspace\"},{\"type\":\"Digits\"},{\"type\":\"Metaspace\"}]}";
        assertRefused(
                "t, key \"pre_tokenizer\", key \"pretokenizers\"[2], key \"type\": expected one step of marks,"
                        + " got \"Metaspace\"; this model is not supported",
                () -> Tokenizer.fromJson("t", bytes(SCORED.replaceFirst("\\{\"type\":\"Metaspace\"}", steps))));
    }

    /** A piece of 256 cost 20 us a character, for twice the length four times as much. */
    @Test
    void longPiecesWithScoresAreRefused() throws IOException {
        String piece = "[\"%s\",-1],[\"a\"";
        Tokenizer.fromJson("t", bytes(SCORED.replace("[\"a\"", piece.formatted("a".repeat(128)))));
        assertRefused(
                "t, key \"model\", key \"vocab\": expected pieces of at most 128 characters, got nothing;"
                        + " this model is not supported",
                () -> Tokenizer.fromJson("t", bytes(SCORED.replace("[\"a\"", piece.formatted("a".repeat(129))))));
    }

    /** Forty letters would else become gigabytes. */
    @Test
    void tablesWithLongReplacementsAreRefused() throws IOException {
        String json = SMALL.replace("\"normalizer\":null", "\"normalizer\":" + table(6));
        assertThat(Tokenizer.fromJson("t", bytes(json)).encode("aa")).hasSize(12);
        String longer = SMALL.replace("\"normalizer\":null", "\"normalizer\":" + table(7));
        Tokenizer tokenizer = Tokenizer.fromJson("t", bytes(longer));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> tokenizer.encode("a"))
                .withMessage("table: expected a short replacement of \"a\", got 7 characters;"
                        + " copy the file again from where it came");
        assertRefused(
                "t: precompiled_charsmap: expected short replacements in added tokens, got \"<a>\";"
                        + " copy the file again from where it came",
                () -> Tokenizer.fromJson("t", bytes(longer.replace("\"<s>\"", "\"<a>\",\"normalized\":true"))));
        String two = "{\"type\":\"Sequence\",\"normalizers\":[%s,%s]}".formatted(table(6), table(6));
        assertThatThrownBy(() ->
                        Tokenizer.fromJson("t", bytes(SMALL.replace("\"normalizer\":null", "\"normalizer\":" + two))))
                .hasMessageContaining("expected one table, got \"Precompiled\"");
    }

    /** A table that replaces a letter by this many. */
    private static String table(int letters) {
        ByteBuffer table = ByteBuffer.allocate(4 + 4 * 1024 + letters + 1).order(ByteOrder.LITTLE_ENDIAN);
        table.putInt(0, 4 * 1024).putInt(4, 256 << 10).putInt(4 + 4 * (256 ^ 'a'), 'a' | 0x100 | 512 << 10);
        Arrays.fill(table.array(), 4 + 4 * 1024, table.capacity() - 1, (byte) 'a');
        return "{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"%s\"}"
                .formatted(Base64.getEncoder().encodeToString(table.array()));
    }

    /** Each item stands for all ids of its token. */
    @Test
    void manyIdsAroundATextAreRefused() {
        String items = "{\"SpecialToken\":{\"id\":\"x\"}},".repeat(100) + "{\"Sequence\":{\"id\":\"A\"}}";
        String json = SMALL.replace(
                "\"normalizer\":null",
                "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[%s],\"special_tokens\":{\"x\":{\"ids\":[%s0]}}}"
                        .formatted(items, "0,".repeat(10)));
        assertThatThrownBy(() -> Tokenizer.fromJson("t", bytes(json)))
                .hasMessageContaining("expected at most 1000 in all");
    }

    @Test
    void addedTokensOfTooManyCharactersAreRefused() {
        assertThatThrownBy(() -> withAdded(1200, 840)).hasMessageContaining("at most 1048576 characters in all");
    }

    /** Each length was tried at each place of a text. */
    @Test
    void timeDoesNotGrowAsTheLengthsOfAddedTokens() throws IOException {
        Tokenizer one = withAdded(1, 20);
        millis(one);
        long once = millis(one);
        assertThat(millis(withAdded(320, 20))).isLessThan(3 * once + 100);
    }

    /** With added tokens of this many lengths, from one on. */
    private static Tokenizer withAdded(int count, int from) throws IOException {
        String tokens = IntStream.range(0, count)
                .mapToObj(i -> "{\"id\":%d,\"content\":\"%s\",\"normalized\":%s}"
                        .formatted(3 + i, "a".repeat(from + i % 151) + i, i % 2 == 0))
                .collect(Collectors.joining(","));
        return Tokenizer.fromJson("t", bytes(SMALL.replace("{\"id\":3,\"content\":\"<s>\",\"special\":true}", tokens)));
    }

    private static long millis(Tokenizer tokenizer) {
        long start = ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
        assertThat(tokenizer.encode("a".repeat(100_000))).hasSize(100_000);
        return (ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime() - start) / 1_000_000;
    }

    @Test
    void mergesAndPiecesMadeToCollideTakeNoTime() {
        StringBuilder vocab = new StringBuilder();
        StringBuilder merges = new StringBuilder();
        for (int i = 0; i < 20_000; i++) {
            vocab.append("\"x")
                    .append(i)
                    .append("\":")
                    .append(2 * i + 3)
                    .append(",\"ax")
                    .append(i)
                    .append("\":");
            vocab.append(2 * i + 4).append(',');
            merges.append(i == 0 ? "" : ",").append("\"a x").append(i).append('"');
        }
        String json = SMALL.replace("\"a\":0", vocab + "\"a\":0")
                .replace("\"a b\"", merges)
                .replace("{\"id\":3,\"content\":\"<s>\",\"special\":true}", "");
        Assertions.assertTimeout(Duration.ofSeconds(20), () -> {
            assertThat(Tokenizer.fromJson("t", bytes(json)).vocabularySize()).isEqualTo(40_003);
        });
    }

    @Test
    void whatIsNotJsonIsRefusedInOneLine() {
        for (String json :
                new String[] {"{", "version https://git-lfs.github.com/spec/v1\noid sha256:1\n", SMALL + "x"}) {
            assertThatIOException()
                    .isThrownBy(() -> Tokenizer.fromJson("t", bytes(json)))
                    .withMessageMatching(
                            "t: expected (valid JSON|one JSON object), got [^\n]*; is the file damaged.[^\n]*");
        }
        assertRefused(
                "t: expected a JSON object, got nothing; is the file damaged?",
                () -> Tokenizer.fromJson("t", new byte[0]));
        assertRefused(
                "t: expected a JSON object, got a list of 0; is the file damaged?",
                () -> Tokenizer.fromJson("t", bytes("[]")));
        assertThatIOException().isThrownBy(() -> Tokenizer.fromJson("t", bytes("[".repeat(1_000_000))));
        assertThatIOException()
                .isThrownBy(() -> Tokenizer.fromJson("t", bytes(SMALL.replace("{", "{\"x\":1,\"x\":1,"))))
                .withMessageContaining("Duplicate");
    }

    @Test
    void halfASurrogatePairIsNoToken() {
        for (String half : new String[] {"\\ud800", "\\udc00", "\\ud800x"}) {
            assertThatIOException()
                    .isThrownBy(() -> Tokenizer.fromJson("t", bytes(SMALL.replace("\"a\"", "\"" + half + "\""))));
            assertThatIOException()
                    .isThrownBy(() -> Tokenizer.fromJson("t", bytes(SMALL.replace("\"<s>\"", "\"" + half + "\""))));
        }
        byte[] raw = new String(bytes(SMALL), StandardCharsets.ISO_8859_1)
                .replace("<s>", "\u00ed\u00a0\u0080")
                .getBytes(StandardCharsets.ISO_8859_1);
        assertThatIOException().isThrownBy(() -> Tokenizer.fromJson("t", raw));
    }

    @Test
    void aNameOutOfTheFileCannotBreakTheLineOrFloodTheMessage() {
        String name = "x\\n\\u001b\\u2028".repeat(1000);
        assertThatIOException()
                .isThrownBy(() -> Tokenizer.fromJson("t", bytes(SMALL.replace("\"a\":0", "\"" + name + "\":-1"))))
                .satisfies(e ->
                        assertThat(e.getMessage()).hasSizeLessThan(500).doesNotContainPattern("[\\p{Cntrl}\\u2028]"));
    }

    @Test
    void tooManyAddedTokensAreRefusedBeforeTheyTakeForEver() {
        StringBuilder tokens = new StringBuilder("{\"id\":4,\"content\":\"4\"}");
        for (int id = 5; id < 10_006; id++) {
            tokens.append(",{\"id\":")
                    .append(id)
                    .append(",\"content\":\"")
                    .append(id)
                    .append("\"}");
        }
        String json = SMALL.replace("{\"id\":3,", tokens + ",{\"id\":3,");

        assertThatIOException()
                .isThrownBy(() -> Tokenizer.fromJson("t", bytes(json)))
                .withMessage(
                        "t, key \"added_tokens\": expected at most 10000 tokens, got a list of 10003; correct the file");
    }

    @Test
    void mergesTxtMayHaveAVersionLineAndAnyLineEnds() throws IOException {
        byte[] vocab = bytes("{\"a\":0,\"b\":1,\"ab\":2,\"#version\":3,\"#\":4,\"##\":5}");
        for (String merges :
                new String[] {"a b", "a b\n", "#version: 0.2\na b\n", "#version: 0.2\r\na b\r\n# #\r\n\r\n"}) {
            assertThat(Tokenizer.fromVocabulary("t", vocab, bytes(merges)).encode("aba"))
                    .containsExactly(2, 0);
        }
        assertThat(Tokenizer.fromVocabulary("t", vocab, bytes("# #\na b")).encode("##"))
                .containsExactly(5);
        assertThat(Tokenizer.fromVocabulary("t", vocab, new byte[0]).encode("ab"))
                .containsExactly(0, 1);
    }

    @Test
    void whatIsWrongInTheVocabularyOrTheMergesIsNamed() {
        byte[] vocab = bytes("{\"a\":0,\"b\":1,\"ab\":2}");
        assertRefused(
                "t: merges[1]: expected tokens of the vocabulary, got \"c\"; copy the file again from where it came",
                () -> Tokenizer.fromVocabulary("t", vocab, bytes("a b\na c")));
        assertRefused(
                "t: merges[0]: expected two tokens, got \"ab\"; copy the file again from where it came",
                () -> Tokenizer.fromVocabulary("t", vocab, bytes("ab")));
        assertRefused(
                "t: model.vocab, key \"a\": expected an integer from 0 to 16777215, got nothing; correct the file",
                () -> Tokenizer.fromVocabulary("t", bytes("{\"a\":null}"), bytes("")));
        assertRefused(
                "t: model.vocab, key \"<|endoftext|>\": expected an integer from 0 to 16777215, got \"x\"; correct the file",
                () -> Tokenizer.fromVocabulary("t", bytes("{\"a\":0,\"<|endoftext|>\":\"x\"}"), bytes("")));
        assertThatIOException()
                .isThrownBy(() -> Tokenizer.fromVocabulary("t", bytes("{\"a\":0"), bytes("")))
                .withMessageStartingWith("t: vocab.json: expected valid JSON, got ");
    }

    @Test
    void aFolderHasTokenizerJsonOrVocabAndMergesOrNone(@TempDir Path folder) throws IOException {
        assertThat(Tokenizer.load(folder)).isEmpty();

        Files.write(folder.resolve("vocab.json"), bytes("{\"a\":0}"));
        assertRefused(
                folder.resolve("merges.txt") + ": expected a tokenizer's file, got no such file; check the path",
                () -> Tokenizer.load(folder));

        Files.write(folder.resolve("merges.txt"), bytes("#version: 0.2\n"));
        assertThat(Tokenizer.load(folder).orElseThrow().vocabularySize()).isEqualTo(1);

        Files.write(folder.resolve("tokenizer.json"), bytes(SMALL));
        assertThat(Tokenizer.load(folder).orElseThrow().vocabularySize()).isEqualTo(4);
    }

    @Test
    void aFileThatIsTooLargeOrNoFileIsNotRead(@TempDir Path folder) throws IOException {
        Path json = folder.resolve("tokenizer.json");
        try (var file = Files.newByteChannel(
                json, java.nio.file.StandardOpenOption.CREATE_NEW, java.nio.file.StandardOpenOption.WRITE)) {
            file.position(64L << 20).write(java.nio.ByteBuffer.wrap(new byte[1]));
        }
        assertRefused(
                json
                        + ": expected a tokenizer's file of at most 67108864 bytes, got 67108865 bytes; is this the right file?",
                () -> Tokenizer.load(folder));
        Files.delete(json);
        Files.createDirectory(json);
        assertRefused(
                json + ": expected a tokenizer's file, got a folder; check the path", () -> Tokenizer.load(folder));
    }

    @Test
    void noDamageToAFileDoesMoreThanRefuseIt() {
        byte[] whole = Fixtures.resource("tokenizer.json");
        Random random = new Random(11);
        Assertions.assertTimeout(Duration.ofMinutes(2), () -> {
            for (int round = 0; round < 300; round++) {
                byte[] damaged = whole.clone();
                for (int change = 0; change < 1 + round % 3; change++) {
                    // Half of the changes where the structure is: before the vocabulary.
                    int at = random.nextInt(random.nextBoolean() ? 700 : damaged.length);
                    damaged[at] =
                            (byte) (random.nextBoolean() ? random.nextInt(256) : "{}[],:\"0".charAt(random.nextInt(8)));
                }
                try {
                    Tokenizer.fromJson("t", damaged).encode("Emma was <|endoftext|> \u4e16");
                } catch (IOException e) {
                    assertThat(e.getMessage())
                            .startsWith("t")
                            .doesNotContain("\n")
                            .contains("; ");
                } catch (IllegalArgumentException e) {
                    assertThat(e.getMessage()).startsWith("text: expected bytes");
                }
            }
        });
    }
}
