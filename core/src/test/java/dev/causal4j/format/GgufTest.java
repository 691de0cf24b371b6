package dev.causal4j.format;

import static dev.causal4j.format.GgufForge.bytes;
import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import dev.causal4j.FormatException;
import dev.causal4j.JavaProcess;
import dev.causal4j.json.Json;
import dev.causal4j.json.Refusal;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.math.BigInteger;
import java.net.URISyntaxException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class GgufTest {
    private static final String ONE = "variant-split-00001-of-00002.gguf";
    private static final String TWO = "variant-split-00002-of-00002.gguf";
    private static final List<String> LITTLE_MEMORY = List.of("-Xmx64m", "-XX:+UseSerialGC");

    @TempDir
    Path folder;

    // ---- legal files

    @Test
    void everyTypeOfValueIsRead() throws IOException {
        Json metadata = open(golden("variant-v2-align64.gguf")).metadata();
        assertThat(metadata.requireInt("general.alignment", 8, 64)).isEqualTo(64);
        assertThat(metadata.root().get("x.u8")).isEqualTo(255);
        assertThat(metadata.root().get("x.i8")).isEqualTo(-128);
        assertThat(metadata.root().get("x.u16")).isEqualTo(65_535);
        assertThat(metadata.root().get("x.i16")).isEqualTo(-32_768);
        assertThat(metadata.root().get("x.i32")).isEqualTo(Integer.MIN_VALUE);
        assertThat(metadata.root().get("x.u64")).isEqualTo(new BigInteger("18446744073709551615"));
        assertThat(metadata.root().get("x.i64")).isEqualTo(Long.MIN_VALUE);
        assertThat(metadata.root().get("x.f64")).isEqualTo(1e300);
        assertThat(metadata.bool("x.bool", false)).isTrue();
        assertThat(metadata.bool("tokenizer.ggml.add_eos_token", true)).isFalse();
        assertThat(metadata.requireString("x.empty")).isEmpty();
        assertThat(metadata.integers("x.[u8]")).containsExactly(0, 255);
        assertThat(metadata.root().get("x.[bool]")).isEqualTo(List.of(true, false));
        assertThat(metadata.numbers("x.[f64]", 1)).containsExactly(1.5);
        assertThat(metadata.integers("x.[none]")).isEmpty();
        assertThat(metadata.strings("x.[str]")).containsExactly("", "é😀");
        assertThat(metadata.integers("x.[i16]")).containsExactly(-1);
        assertThat(metadata.root().get("x.[u64]")).isEqualTo(List.of(BigInteger.TWO.pow(63)));
        assertThat((float) metadata.number("llama.attention.layer_norm_rms_epsilon", 0, 0, 1))
                .isEqualTo(1e-5f);
        assertThat(metadata.strings("tokenizer.ggml.tokens")).hasSize(300).startsWith("<unk>", "<s>", "</s>", "<0x00>");
        assertThat(metadata.numbers("tokenizer.ggml.scores", 300)).contains(0.0);
        assertThat(metadata.integers("tokenizer.ggml.token_type")).startsWith(2, 3, 3, 6);
    }

    @Test
    void metadataOutliveTheMapping() throws IOException {
        Gguf model;
        try (Arena arena = Arena.ofConfined()) {
            model = Gguf.open(golden("variant-v2-align64.gguf"), arena);
        }
        assertThat(model.metadata().numbers("tokenizer.ggml.scores", 300)).contains(0.0);
    }

    @Test
    void shapesAreOutByIn() throws IOException {
        TensorView up = tensor(open(golden("variant-v2-align64.gguf")), "blk.1.ffn_up.weight");
        assertThat(up.shape()).containsExactly(96L, 64L);
        assertThat(up.blocks()).isEqualTo(BlockType.Q8_0);
        assertThat(up.data().byteSize()).isEqualTo(96 * 64 / 32 * 34);
        assertThat(up.data().isReadOnly()).isTrue();
    }

    /** Version 2 with alignment 64 and tensors in reverse order, and a split file, hold the same model. */
    @Test
    void variantsHoldTheSameTensors() throws IOException {
        Gguf whole = open(golden("variant-v2-align64.gguf"));
        Gguf split = open(golden(ONE));
        assertThat(split.tensors().names())
                .hasSize(20)
                .isEqualTo(whole.tensors().names());
        assertThat(split.tensors().names().stream().toList().reversed())
                .containsExactlyElementsOf(whole.tensors().names());
        for (String name : whole.tensors().names()) {
            TensorView expected = tensor(whole, name);
            TensorView actual = tensor(split, name);
            assertThat(actual.shape()).isEqualTo(expected.shape());
            assertThat(actual.data().mismatch(expected.data())).as(name).isEqualTo(-1);
        }
        assertThat(split.metadata().requireString("general.architecture")).isEqualTo("llama");
        for (float weight : tensor(whole, "output_norm.weight").toArray()) {
            assertThat(weight).isBetween(0f, 2f);
        }
    }

    @Test
    void oneFileMixesTypes() throws IOException {
        Gguf model = open(golden("llama-mix-q4_k_m.gguf"));
        assertThat(model.tensors().names().stream()
                        .map(name -> tensor(model, name).blocks()))
                .contains(null, BlockType.Q4_K, BlockType.Q6_K);
    }

    @Test
    void filesOfMoreThanTwoGigabytesAreMapped() throws IOException {
        long big = 2_200_000_000L / 32 * 32;
        byte[] tensors = bytes("big", 1, big / 4, 0, 0L, "last", 1, 1L, 0, big);
        byte[] header = GgufForge.padded(bytes(GgufForge.MAGIC, 3, 2L, 0L, tensors));
        Path path = Files.write(folder.resolve("big.gguf"), header);
        try (RandomAccessFile sparse = new RandomAccessFile(path.toFile(), "rw")) {
            sparse.seek(header.length + big);
            sparse.writeInt(Integer.reverseBytes(Float.floatToRawIntBits(1.5f)));
        }
        assertThat(tensor(open(path), "last").toArray()).containsExactly(1.5f);
    }

    @Test
    void missingTensorIsNamed() throws IOException {
        Gguf model = open(golden(ONE));
        Refusal.refused(() -> model.tensors().tensor("gone"), model.metadata().subject(), "\"gone\"", "20 others");
    }

    // ---- illegal files

    @ParameterizedTest
    @MethodSource("dev.causal4j.format.GgufAttack#all")
    void filesAreReadOrRefusedAsTheTableSays(GgufAttack attack) throws IOException {
        Path file = attack.write(folder);
        if (attack.fate() == GgufAttack.Fate.NO_CONTAINER) {
            Refusal.refused(() -> open(file), file.toString(), attack.told().toArray(String[]::new));
        } else {
            readAll(open(file));
        }
    }

    @Test
    void cutFilesAreRefusedAtEveryLength() throws FormatException {
        byte[] file = GgufForge.good().withoutLastPadding().file();
        for (int length = 0; length < file.length; length++) {
            byte[] cut = Arrays.copyOf(file, length);
            Refusal.refused(() -> new GgufFile("memory", MemorySegment.ofArray(cut)).read(), "memory");
        }
        readAll(new GgufFile("memory", MemorySegment.ofArray(file)).read());
    }

    @Test
    void aFileCutInItsDataTellsHowMuchIsMissing() throws IOException {
        byte[] file = GgufForge.good().withoutLastPadding().file();
        Path half = folder.resolve("half.gguf");
        Files.write(half, Arrays.copyOf(file, file.length - 5));
        Refusal.refused(() -> open(half), half + ": expected ", "cut short, 5 bytes missing; download it again");
        Files.write(half, Arrays.copyOf(file, 100));
        Refusal.refused(() -> open(half), half.toString(), "cut short; download it again");
    }

    @Test
    void cutModelsAreRefused() throws IOException {
        byte[] file = Files.readAllBytes(golden("variant-v2-align64.gguf"));
        // The last 16 bytes are padding.
        for (int length = 0; length < file.length - 64; length += length < 2048 ? 1 : 509) {
            byte[] cut = Arrays.copyOf(file, length);
            Refusal.refused(() -> new GgufFile("memory", MemorySegment.ofArray(cut)).read(), "memory");
        }
    }

    @Test
    void headersBeyondTheLimitAreRefused() throws IOException {
        byte[] array = bytes(GgufForge.MAGIC, 3, 0L, 1L, "x", 9, 0, 150_000_000L);
        Path path = Files.write(folder.resolve("big.gguf"), array);
        try (RandomAccessFile sparse = new RandomAccessFile(path.toFile(), "rw")) {
            sparse.setLength(1L << 32);
        }
        Refusal.refused(() -> open(path), path.toString(), "key \"x\"", "150000000");
    }

    @Test
    void specialFilesAreRefused() {
        Refusal.refused(() -> open(folder), folder.toString(), "a GGUF file", "a folder");
        Path gone = folder.resolve("gone.gguf");
        Refusal.refused(() -> open(gone), gone.toString(), "no such file");
    }

    // ---- split files

    /** A listing of a thousand such names took minutes. */
    @Test
    void namesOfPartsAreMadeAsTheyAreTaken() {
        String name = "m-00001-of-99999.gguf";
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        long before = threads.getCurrentThreadAllocatedBytes();
        assertThat(Gguf.isFirst(name)).isTrue();
        assertThat(Gguf.parts(name).allMatch(Set.of(name)::contains)).isFalse();
        assertThat(threads.getCurrentThreadAllocatedBytes() - before).isLessThan(1_000_000);
        assertThat(Gguf.isFirst("m-00002-of-99999.gguf")).isFalse();
        assertThat(Gguf.isFirst("m.gguf")).isTrue();
    }

    @Test
    void splitFilesBeginAtTheFirst() {
        Refusal.refused(() -> open(golden(TWO)), golden(TWO).toString(), "split.no", "the first file", "got 1");
    }

    @Test
    void missingPartIsNamed() throws IOException {
        Path one = Files.copy(golden(ONE), folder.resolve(ONE));
        Refusal.refused(() -> open(one), folder.resolve(TWO).toString(), "no such file");
    }

    @Test
    void partOfAnotherModelIsRefused() throws IOException {
        Path one = Files.copy(golden(ONE), folder.resolve(ONE));
        Files.write(folder.resolve(TWO), GgufForge.good().file());
        Refusal.refused(() -> open(one), folder.resolve(TWO).toString(), "split.no", "got nothing");
    }

    @Test
    void partsInAnotherOrderAreRefused() throws IOException {
        Path one = Files.copy(golden(ONE), folder.resolve(ONE));
        Files.copy(one, folder.resolve(TWO));
        Refusal.refused(() -> open(one), folder.resolve(TWO).toString(), "split.no", "from 1 to 1, got 0");
    }

    @Test
    void renamedPartsAreRefused() throws IOException {
        Path one = Files.copy(golden(ONE), folder.resolve("x.gguf"));
        Refusal.refused(() -> open(one), one.toString(), "-00001-of-00002.gguf", "x.gguf");
    }

    @Test
    void tensorInTwoPartsIsRefused() throws IOException {
        Path one = Files.write(folder.resolve("m-00001-of-00002.gguf"), part(0, 2, "a"));
        Path two = Files.write(folder.resolve("m-00002-of-00002.gguf"), part(1, 2, "a"));
        Refusal.refused(() -> open(one), two.toString(), "tensor \"a\"");
        Files.write(two, part(1, 2, "b"));
        assertThat(open(one).tensors().names()).containsExactly("a", "b");
        Files.write(two, part(1, 3, "b"));
        Refusal.refused(() -> open(one), two.toString(), "split.count", "from 2 to 2, got 3");
    }

    @Test
    void numberOfTensorsMustAgree() throws IOException {
        byte[] first = Files.readAllBytes(golden(ONE));
        int at = new String(first, StandardCharsets.ISO_8859_1).indexOf("split.tensors.count") + 19 + 4;
        first[at] = 21;
        Path one = Files.write(folder.resolve(ONE), first);
        Files.copy(golden(TWO), folder.resolve(TWO));
        Refusal.refused(() -> open(one), one.toString(), "split.tensors.count", "from 20 to 20, got 21");
    }

    private static byte[] part(int number, int count, String tensor) {
        byte[] keys = bytes("split.no", 4, number, "split.count", 4, count);
        byte[] header = GgufForge.padded(bytes(GgufForge.MAGIC, 3, 1L, 2L, keys, tensor, 1, 8L, 0, 0L));
        return Arrays.copyOf(header, header.length + 32);
    }

    // ---- memory

    @Test
    void malformedFilesNeedLittleMemory() throws IOException, InterruptedException {
        long refused = 0;
        for (GgufAttack attack : GgufAttack.all()) {
            attack.write(folder);
            refused += attack.fate() == GgufAttack.Fate.NO_CONTAINER ? 1 : 0;
        }
        assertThat(JavaProcess.run(0, LITTLE_MEMORY, Opens.class, folder.toString()))
                .last()
                .isEqualTo("opened " + (GgufAttack.all().size() - refused) + ", refused " + refused);
    }

    @Test
    void arraysNeedNoMoreMemoryThanTheFile() throws IOException, InterruptedException {
        int count = 20_000_000;
        byte[] numbers = bytes(GgufForge.MAGIC, 3, 0L, 2L, "x", 9, 0, (long) count);
        byte[] all = Arrays.copyOf(numbers, numbers.length + count); // the second key is missing
        Arrays.fill(all, numbers.length, all.length, (byte) 0xff);
        Files.write(folder.resolve("numbers.gguf"), all);
        ByteBuffer arrays = ByteBuffer.allocate(12 * 2_000_000).order(ByteOrder.LITTLE_ENDIAN);
        while (arrays.hasRemaining()) {
            arrays.putInt(0).putLong(0);
        }
        byte[] outer = bytes(GgufForge.MAGIC, 3, 0L, 2L, "x", 9, 9, 2_000_000L);
        byte[] nested = Arrays.copyOf(outer, outer.length + arrays.capacity());
        System.arraycopy(arrays.array(), 0, nested, outer.length, arrays.capacity());
        Files.write(folder.resolve("nested.gguf"), nested);
        assertThat(JavaProcess.run(0, LITTLE_MEMORY, Opens.class, folder.toString()))
                .last()
                .isEqualTo("opened 0, refused 2");
    }

    static final class Opens {
        private Opens() {}

        public static void main(String[] args) throws IOException {
            int opened = 0;
            int refused = 0;
            List<Path> files = new ArrayList<>();
            try (Stream<Path> all = Files.list(Path.of(args[0]))) {
                all.filter(each -> each.toString().endsWith(".gguf")).forEach(files::add);
            }
            for (Path file : files) {
                try {
                    readAll(open(file));
                    opened++;
                } catch (FormatException e) {
                    refused++;
                }
            }
            System.out.println("opened " + opened + ", refused " + refused);
        }
    }

    // ---- common

    private static Gguf open(Path file) throws IOException {
        return Gguf.open(file, Arena.ofAuto());
    }

    private static void readAll(Gguf model) {
        for (String name : model.tensors().names()) {
            assertThat(tensor(model, name).toArray()).isNotEmpty();
        }
        assertThat(model.metadata().root().toString()).isNotEmpty();
    }

    private static TensorView tensor(Gguf model, String name) {
        try {
            return model.tensors().tensor(name);
        } catch (FormatException e) {
            throw new AssertionError(e);
        }
    }

    private static Path golden(String name) {
        try {
            return Path.of(Objects.requireNonNull(GgufTest.class.getResource("/dev/causal4j/golden/gguf/blocks.json"))
                            .toURI())
                    .resolveSibling(name);
        } catch (URISyntaxException e) {
            throw new AssertionError(e);
        }
    }
}
