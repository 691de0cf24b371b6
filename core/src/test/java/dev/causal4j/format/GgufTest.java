package dev.causal4j.format;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.causal4j.FormatException;
import dev.causal4j.JavaProcess;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
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
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.ObjectMapper;

class GgufTest {
    private static final String ONE = "variant-split-00001-of-00002.gguf";
    private static final String TWO = "variant-split-00002-of-00002.gguf";

    /** Files whose container is sound: what is wrong with them only shows when a model is made of them. */
    private static final Set<String> NO_MODEL = Set.of("""
            tensor-missing tensor-extra tensor-block-9 name-64 dims-1 shape-10x4 shape-4x10 shape-8x10 \
            arch-missing arch-unknown arch-number arch-empty missing-ctx missing-emb missing-blocks missing-ff \
            missing-heads missing-eps missing-tm missing-toks missing-merges missing-kvh heads-0 heads-3 \
            heads-80000000 heads-array-short heads-array-long kvh-0 kvh-3 blocks-0 blocks-2 blocks-f4240 \
            blocks-ffffffff blocks-i64-negative blocks-i32-negative blocks-f32 blocks-str blocks-bool blocks-[u32] \
            emb-0 emb-10 emb-80000000 ff-10 ctx-0 eps-nan eps-negative eps-inf rope-3 rope-8 rope-base-0 \
            rope-base-negative rope-scaling-zebra experts-4 key-length-3 tokens-short tokens-long \
            tokens-duplicate tokens-numbers types-short scores-short pre-zebra tokenizer-zebra \
            tensor-count-0 tensor-count-1 tensor-count-a""".split(" "));

    /** What should become of each file of the folder. */
    private static final JsonNode JUDGED = judged();

    @TempDir
    Path folder;

    // ---- what is legal

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

    /** Version 2 with alignment 64 and tensors in reverse, and a split file, hold what the other does. */
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
        byte[] header = new Forge()
                .header(3, 2, 0)
                .string("big")
                .u32(1)
                .u64(big / 4)
                .u32(0)
                .u64(0)
                .string("last")
                .u32(1)
                .u64(1)
                .u32(0)
                .u64(big)
                .padded();
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
        Attack.refused(() -> model.tensors().tensor("gone"), model.metadata().subject(), "\"gone\"", "20 others");
    }

    // ---- what is not

    static List<String> bad() {
        return JUDGED.propertyNames().stream().toList();
    }

    @ParameterizedTest
    @MethodSource("bad")
    void malformedFilesEndAsTheirTableSays(String name) throws IOException {
        String should = JUDGED.get(name).get("should").asString();
        Path file = golden("bad/" + name + ".gguf");
        if (NO_MODEL.contains(name)) {
            assertThat(should).isEqualTo("refuse");
            readAll(open(file));
        } else if (should.equals("refuse") || (should.equals("either") && !loads(file))) {
            Attack.refused(() -> open(file), file.toString());
        } else {
            readAll(open(file));
        }
    }

    private static boolean loads(Path file) {
        return catchThrowable(() -> open(file)) == null;
    }

    @Test
    void refusalsGiveTheReason() {
        refused("version-1", "version 2 or 3", "version 1");
        refused("version-4", "version 4");
        refused("version-3000000", "little-endian", "a big-endian file");
        refused("magic-bad", "begins with GGUF");
        refused("tensor-count-100000000", "0 to 500000 tensors", "4294967296");
        refused("kv-count-ffffffffffffffff", "0 to 500000 keys", "18446744073709551615");
        refused("string-length-ffffffffffffffff", "key \"x.s\"", "18446744073709551615");
        refused("array-2000000000000000-type10", "key \"x.a\"", "2305843009213693952");
        refused("array-nested-deep", "0 to 16 levels of arrays");
        refused("value-type-d", "key \"x.t\"", "type", "got 13");
        refused("bool-2", "key \"x.b\"", "0 to 1 as a boolean");
        refused("key-duplicate", "llama.block_count", "twice");
        refused("alignment-12", "general.alignment", "a multiple of 8", "12");
        refused("alignment-u64", "general.alignment", "type", "got 10");
        refused("name-duplicate", "blk.0.attn_output.weight", "twice");
        refused("dims-5", "1 to 4 dimensions", "5");
        refused("type-4", "Q4_2");
        refused("type-f64", "F64");
        refused("row-not-block-Q4_K", "multiple of 256", "rows of 8");
        refused("shape-2000000000000000x2", "numbers in a dimension", "2305843009213693952");
        refused("offset-1", "aligned to 32", "got offset 1");
        refused("offset-0", "of its own", "offset 0");
        refused("offset-ffffffffffffffe0", "18446744073709551584");
        refused("cut-3096", "cut short, ", " bytes missing; download it again");
        refused("split-2-alone", "-00001-of-00002.gguf");
    }

    private static void refused(String name, String... told) {
        Path file = golden("bad/" + name + ".gguf");
        Attack.refused(() -> open(file), file.toString(), told);
    }

    @Test
    void cutFilesAreRefusedAtEveryLength() throws IOException {
        byte[] file = Files.readAllBytes(golden("bad/good-no-last-padding.gguf"));
        for (int length = 0; length < file.length; length++) {
            byte[] cut = Arrays.copyOf(file, length);
            Attack.refused(() -> new GgufFile("memory", MemorySegment.ofArray(cut)).read(), "memory");
        }
        readAll(new GgufFile("memory", MemorySegment.ofArray(file)).read());
    }

    @Test
    void aFileCutInItsDataTellsHowMuchIsMissing() throws IOException {
        byte[] file = Files.readAllBytes(golden("bad/good-no-last-padding.gguf"));
        Path half = folder.resolve("half.gguf");
        Files.write(half, Arrays.copyOf(file, file.length - 5));
        Attack.refused(() -> open(half), half + ": expected ", "cut short, 5 bytes missing; download it again");
        Files.write(half, Arrays.copyOf(file, 100));
        Attack.refused(() -> open(half), half.toString(), "cut short; download it again");
    }

    @Test
    void cutModelsAreRefused() throws IOException {
        byte[] file = Files.readAllBytes(golden("variant-v2-align64.gguf"));
        // The last 16 bytes are padding.
        for (int length = 0; length < file.length - 64; length += length < 2048 ? 1 : 509) {
            byte[] cut = Arrays.copyOf(file, length);
            Attack.refused(() -> new GgufFile("memory", MemorySegment.ofArray(cut)).read(), "memory");
        }
    }

    @Test
    void headersBeyondTheLimitAreRefused() throws IOException {
        Path path = Files.write(
                folder.resolve("big.gguf"),
                new Forge()
                        .header(3, 0, 1)
                        .string("x")
                        .u32(9)
                        .u32(0)
                        .u64(150_000_000)
                        .padded());
        try (RandomAccessFile sparse = new RandomAccessFile(path.toFile(), "rw")) {
            sparse.setLength(1L << 32);
        }
        Attack.refused(() -> open(path), path.toString(), "key \"x\"", "150000000");
    }

    @Test
    void specialFilesAreRefused() {
        Attack.refused(() -> open(folder), folder.toString(), "a GGUF file", "a folder");
        Path gone = folder.resolve("gone.gguf");
        Attack.refused(() -> open(gone), gone.toString(), "no such file");
    }

    // ---- split files

    @Test
    void splitFilesBeginAtTheFirst() {
        Attack.refused(() -> open(golden(TWO)), golden(TWO).toString(), "split.no", "the first file", "got 1");
    }

    @Test
    void missingPartIsNamed() throws IOException {
        Path one = Files.copy(golden(ONE), folder.resolve(ONE));
        Attack.refused(() -> open(one), folder.resolve(TWO).toString(), "no such file");
    }

    @Test
    void partOfAnotherModelIsRefused() throws IOException {
        Path one = Files.copy(golden(ONE), folder.resolve(ONE));
        Files.copy(golden("bad/good.gguf"), folder.resolve(TWO));
        Attack.refused(() -> open(one), folder.resolve(TWO).toString(), "split.no", "got nothing");
    }

    @Test
    void partsInAnotherOrderAreRefused() throws IOException {
        Path one = Files.copy(golden(ONE), folder.resolve(ONE));
        Files.copy(one, folder.resolve(TWO));
        Attack.refused(() -> open(one), folder.resolve(TWO).toString(), "split.no", "from 1 to 1, got 0");
    }

    @Test
    void renamedPartsAreRefused() throws IOException {
        Path one = Files.copy(golden(ONE), folder.resolve("x.gguf"));
        Attack.refused(() -> open(one), one.toString(), "-00001-of-00002.gguf", "x.gguf");
    }

    @Test
    void tensorInTwoPartsIsRefused() throws IOException {
        Path one = Files.write(folder.resolve("m-00001-of-00002.gguf"), part(0, 2, "a"));
        Path two = Files.write(folder.resolve("m-00002-of-00002.gguf"), part(1, 2, "a"));
        Attack.refused(() -> open(one), two.toString(), "tensor \"a\"");
        Files.write(two, part(1, 2, "b"));
        assertThat(open(one).tensors().names()).containsExactly("a", "b");
        Files.write(two, part(1, 3, "b"));
        Attack.refused(() -> open(one), two.toString(), "split.count", "from 2 to 2, got 3");
    }

    @Test
    void numberOfTensorsMustAgree() throws IOException {
        byte[] first = Files.readAllBytes(golden(ONE));
        int at = new String(first, StandardCharsets.ISO_8859_1).indexOf("split.tensors.count") + 19 + 4;
        first[at] = 21;
        Path one = Files.write(folder.resolve(ONE), first);
        Files.copy(golden(TWO), folder.resolve(TWO));
        Attack.refused(() -> open(one), one.toString(), "split.tensors.count", "from 20 to 20, got 21");
    }

    private static byte[] part(int number, int count, String tensor) {
        Forge forge = new Forge().header(3, 1, 2).string("split.no").u32(4).u32(number);
        forge.string("split.count").u32(4).u32(count);
        forge.string(tensor).u32(1).u64(8).u32(0).u64(0);
        return Arrays.copyOf(forge.padded(), forge.padded().length + 32);
    }

    // ---- memory

    @Test
    void malformedFilesNeedLittleMemory() throws IOException, InterruptedException {
        List<String> lines = JavaProcess.run(
                0,
                List.of("-Xmx64m", "-XX:+UseSerialGC"),
                Opens.class,
                golden("bad").toString());
        assertThat(lines).last().asString().matches("opened \\d+, refused \\d+");
    }

    @Test
    void arraysNeedNoMoreMemoryThanTheFile() throws IOException, InterruptedException {
        int count = 20_000_000;
        byte[] numbers =
                new Forge().header(3, 0, 2).string("x").u32(9).u32(0).u64(count).written();
        byte[] all = Arrays.copyOf(numbers, numbers.length + count); // the second key is missing
        Arrays.fill(all, numbers.length, all.length, (byte) 0xff);
        Files.write(folder.resolve("numbers.gguf"), all);
        ByteBuffer arrays = ByteBuffer.allocate(12 * 2_000_000).order(ByteOrder.LITTLE_ENDIAN);
        while (arrays.hasRemaining()) {
            arrays.putInt(0).putLong(0);
        }
        byte[] outer = new Forge()
                .header(3, 0, 2)
                .string("x")
                .u32(9)
                .u32(9)
                .u64(2_000_000)
                .written();
        byte[] nested = Arrays.copyOf(outer, outer.length + arrays.capacity());
        System.arraycopy(arrays.array(), 0, nested, outer.length, arrays.capacity());
        Files.write(folder.resolve("nested.gguf"), nested);
        List<String> flags = List.of("-Xmx64m", "-XX:+UseSerialGC");
        assertThat(JavaProcess.run(0, flags, Opens.class, folder.toString()))
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

    private static JsonNode judged() {
        try {
            return new ObjectMapper().readTree(Files.readAllBytes(golden("bad/bad.json")));
        } catch (IOException e) {
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

    /** Writes a header. */
    private static final class Forge {
        private final ByteBuffer bytes = ByteBuffer.allocate(1000).order(ByteOrder.LITTLE_ENDIAN);

        Forge header(int version, long tensors, long keys) {
            bytes.put("GGUF".getBytes(StandardCharsets.US_ASCII));
            return u32(version).u64(tensors).u64(keys);
        }

        Forge string(String text) {
            byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
            bytes.putLong(utf8.length).put(utf8);
            return this;
        }

        Forge u32(int number) {
            bytes.putInt(number);
            return this;
        }

        Forge u64(long number) {
            bytes.putLong(number);
            return this;
        }

        byte[] written() {
            return Arrays.copyOf(bytes.array(), bytes.position());
        }

        /** What was written, up to the next multiple of 32 bytes. */
        byte[] padded() {
            return Arrays.copyOf(bytes.array(), Math.ceilDiv(bytes.position(), 32) * 32);
        }
    }
}
