package dev.causal4j.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.FormatException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What was prepared is what the JSON says, and nothing else is used. */
class PreparedTest {
    private static final String TEXT = "Emma's  \u4e16\u754c\ud83d\ude00 <|im_end|></s>\n12 it";

    @TempDir
    private Path folder;

    private Path json = Path.of("");
    private Path file = Path.of("");

    private void prepare(String name) throws IOException {
        json = Files.write(folder.resolve("tokenizer.json"), Fixtures.resource("golden/" + name + "/tokenizer.json"));
        file = folder.resolve("tokenizer.json.prepared");
        Tokenizer.prepare(folder);
    }

    private Tokenizer prepared() throws IOException {
        return TokenizerReader.read(Prepared.read(json));
    }

    static List<String> names() {
        return TokenizerGoldenTest.names();
    }

    @ParameterizedTest
    @MethodSource("names")
    void idsTextsAndTheSavedFileAreThoseOfTheJson(String name) throws IOException {
        prepare(name);

        TokenizerGoldenTest.compare(name, prepared());
        TokenizerGoldenTest.compare(name, Tokenizer.load(folder).orElseThrow());
        Tokenizer ofJson = TokenizerGoldenTest.tokenizer(name);
        assertThat(prepared().toJson()).isEqualTo(ofJson.toJson());
        assertThat(prepared().controlTokens()).isEqualTo(ofJson.controlTokens());
        assertThat(prepared().withPrefix(new int[0])).isEqualTo(ofJson.withPrefix(new int[0]));
        byte[] first = Files.readAllBytes(file);
        Tokenizer.prepare(folder);
        assertThat(file).hasBinaryContent(first);
    }

    @Test
    void aChangedJsonIsReadItself() throws IOException {
        prepare("qwen3-small");
        String changed = Files.readString(json).replace("<|im_end|>", "<|im_END|>");
        Files.writeString(json, changed);

        assertThatThrownBy(this::prepared)
                .isInstanceOf(FormatException.class)
                .hasMessage(
                        file + ": expected the tokenizer.json it was made of, got something else; prepare it again");
        assertThat(Tokenizer.load(folder).orElseThrow().id("<|im_END|>")).isPresent();
    }

    @Test
    void itHoldsForTheBytesThatWereReadThoughTheFileChangesMeanwhile() throws IOException {
        prepare("qwen3-small");
        byte[] first = Files.readAllBytes(json);
        Prepared ofFirst = Prepared.read(json);
        Files.writeString(json, Files.readString(json).replace("<|im_end|>", "<|im_END|>"));
        ofFirst.write(json, first);

        assertThatThrownBy(this::prepared).hasMessageContaining("expected the tokenizer.json it was made of");
        Files.write(json, first);
        assertThat(prepared().id("<|im_end|>")).isPresent();
    }

    @Test
    void theJsonIsReadWhereFilesCannotBeMapped() throws IOException {
        prepare("qwen3-small");
        try (FileSystem zip = FileSystems.newFileSystem(folder.resolve("model.zip"), Map.of("create", "true"))) {
            for (Path each : List.of(json, file)) {
                Files.copy(each, zip.getPath("/", each.getFileName().toString()));
            }
            assertThat(Tokenizer.load(zip.getPath("/")).orElseThrow().encode(TEXT))
                    .isEqualTo(prepared().encode(TEXT));
        }
    }

    @Test
    void aSavedTokenizerIsNotThePreparedOne() throws IOException {
        prepare("llama2-style");
        TokenizerGoldenTest.tokenizer("qwen3-small").save(folder);

        assertThat(file).doesNotExist();
        assertThat(Tokenizer.load(folder).orElseThrow().id("<|im_end|>")).isPresent();
    }

    @Test
    void damageIsFoundAndTheJsonReadInstead() throws IOException {
        prepare("gemma-style");
        byte[] whole = Files.readAllBytes(file);
        int[] ids = prepared().encode(TEXT);
        Random random = new Random(1);
        for (int i = 0; i < 300; i++) {
            byte[] damaged = i < 100 ? Arrays.copyOf(whole, random.nextInt(whole.length)) : whole.clone();
            if (i >= 100) {
                damaged[i < 200 ? i - 100 : random.nextInt(whole.length)] ^= (byte) (1 << random.nextInt(8));
            }
            Files.write(file, damaged);
            assertThatThrownBy(this::prepared)
                    .isInstanceOf(FormatException.class)
                    .hasMessageStartingWith(file + ": expected ")
                    .hasMessageNotContaining("\n");
        }
        assertThat(Tokenizer.load(folder).orElseThrow().encode(TEXT)).isEqualTo(ids);
    }

    /** Inserts zeros, and adds to the count of what they are. */
    private void insert(int count, int more, int at, int zeros) throws IOException {
        byte[] whole = Files.readAllBytes(file);
        byte[] longer = Arrays.copyOf(whole, whole.length + zeros);
        Arrays.fill(longer, at, at + zeros, (byte) 0);
        System.arraycopy(whole, at, longer, at + zeros, whole.length - at);
        ByteBuffer bytes = ByteBuffer.wrap(longer);
        bytes.putInt(12 + 4 * count, bytes.getInt(12 + 4 * count) + more);
        writeChecked(longer);
    }

    private void writeChecked(byte[] bytes) throws IOException {
        CRC32C checksum = new CRC32C();
        checksum.update(bytes, 12, bytes.length - 12);
        ByteBuffer.wrap(bytes).putInt(8, (int) checksum.getValue());
        Files.write(file, bytes);
    }

    @Test
    void moreThanAJsonMayHaveIsRefusedBeforeItIsAllocated() throws IOException {
        prepare("qwen3-small");
        byte[] whole = Files.readAllBytes(file);
        int scores = 44 + ByteBuffer.wrap(whole).getInt(12);
        int text = whole.length - 2 * ByteBuffer.wrap(whole).getInt(20);
        insert(1, 3, scores, 24);
        assertThatThrownBy(this::prepared).hasMessageContaining("expected as many bytes as it says");
        writeChecked(whole);
        insert(7, 30_000, text, 120_000);
        assertThatThrownBy(this::prepared).hasMessageContaining("expected as many bytes as it says");
        writeChecked(whole);
        insert(2, 1, whole.length, 2);
        assertThatThrownBy(this::prepared).hasMessageContaining("expected no text but that of pieces and tokens");
    }

    /** Numbers of a stranger with the right checksum are refused, or make another tokenizer; nothing else is thrown. */
    @ParameterizedTest
    @ValueSource(strings = {"qwen3-small", "gemma-style", "unigram-style"})
    void whateverTheNumbersNothingBreaks(String name) throws IOException {
        prepare(name);
        byte[] whole = Files.readAllBytes(file);
        Random random = new Random(2);
        int works = 0;
        for (int i = 0; i < 1500; i++) {
            byte[] changed = whole.clone();
            ByteBuffer bytes = ByteBuffer.wrap(changed);
            for (int changes = random.nextInt(3); changes >= 0; changes--) {
                boolean header = random.nextInt(4) == 0;
                int at = 12 + 4 * random.nextInt(header ? 8 : whole.length / 4 - 4);
                int[] values = {0, -1, 1, Integer.MAX_VALUE, Integer.MIN_VALUE, random.nextInt(300), random.nextInt()};
                bytes.putInt(at, values[random.nextInt(values.length)]);
            }
            writeChecked(changed);
            try {
                Tokenizer tokenizer = prepared();
                for (SpecialTokens special : SpecialTokens.values()) {
                    tokenizer.decode(tokenizer.encode(TEXT, special));
                }
                byte[] saved = tokenizer.toJson();
                assertThat(new String(saved, StandardCharsets.UTF_8)).startsWith("{");
                works++;
            } catch (FormatException e) {
                assertThat(e.getMessage()).doesNotContain("\n");
            } catch (IllegalArgumentException e) {
                assertThat(e.getMessage()).startsWith("text: expected bytes the vocabulary has a token for");
            }
        }
        assertThat(works).isBetween(100, 1400);
    }
}
