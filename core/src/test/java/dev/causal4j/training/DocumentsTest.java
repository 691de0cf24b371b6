package dev.causal4j.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import dev.causal4j.FormatException;
import dev.causal4j.tokenizer.SpecialTokens;
import dev.causal4j.tokenizer.Tokenizer;
import java.io.IOException;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class DocumentsTest {
    @TempDir
    Path folder;

    private Path file(String name, String text) throws IOException {
        Path file = folder.resolve(name);
        Files.createDirectories(file.getParent());
        return Files.writeString(file, text);
    }

    private static Documents documents(Path... paths) throws IOException {
        return Documents.of(paths);
    }

    private static List<String> texts(Documents documents) throws IOException {
        List<String> texts = new ArrayList<>();
        documents.forEach(
                text -> {
                    StringWriter all = new StringWriter();
                    text.transferTo(all);
                    texts.add(all.toString());
                },
                _ -> {});
        return texts;
    }

    @Test
    void aFolderIsReadInTheOrderOfItsPaths() throws IOException {
        file("b.txt", "third");
        file("a/z.txt", "second");
        file("a/b/c.md", "first");
        file("c.jsonl", "{\"text\": \"fourth\"}\n\n  \r\n{\"id\": 7, \"text\": \"fifth\"}\r\n{\"text\": \"\"}");
        file(".hidden", "no");
        file("a/.git/objects", "no");

        assertThat(texts(documents(folder))).containsExactly("first", "second", "third", "fourth", "fifth", "");
        assertThat(texts(documents(folder.resolve("b.txt"), folder.resolve("a"))))
                .containsExactly("third", "first", "second");
    }

    @Test
    void anotherFieldMayHaveTheText() throws IOException {
        Path file = file("a.jsonl", "{\"text\": \"no\", \"content\": \"yes\"}");

        assertThat(texts(Documents.of(file).withTextField("content"))).containsExactly("yes");
    }

    /** The text is longer than every buffer, with characters of 1 to 4 bytes that end at every place of a buffer. */
    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2, 3})
    void longTextsComeWhole(int shift) throws IOException {
        String text = "x".repeat(shift) + "a\u00e9\u4e16\ud83d\ude42\n".repeat(40_000);

        assertThat(texts(documents(file("a.txt", text)))).containsExactly(text);
        String json = "{\"text\": \"" + text.replace("\n", "\\n") + "\"}\n";
        assertThat(texts(documents(file("a.jsonl", json + json)))).containsExactly(text, text);
    }

    @Test
    void aByteOrderMarkIsNoText() throws IOException {
        assertThat(texts(documents(file("a.txt", "\ufeffa\ufeffb"), file("b.jsonl", "\ufeff{\"text\": \"c\"}"))))
                .containsExactly("a\ufeffb", "c");
        assertThat(texts(documents(file("a.txt", "\ufeff"), file("b.txt", "")))).containsExactly("", "");
    }

    @ParameterizedTest
    @CsvSource({"0, 0xe9", "1, 0xe9", "65535, 0xff", "65536, 0xc3", "200001, 0xed"})
    void aByteThatIsNoUtf8IsNamed(int at, String wrong) throws IOException {
        byte[] bytes = "a".repeat(300_000).getBytes(StandardCharsets.US_ASCII);
        bytes[at] = (byte) Integer.decode(wrong).intValue();
        for (String name : List.of("a.txt", "a.jsonl")) {
            Path file = Files.write(folder.resolve(name), bytes);
            assertThatExceptionOfType(FormatException.class)
                    .isThrownBy(() -> texts(documents(file)))
                    .withMessage(file + ": expected text in UTF-8, got byte " + wrong + " at offset " + at
                            + "; convert the file to UTF-8");
        }
    }

    @Test
    void halfACharacterAtTheEndIsNamed() throws IOException {
        Path file = Files.write(folder.resolve("a.txt"), new byte[] {'a', (byte) 0xe4, (byte) 0xb8});

        assertThatExceptionOfType(FormatException.class)
                .isThrownBy(() -> texts(documents(file)))
                .withMessageContaining("got byte 0xe4 at offset 1");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{\"text\": 7}          | line 3, key \"text\": expected a string, got 7;",
                "{\"other\": \"a\"}     | line 3, key \"text\": expected a string, got nothing",
                "[\"a\"]                | line 3: expected a JSON object, got a list",
                "{\"text\": \"a\"       | line 3: expected valid JSON",
                "{\"text\": \"a\"} {}   | line 3: expected one JSON object",
                "{\"text\": \"a\", \"text\": \"b\"} | line 3: expected valid JSON",
                "nonsense               | line 3: expected valid JSON"
            })
    void aLineThatIsNoDocumentIsNamed(String line, String message) throws IOException {
        Path file = file("a.jsonl", "{\"text\": \"a\"}\n\n" + line + "\n{\"text\": \"a\"}\n");

        assertThatExceptionOfType(FormatException.class)
                .isThrownBy(() -> texts(documents(file)))
                .withMessageStartingWith(file + " " + message);
    }

    @Test
    void aLineWithoutEndIsRefused() throws IOException {
        Path file = file("a.jsonl", "\n{\"text\": \"" + "a".repeat(16_000_000) + "\"}");

        assertThatExceptionOfType(FormatException.class)
                .isThrownBy(() -> texts(documents(file)))
                .withMessageStartingWith(file + " line 2: expected at most 16000000 characters, got more");
    }

    @Test
    void whatIsNoTextIsRefusedBeforeAnythingIsRead() throws IOException {
        Path empty = Files.createDirectory(folder.resolve("empty"));
        file("empty/.hidden", "a");
        Path none = folder.resolve("none");

        assertThatExceptionOfType(FormatException.class)
                .isThrownBy(() -> documents(none))
                .withMessage(none + ": expected a file or folder of text, got no such file; check the path");
        assertThatExceptionOfType(FormatException.class)
                .isThrownBy(() -> documents(empty))
                .withMessageStartingWith(empty + ": expected files of text, got a folder without");
        Path loop = Files.createDirectory(folder.resolve("loop"));
        Files.createSymbolicLink(loop.resolve("again"), loop);
        assertThatExceptionOfType(IOException.class)
                .isThrownBy(() -> documents(loop))
                .withMessageStartingWith(loop + ": expected a folder that can be read")
                .withMessageEndingWith("; check its links and permissions");
    }

    @Test
    void whatTheTokenizerRefusesIsNamedWithItsFile() throws IOException {
        Tokenizer lettersOnly =
                Tokenizer.fromVocabulary("t", "{\"a\":0}".getBytes(StandardCharsets.UTF_8), new byte[0]);
        Path text = file("a.txt", "ab");
        Path lines = file("b.jsonl", "{\"text\": \"a\"}\n{\"text\": \"ab\"}\n");
        for (Path file : List.of(text, lines)) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> documents(file)
                            .forEach(document -> lettersOnly.encode(document, SpecialTokens.PARSE, _ -> {}), _ -> {}))
                    .withMessageStartingWith(
                            file + (file.equals(lines) ? " line 2" : "") + ", text: expected bytes the vocabulary has");
        }
    }

    @Test
    void progressEndsAtTheSizeOfAllFiles() throws IOException {
        file("a.txt", "a".repeat(100_000));
        file("b.jsonl", "{\"text\": \"b\"}");
        Documents documents = documents(folder);
        List<Long> heard = new ArrayList<>();
        documents.forEach(text -> text.transferTo(new StringWriter()), heard::add);

        assertThat(heard).isSorted().endsWith(documents.bytes());
        assertThat(documents.bytes()).isEqualTo(100_013);
    }
}
