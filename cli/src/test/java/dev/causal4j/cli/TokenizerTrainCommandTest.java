package dev.causal4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;

class TokenizerTrainCommandTest {
    private static final String TEXT = "It is a truth universally acknowledged, that a single man in possession of a"
            + " good fortune, must be in want of a wife. ";

    @TempDir
    Path folder;

    private Path data;
    private Path out;

    @BeforeEach
    void write() throws IOException {
        data = Files.createDirectory(folder.resolve("data"));
        out = folder.resolve("new/tokenizer");
        Files.writeString(data.resolve("a.txt"), TEXT.repeat(3));
        Files.writeString(data.resolve("b.jsonl"), "{\"text\": \"" + TEXT + "\", \"other\": \"Emma Emma\"}\n");
    }

    private Program.Run train(Object... more) throws Exception {
        Stream<String> first = Stream.of("tokenizer", "train", "--data", data.toString(), "--out", out.toString());
        return Program.run(
                Stream.concat(first, Stream.of(more).map(Object::toString)).toArray(String[]::new));
    }

    private static Map<String, String> contents(Path folder) throws IOException {
        Map<String, String> contents = new TreeMap<>();
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file : files.toList()) {
                contents.put(file.getFileName().toString(), Files.readString(file, StandardCharsets.ISO_8859_1));
            }
        }
        return contents;
    }

    @Test
    void aKindHasTheSplitterAndTheSpecialTokensOfItsFamily() throws Exception {
        train("--vocabulary-size", 290, "--kind", "llama3").done();

        assertThat(contents(out)).containsOnlyKeys("tokenizer.json");
        assertThat(contents(out).get("tokenizer.json")).contains("{1,3}");
        Tokenizer tokenizer = Tokenizer.load(out).orElseThrow();
        assertThat(tokenizer.controlTokens()).hasSize(5).contains("<|eot_id|>");
        train("--vocabulary-size", 290, "--kind", "bert")
                .refused(2, "kind: expected gpt2, llama3 or qwen, got \"bert\"");
    }

    @Test
    void aTrainedTokenizerIsWrittenInBothLayouts() throws Exception {
        Program.Run run = train("--vocabulary-size", 300).done();

        assertThat(run.out()).matches("300 tokens from 507 bytes in \\d+\\.\\d s, written to " + out + "\n");
        assertThat(contents(out)).containsOnlyKeys("tokenizer.json", "vocab.json", "merges.txt");
        Tokenizer tokenizer = Tokenizer.load(out).orElseThrow();
        assertThat(tokenizer.vocabularySize()).isEqualTo(300);
        assertThat(tokenizer.id("<|endoftext|>")).hasValue(299);
        assertThat(tokenizer.encode(TEXT)).hasSizeLessThan(100);
    }

    @Test
    void theDocumentSaysWhatWasMade() throws Exception {
        JsonNode document = train("--vocabulary-size", 300, "--json").json();

        assertThat(document.propertyNames())
                .containsExactly("out", "vocabulary_size", "requested_vocabulary_size", "data_bytes", "seconds");
        assertThat(document.get("vocabulary_size").intValue()).isEqualTo(300);
        assertThat(document.get("out").stringValue()).isEqualTo(out.toString());
    }

    @Test
    void tooLittleTextIsSaid() throws Exception {
        Program.Run run = train("--vocabulary-size", 5000, "--json");

        assertThat(run.status()).isZero();
        assertThat(run.err())
                .matches("vocabulary-size: expected 5000, got 3\\d\\d; no other pair occurs 2 times, give more data\n");
        assertThat(run.out()).contains("\"requested_vocabulary_size\":5000");
    }

    @Test
    void specialTokensFieldAndFrequencyCanBeChosen() throws Exception {
        train("--vocabulary-size", 300, "--special-token", "<s>", "--special-token", "</s>", "--text-field", "other")
                .done();
        Tokenizer tokenizer = Tokenizer.load(out).orElseThrow();
        assertThat(tokenizer.id("<s>")).hasValue(298);
        assertThat(tokenizer.id("</s>")).hasValue(299);
        assertThat(tokenizer.id("<|endoftext|>")).isEmpty();

        Program.Run run = train("--vocabulary-size", 5000, "--min-frequency", 50, "--overwrite");
        assertThat(run.out()).startsWith("257 tokens");
    }

    @Test
    void aFolderWithFilesIsLeftAloneUnlessTheCallerSaysOtherwise() throws Exception {
        Files.createDirectories(out);
        Files.writeString(out.resolve("notes.txt"), "mine");
        train("--vocabulary-size", 300)
                .refused(1, out.toString(), "expected a new or an empty folder, got one with files", "--overwrite");
        assertThat(contents(out)).containsOnlyKeys("notes.txt");

        train("--vocabulary-size", 300, "--overwrite").done();
        Map<String, String> first = contents(out);
        assertThat(first).containsEntry("notes.txt", "mine").hasSize(4);
        train("--vocabulary-size", 280, "--overwrite").done();
        assertThat(contents(out)).isNotEqualTo(first).hasSize(4);
    }

    @Test
    void badDataWritesNothing() throws Exception {
        Path bad = data.resolve("c.txt");
        Files.write(bad, new byte[] {'a', 'b', (byte) 0xe9, 'c'});
        train("--vocabulary-size", 300)
                .refused(1, bad + ": expected text in UTF-8, got byte 0xe9 at offset 2; convert the file to UTF-8");
        Files.delete(bad);

        Path line = Files.writeString(data.resolve("c.jsonl"), "{\"text\": \"a\"}\n{\"text\": 1}\n");
        train("--vocabulary-size", 300).refused(1, line + " line 2, key \"text\": expected a string, got 1;");
        assertThat(out.getParent()).doesNotExist();
    }

    @Test
    void dataWithoutTextIsRefused() throws Exception {
        Files.writeString(data.resolve("a.txt"), "");
        Files.writeString(data.resolve("b.jsonl"), "{\"text\": \"\"}\n");
        train("--vocabulary-size", 300).refused(1, "training text: expected some, got none; is the data empty?");
        Files.delete(data.resolve("a.txt"));
        Files.delete(data.resolve("b.jsonl"));
        train("--vocabulary-size", 300).refused(1, data + ": expected files of text, got a folder without");
        assertThat(out.getParent()).doesNotExist();
    }

    @ParameterizedTest
    @CsvSource({
        "--vocabulary-size, 256, 'expected 257 (256 bytes and 1 special) to 16777216, got 256'",
        "--vocabulary-size, many, 'vocabulary-size: expected a whole number of at most 2147483647, got \"many\"'",
        "--min-frequency, 0, 'min-frequency: expected at least 1, got 0'",
        "--special-token, x, 'special token: expected two or more visible characters'",
        "--special-token, 'a b', 'special token: expected two or more visible characters'",
        "--no-such-option, 1, --no-such-option"
    })
    void wrongUsage(String option, String value, String told) throws Exception {
        String[] size = option.equals("--vocabulary-size") ? new String[0] : new String[] {"--vocabulary-size", "300"};
        train(Stream.concat(Stream.of(size), Stream.of(option, value)).toArray())
                .refused(2, told, "; see causal4j tokenizer train --help");
    }

    @Test
    void whatIsMissingIsNamed() throws Exception {
        Program.run("tokenizer")
                .refused(
                        2,
                        "command: expected tokenizer train, tokenizer encode, tokenizer decode,"
                                + " tokenizer render or tokenizer parse, got none; see causal4j tokenizer --help");
        Program.run("tokenizer", "train").refused(2, "--data", "--vocabulary-size", "--out");
        Path file = data.resolve("a.txt");
        Program.run(
                        "tokenizer",
                        "train",
                        "--data",
                        file.toString(),
                        "--vocabulary-size",
                        "300",
                        "--out",
                        file.toString())
                .refused(1, file + ": expected a folder, got a file");
        Path inFile = file.resolve("x");
        Program.run(
                        "tokenizer",
                        "train",
                        "--data",
                        file.toString(),
                        "--vocabulary-size",
                        "300",
                        "--out",
                        inFile.toString())
                .refused(1, inFile + ": expected a folder that can be written");
        Program.run("tokenizer", "train", "--data", "nowhere", "--vocabulary-size", "300", "--out", out.toString())
                .refused(1, "nowhere: expected a file or folder of text, got no such file");
    }
}
