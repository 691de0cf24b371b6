package dev.causal4j.training;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.FormatException;
import dev.causal4j.tokenizer.BytePairTrainer;
import dev.causal4j.tokenizer.Tokenizer;
import java.io.IOException;
import java.io.StringReader;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.LongConsumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TokensTest {
    private static final String TEXT = "It is a truth universally acknowledged, that a single man in possession of a"
            + " good fortune, must be in want of a wife.\n";

    @TempDir
    Path folder;

    private Path data;
    private Path file;
    private final Tokenizer tokenizer = tokenizer(300);
    private final int endOfText = tokenizer.id(Tokenizer.END_OF_TEXT).orElseThrow();

    static Tokenizer tokenizer(int size) {
        BytePairTrainer trainer = new BytePairTrainer(size, List.of(Tokenizer.END_OF_TEXT), 1);
        try {
            trainer.add(new StringReader(TEXT));
        } catch (IOException impossible) {
            throw new UncheckedIOException(impossible);
        }
        return trainer.train(_ -> {});
    }

    @BeforeEach
    void write() throws IOException {
        data = Files.createDirectory(folder.resolve("data"));
        file = folder.resolve("tokens.bin");
        Files.writeString(data.resolve("a.txt"), TEXT.repeat(3));
        Files.writeString(data.resolve("b.txt"), "");
        Files.writeString(data.resolve("c.txt"), "Emma<|endoftext|>Anne<|endoftext|>");
        Files.writeString(data.resolve("d.jsonl"), "{\"text\": \"Fanny\"}\n{\"text\": \"Jane\"}\n");
    }

    private Tokens prepare(Tokenizer with) throws IOException {
        return prepare(with, _ -> {});
    }

    private Tokens prepare(Tokenizer with, LongConsumer progress) throws IOException {
        Documents documents = Documents.of(data);
        return Tokens.prepare(
                file, documents, with, with.id(Tokenizer.END_OF_TEXT).orElseThrow(), progress);
    }

    private static int[] ids(Tokens tokens) {
        int[] ids = new int[Math.toIntExact(tokens.count())];
        tokens.copy(0, ids, 0, ids.length);
        return ids;
    }

    @Test
    void eachDocumentEndsWithTheEndOfText() throws IOException {
        Tokens tokens = prepare(tokenizer);

        assertThat(tokenizer.decode(ids(tokens)))
                .isEqualTo(TEXT.repeat(3)
                        + "<|endoftext|>Emma<|endoftext|>Anne<|endoftext|>Fanny<|endoftext|>Jane<|endoftext|>");
        assertThat(Arrays.stream(ids(tokens)).filter(id -> id == endOfText)).hasSize(5);
        assertThat(ids(tokens)).startsWith(tokenizer.encode(TEXT.repeat(3))).hasSize((int) (Files.size(file) - 64) / 4);
    }

    @Test
    void aFreshFileIsKeptAndAStaleOneMadeAgain() throws IOException {
        String first = prepare(tokenizer).fingerprint();
        Object key = fileKey();
        assertThat(prepare(tokenizer).fingerprint()).isEqualTo(first).hasSize(64);
        assertThat(fileKey()).isEqualTo(key);

        Files.move(data.resolve("a.txt"), data.resolve("a2.txt")); // the fingerprint ignores names
        assertThat(prepare(tokenizer).fingerprint()).isEqualTo(first);
        assertThat(fileKey()).isEqualTo(key);

        Files.writeString(data.resolve("c.txt"), "Emma<|endoftext|>Ann_<|endoftext|>");
        Tokens changed = prepare(tokenizer);
        assertThat(changed.fingerprint()).isNotEqualTo(first);
        assertThat(tokenizer.decode(ids(changed))).contains("Ann_");

        Tokenizer other = tokenizer(280);
        assertThat(prepare(other).fingerprint()).isNotEqualTo(changed.fingerprint());
        assertThat(tokenizer.decode(ids(prepare(tokenizer)))).contains("Ann_");
        try (Stream<Path> left = Files.list(folder)) {
            assertThat(left).containsExactlyInAnyOrder(data, file);
        }
    }

    @Test
    void progressHearsOfBothReadings() throws IOException {
        Files.writeString(data.resolve("e.txt"), TEXT.repeat(2000));
        long bytes = Documents.of(data).bytes();
        List<Long> heard = new ArrayList<>();

        prepare(tokenizer, heard::add);
        int telling = heard.indexOf(bytes) + 1;
        assertThat(heard.subList(0, telling)).isSorted().hasSizeGreaterThan(5);
        assertThat(heard.subList(telling, heard.size())).isSorted().endsWith(bytes);

        heard.clear();
        prepare(tokenizer, heard::add);
        assertThat(heard).hasSize(telling).isSorted().endsWith(bytes);
    }

    private Object fileKey() throws IOException {
        return Files.readAttributes(file, BasicFileAttributes.class).fileKey();
    }

    @Test
    void idsMayHaveMoreThanTwoBytes() throws IOException {
        StringBuilder json = new StringBuilder("{\"a\":0");
        for (int id = 1; id < 70_000; id++) {
            json.append(",\"<").append(id).append(">\":").append(id);
        }
        json.append(",\"<|endoftext|>\":70000}");
        Tokenizer large =
                Tokenizer.fromVocabulary("large", json.toString().getBytes(StandardCharsets.UTF_8), new byte[0]);
        for (String name : List.of("a.txt", "b.txt", "c.txt", "d.jsonl")) {
            Files.writeString(data.resolve(name), name.equals("a.txt") ? "aaa" : "");
        }

        assertThat(ids(prepare(large))).containsExactly(0, 0, 0, 70_000);
        assertThat(Files.size(file)).isEqualTo(64 + 4 * 4);
    }

    /** Parameters: offset, bytes of the number, the number. */
    @ParameterizedTest
    @CsvSource({
        "8, 4, 1",
        "12, 4, 0",
        "12, 4, -1",
        "12, 4, 2000000000",
        "16, 8, 0",
        "16, 8, -1",
        "16, 8, 9223372036854775807",
        "16, 8, 4611686018427387905",
        "24, 4, 7",
        "60, 4, 1"
    })
    void aFileWithADamagedHeaderIsMadeAgain(int offset, int bytes, long number) throws IOException {
        int[] ids = ids(prepare(tokenizer));
        byte[] all = Files.readAllBytes(file);
        byte[] damaged = all.clone();
        ByteBuffer buffer = ByteBuffer.wrap(damaged).order(ByteOrder.LITTLE_ENDIAN);
        if (bytes == 4) {
            buffer.putInt(offset, (int) number);
        } else {
            buffer.putLong(offset, number);
        }
        Files.write(file, damaged);

        assertThat(ids(prepare(tokenizer))).isEqualTo(ids);
        assertThat(Files.readAllBytes(file)).isEqualTo(all);
    }

    @Test
    void aFileOfAnotherLengthIsMadeAgain() throws IOException {
        int[] ids = ids(prepare(tokenizer));
        byte[] all = Files.readAllBytes(file);
        for (int length : new int[] {8, 63, 64, all.length - 1, all.length - 2, all.length + 1, all.length + 2}) {
            Files.write(file, Arrays.copyOf(all, length));
            assertThat(ids(prepare(tokenizer))).isEqualTo(ids);
            assertThat(Files.readAllBytes(file)).isEqualTo(all);
        }
    }

    @Test
    void anIdOutsideTheVocabularyIsNamed() throws IOException {
        prepare(tokenizer);
        byte[] all = Files.readAllBytes(file);
        all[64 + 4 * 5 + 1] = (byte) 0xff;
        Files.write(file, all);
        Tokens tokens = prepare(tokenizer);

        assertThatThrownBy(() -> ids(tokens))
                .isInstanceOf(UncheckedIOException.class)
                .hasMessageContaining(file + ", token 5: expected an id from 0 to 299, got 65");
    }

    @Test
    void aClosedFileGivesNoTokens() throws IOException {
        Tokens closed = prepare(tokenizer);
        Tokens part = closed.split(0.5).heldOut();
        closed.close();
        assertThatThrownBy(() -> closed.id(0)).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> part.id(0)).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void anotherFileIsNeverReplaced() throws IOException {
        Files.writeString(file, "my only copy");

        assertThatExceptionOfType(FormatException.class)
                .isThrownBy(() -> prepare(tokenizer))
                .withMessage(file + ": expected a token file, got another file; name another path");
        assertThat(Files.readString(file)).isEqualTo("my only copy");
        List<Long> heard = new ArrayList<>();
        assertThatExceptionOfType(FormatException.class).isThrownBy(() -> prepare(tokenizer, heard::add));
        assertThat(heard).as("read before the file was looked at").isEmpty();
        Files.delete(file);
        Files.createDirectory(file);
        assertThatExceptionOfType(FormatException.class)
                .isThrownBy(() -> prepare(tokenizer))
                .withMessageStartingWith(file + ": expected a token file, got a folder");
    }

    @Test
    void badDataLeavesTheOldFileAlone() throws IOException {
        prepare(tokenizer);
        byte[] before = Files.readAllBytes(file);
        Files.write(data.resolve("e.txt"), new byte[] {'a', (byte) 0xff});

        assertThatExceptionOfType(FormatException.class)
                .isThrownBy(() -> prepare(tokenizer))
                .withMessageContaining("e.txt: expected text in UTF-8, got byte 0xff at offset 1");
        assertThat(Files.readAllBytes(file)).isEqualTo(before);
        try (Stream<Path> left = Files.list(folder)) {
            assertThat(left).containsExactlyInAnyOrder(data, file);
        }
    }

    @Test
    void dataWithoutTextIsRefused() throws IOException {
        Path empty = Files.writeString(folder.resolve("empty.txt"), "");
        Documents documents = Documents.of(empty);

        assertThatExceptionOfType(FormatException.class)
                .isThrownBy(() -> Tokens.prepare(file, documents, tokenizer, endOfText, _ -> {}))
                .withMessage("training data: expected text, got none; are the files empty?");
        assertThat(file).doesNotExist();
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Tokens.prepare(file, documents, tokenizer, 300, _ -> {}))
                .withMessageContaining("token id: expected 0 to 299, got 300");
    }
}
