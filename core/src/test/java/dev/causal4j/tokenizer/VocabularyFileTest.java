package dev.causal4j.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.FormatException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.function.Consumer;
import java.util.zip.CRC32;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A prepared vocabulary is the one of its tokenizer.json, and nothing else is taken for one. */
class VocabularyFileTest {
    // Five pieces, one hole (id 4), two merges, two added tokens: ids and characters lie at places that can be told.
    private static final byte[] SMALL = """
            {"added_tokens":[{"id":5,"content":"<s>","special":true,"lstrip":true},{"id":6,"content":"é","rstrip":true}],
            "pre_tokenizer":{"type":"ByteLevel"},"decoder":{"type":"ByteLevel"},
            "model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2,"aba":3},"merges":["a b","ab a"]}}""".getBytes(StandardCharsets.UTF_8);

    private static final int COUNTS = 16;
    private static final int ENDS = 36;
    private static final int TEXT = ENDS + 7 * 4;
    private static final int MERGES = TEXT + 11 * 2;
    private static final int ADDED = MERGES + 2 * 12;

    @TempDir
    Path folder;

    private static BytePairVocabulary parsed(byte[] json) throws IOException {
        return new VocabularyReader("t").tokenizerJson(json);
    }

    private static byte[] small() throws IOException {
        return VocabularyFile.write(parsed(SMALL), SMALL);
    }

    private static Optional<BytePairVocabulary> read(byte[] file) throws FormatException {
        return VocabularyFile.read("v", file, SMALL);
    }

    /** The file with something changed and a checksum that fits. */
    private static byte[] changed(Consumer<ByteBuffer> change) throws IOException {
        byte[] file = small();
        ByteBuffer buffer = ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN);
        change.accept(buffer);
        CRC32 crc = new CRC32();
        crc.update(file, 0, file.length - 4);
        buffer.putInt(file.length - 4, (int) crc.getValue());
        return file;
    }

    @Test
    void whatIsReadIsTheVocabularyOfTheJson() throws IOException {
        for (byte[] json : new byte[][] {
            SMALL, Fixtures.resource("tokenizer.json"), Fixtures.gpt2().toJson()
        }) {
            assertThat(VocabularyFile.read("v", VocabularyFile.write(parsed(json), json), json))
                    .contains(parsed(json));
        }
    }

    @Test
    void aPreparedFolderLoadsTheSameTokenizer() throws IOException {
        Files.write(folder.resolve("tokenizer.json"), Fixtures.resource("tokenizer.json"));
        Tokenizer.prepare(folder);
        Tokenizer tokenizer = Tokenizer.load(folder).orElseThrow();
        String text = "Emma Woodhouse, handsome, clever, and rich<|endoftext|>";
        assertThat(tokenizer.encode(text)).isEqualTo(Fixtures.austen().encode(text));
        assertThat(tokenizer.toJson()).isEqualTo(Fixtures.austen().toJson());
        // That it came from the prepared file shows when this is damaged.
        Files.write(folder.resolve(Tokenizer.PREPARED), new byte[100]);
        assertThatThrownBy(() -> Tokenizer.load(folder))
                .hasMessage(
                        folder.resolve(Tokenizer.PREPARED)
                                + ": expected to begin with C4JVOC/1, got other bytes; convert the model again, or delete this file");
    }

    @Test
    void aTokenizerJsonThatChangedIsReadItself() throws IOException {
        Path json = folder.resolve("tokenizer.json");
        Files.write(json, SMALL);
        Tokenizer.prepare(folder);
        Files.writeString(
                json, Files.readString(json).replace("\"aba\"", "\"abb\"").replace("ab a", "ab b"));
        assertThat(Tokenizer.load(folder).orElseThrow().id("abb")).hasValue(3);
    }

    @Test
    void aFolderWithoutATokenizerJsonStaysAsItIs() throws IOException {
        Tokenizer.prepare(folder);
        assertThat(folder).isEmptyDirectory();
    }

    @Test
    void everyChangedByteAndEveryLengthIsRefused() throws IOException {
        byte[] file = small();
        for (int i = 0; i < file.length; i++) {
            byte[] damaged = file.clone();
            damaged[i] ^= 0x40;
            assertThatThrownBy(() -> read(damaged)).isInstanceOf(FormatException.class);
            byte[] cut = Arrays.copyOf(file, i);
            assertThatThrownBy(() -> read(cut)).isInstanceOf(FormatException.class);
        }
        assertThatThrownBy(() -> read(Arrays.copyOf(file, file.length + 1))).isInstanceOf(FormatException.class);
    }

    // A number put at a place, and how the file is then refused.
    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            0, 0         | -1         | expected 0 to 16777216 pieces, got -1
            0, 0         | 16777217   | expected 0 to 16777216 pieces, got 16777217
            0, 0         | 16777216   | expected 67108966 bytes, as its counts say, got 130 bytes
            0, 1         | 2147483647 | bytes, as its counts say, got
            0, 2         | -5         | expected 0 to 2147483647 merges, got -5
            0, 3         | 10001      | expected 0 to 10000 added tokens, got 10001
            0, 4         | 2          | expected 0 to 1 spaces before a text, got 2
            1, 1         | 0          | expected pieces one after the other, got piece 1 to 0
            1, 6         | 12         | expected pieces one after the other, got piece 6 to 12
            1, 6         | 10         | expected all characters in pieces, got 10 of 11
            2, 0         | 6357089    | expected each piece once
            0, 0         | 0          | bytes, as its counts say, got 130 bytes
            2, 0         | 6412288    | expected Unicode text, got half of a surrogate pair
            3, 0         | 7          | expected the id of a piece, got 7
            3, 0         | -1         | expected the id of a piece, got -1
            3, 1         | 4          | expected the id of a piece, got 4
            3, 2         | 3          | expected two pieces and both together, got 0, 1 and 3
            3, 0         | 1          | expected two pieces and both together, got 1, 1 and 2
            4, 0         | 4          | expected an added token's id, got 4
            4, 0         | 7          | expected an added token's id, got 7
            4, 2         | 5          | expected each added token once, with five flags, got 5
            4, 1         | 32         | expected each added token once, with five flags, got 5, 32
            """)
    void whatNoTokenizerJsonSaysIsRefused(String place, int number, String message) throws IOException {
        String[] partAndIndex = place.split(", ", -1);
        int part = new int[] {COUNTS, ENDS, TEXT, MERGES, ADDED}[Integer.parseInt(partAndIndex[0])];
        byte[] file = changed(to -> to.putInt(part + 4 * Integer.parseInt(partAndIndex[1]), number));
        assertThatThrownBy(() -> read(file)).isInstanceOf(FormatException.class).hasMessageContaining(message);
    }

    @Test
    void aVocabularyThatEndsWithHolesIsRefused() throws IOException {
        BytePairVocabulary small = parsed(SMALL);
        List<String> longer = new ArrayList<>(small.pieces());
        longer.add("");
        BytePairVocabulary hole =
                new BytePairVocabulary(longer, small.ids(), small.merges(), small.addedTokens(), false);
        BytePairVocabulary none = new BytePairVocabulary(List.of(), Map.of(), List.of(), List.of(), false);
        for (BytePairVocabulary vocabulary : List.of(hole, none)) {
            byte[] file = VocabularyFile.write(vocabulary, SMALL);
            assertThatThrownBy(() -> read(file))
                    .hasMessageContaining("expected pieces, and none that is empty at the end");
        }
    }

    @Test
    void whateverIsInAFileItIsAVocabularyOrRefused() throws IOException {
        Random random = new Random(1);
        int taken = 0;
        for (int i = 0; i < 100_000; i++) {
            byte[] file = changed(to -> {
                for (int n = random.nextInt(3); n >= 0; n--) {
                    to.put(COUNTS + random.nextInt(to.capacity() - COUNTS), (byte) random.nextInt(-2, 8));
                }
            });
            try {
                BytePairVocabulary vocabulary = read(file).orElseThrow();
                assertThat(parsed(new VocabularyWriter(vocabulary).tokenizerJson()))
                        .isEqualTo(vocabulary);
                taken++;
            } catch (FormatException refused) {
                assertThat(refused).hasMessageStartingWith("v: expected ");
            }
        }
        assertThat(taken).isBetween(100, 50_000); // flags and letters of pieces that are not merged may be others
    }
}
