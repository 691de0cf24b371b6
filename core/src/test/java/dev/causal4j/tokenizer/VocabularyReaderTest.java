package dev.causal4j.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIOException;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Random;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class VocabularyReaderTest {
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
        assertThat(Tokenizer.fromJson("t", bytes(SMALL)).encode("ab<s>a")).containsExactly(2, 3, 0);
    }

    @Test
    void mergesMayBePairs() throws IOException {
        byte[] json = bytes(SMALL.replace("[\"a b\"]", "[[\"a\",\"b\"]]"));

        assertThat(Tokenizer.fromJson("t", json).encode("ab")).containsExactly(2);
    }

    // A replacement in SMALL, and how it is refused.
    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '\0', textBlock = """
            "type":"BPE"                    | "type":"Unigram"                  | model.type: expected BPE, got "Unigram"; only GPT-2's byte-level byte-pair tokenizers can be read
            "type":"BPE"                    | "type":[]                         | model.type: expected BPE, got a list of 0; only GPT-2's byte-level byte-pair tokenizers can be read
            "type":"BPE"                    | "dropout":0.5                     | model.dropout: expected nothing, got 0.5; only GPT-2's byte-level byte-pair tokenizers can be read
            "type":"BPE"                    | "continuing_subword_prefix":"xxx" | model.continuing_subword_prefix: expected nothing, got "xxx"; only GPT-2's byte-level byte-pair tokenizers can be read
            "type":"BPE"                    | "ignore_merges":true              | model.ignore_merges: expected nothing, got true; only GPT-2's byte-level byte-pair tokenizers can be read
            "normalizer":null               | "normalizer":{"type":"NFC"}       | normalizer: expected nothing, got an object of 1; only GPT-2's byte-level byte-pair tokenizers can be read
            "pre_tokenizer":{"type":"ByteLevel"} | "x":1                        | pre_tokenizer.type: expected ByteLevel, got nothing; only GPT-2's byte-level byte-pair tokenizers can be read
            "pre_tokenizer":{"type":"ByteLevel"} | "pre_tokenizer":{"type":"Split","pattern":{"Regex":"(x+x+)+y"}} | pre_tokenizer.type: expected ByteLevel, got "Split"; only GPT-2's byte-level byte-pair tokenizers can be read
            "pre_tokenizer":{"type":"ByteLevel"} | "pre_tokenizer":{"type":"ByteLevel","use_regex":false} | pre_tokenizer.use_regex: expected true, got false; only GPT-2's byte-level byte-pair tokenizers can be read
            "pre_tokenizer":{"type":"ByteLevel"} | "pre_tokenizer":{"type":"ByteLevel","add_prefix_space":1} | pre_tokenizer, key "add_prefix_space": expected true or false, got 1; correct the file
            "decoder":{"type":"ByteLevel"}  | "decoder":{"type":"Metaspace"}    | decoder.type: expected ByteLevel, got "Metaspace"; only GPT-2's byte-level byte-pair tokenizers can be read
            {"a":0,"b":1,"ab":2}            | {}                                | model.vocab: expected tokens with their ids, got an object of 0; copy the file again from where it came
            {"a":0,"b":1,"ab":2}            | [["a",0]]                         | model.vocab: expected tokens with their ids, got a list of 1; copy the file again from where it came
            {"a":0,"b":1,"ab":2}            | {"a":-1,"b":1,"ab":2}             | model.vocab, key "a": expected an integer from 0 to 16777215, got -1; correct the file
            {"a":0,"b":1,"ab":2}            | {"a":4294967296,"b":1,"ab":2}     | model.vocab, key "a": expected an integer from 0 to 16777215, got 4294967296; correct the file
            {"a":0,"b":1,"ab":2}            | {"a":2147483647,"b":1,"ab":2}     | model.vocab, key "a": expected an integer from 0 to 16777215, got 2147483647; correct the file
            {"a":0,"b":1,"ab":2}            | {"a":0.5,"b":1,"ab":2}            | model.vocab, key "a": expected an integer from 0 to 16777215, got 0.5; correct the file
            {"a":0,"b":1,"ab":2}            | {"a":"0","b":1,"ab":2}            | model.vocab, key "a": expected an integer from 0 to 16777215, got "0"; correct the file
            {"a":0,"b":1,"ab":2}            | {"":0,"b":1,"ab":2}               | model.vocab: expected a token of at least one character, got an empty one; copy the file again from where it came
            {"a":0,"b":1,"ab":2}            | {"a":0,"b":1,"ab":1}              | id 1: expected one token, got "b" and "ab"; copy the file again from where it came
            "vocab":                        | "v":                              | model.vocab: expected tokens with their ids, got nothing; copy the file again from where it came
            ["a b"]                         | null                              | model.merges: expected a list, got null; copy the file again from where it came
            ["a b"]                         | [1]                               | model.merges[0]: expected two tokens, got 1; copy the file again from where it came
            ["a b"]                         | [["a","b","c"]]                   | model.merges[0]: expected two tokens, got a list of 3; copy the file again from where it came
            ["a b"]                         | ["a b", "ab"]                     | model.merges[1]: expected two tokens, got "ab"; copy the file again from where it came
            ["a b"]                         | ["a b c"]                         | model.merges[0]: expected two tokens, got "a b c"; copy the file again from where it came
            ["a b"]                         | ["a c"]                           | model.merges[0]: expected tokens of the vocabulary, got "c"; use the files of one model
            ["a b"]                         | ["b a"]                           | model.merges[0]: expected tokens of the vocabulary, got "ba"; use the files of one model
            [{"id":3,"content":"<s>","special":true}] | 7                       | added_tokens: expected a list, got 7; copy the file again from where it came
            [{"id":3,"content":"<s>","special":true}] | [7]                     | added_tokens[0]: expected an object, got 7; copy the file again from where it came
            {"id":3,"content":"<s>"         | {"content":"<s>"                  | added_tokens[0], key "id": expected an integer from 0 to 16777215, got nothing; correct the file
            {"id":3,"content":"<s>"         | {"id":1,"content":"<s>"           | id 1: expected one token, got "b" and "<s>"; copy the file again from where it came
            {"id":3,"content":"<s>"         | {"id":3,"content":"a"             | added_tokens[0].id: expected 0 as in the vocabulary, got 3; copy the file again from where it came
            {"id":3,"content":"<s>"         | {"id":3,"content":"<s>"},{"id":3,"content":"<s>" | added_tokens[1]: expected a new token, got "<s>" again; copy the file again from where it came
            "special":true                  | "special":"yes"                   | added_tokens[0], key "special": expected true or false, got "yes"; correct the file
            """)
    void whatIsWrongIsNamed(String part, String replacement, String message) {
        assertThat(SMALL).contains(part);
        String json = SMALL.replace(part, replacement);

        assertRefused("t: " + message, () -> Tokenizer.fromJson("t", bytes(json)));
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
                .isThrownBy(() -> Tokenizer.fromJson("t", bytes(SMALL.replace("\"b\":1", "\"a\":1"))))
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
                        "t: added_tokens: expected at most 10000, got 10003; copy the file again from where it came");
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
                "t: merges.txt line 2: expected tokens of the vocabulary, got \"c\"; use the files of one model",
                () -> Tokenizer.fromVocabulary("t", vocab, bytes("a b\na c")));
        assertRefused(
                "t: merges.txt line 1: expected two tokens, got \"ab\"; copy the file again from" + " where it came",
                () -> Tokenizer.fromVocabulary("t", vocab, bytes("ab")));
        assertRefused(
                "t: vocab.json, key \"a\": expected an integer from 0 to 16777215, got nothing; correct the file",
                () -> Tokenizer.fromVocabulary("t", bytes("{\"a\":null}"), bytes("")));
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
                            .startsWith("t: ")
                            .doesNotContain("\n")
                            .contains("; ");
                } catch (IllegalArgumentException e) {
                    assertThat(e.getMessage()).startsWith("text: expected bytes");
                }
            }
        });
    }
}
