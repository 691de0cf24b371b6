package dev.causal4j.format;

import static dev.causal4j.format.Attack.file;
import static dev.causal4j.format.Attack.open;
import static dev.causal4j.format.Attack.refused;
import static dev.causal4j.json.Refusal.refused;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.tensor.DType;
import java.io.IOException;
import java.io.InputStream;
import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class SafeTensorsTest {
    private static final String TWO_FLOATS = "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}";

    @TempDir
    Path folder;

    // ---- legal files

    @Test
    void realCheckpointIsReadFromFileAndMemory() throws IOException {
        byte[] bytes = reference();
        TensorStore file = SafeTensors.open(Files.write(folder.resolve("model.safetensors"), bytes), Arena.ofAuto());
        TensorStore memory = open(bytes);

        assertThat(file.metadata()).containsExactly(Map.entry("format", "pt"));
        assertThat(file.names()).contains("wte.weight", "h.0.attn.c_attn.bias").isEqualTo(memory.names());
        TensorView bias = file.tensor("h.0.attn.c_attn.bias");
        assertThat(bias.name()).isEqualTo("h.0.attn.c_attn.bias");
        assertThat(bias.dtype()).isEqualTo(DType.F32);
        assertThat(bias.shape()).containsExactly(105L);
        long header = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getLong();
        for (String name : file.names()) {
            assertThat(file.tensor(name).toArray())
                    .isEqualTo(memory.tensor(name).toArray());
        }
        float first = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getFloat((int) header + 8);
        assertThat(bias.toArray()[0]).isEqualTo(first);
    }

    @Test
    void filesOfMoreThanTwoGigabytesAreMapped() throws IOException {
        long big = 2_200_000_000L;
        String header = "{\"big\":{\"dtype\":\"U8\",\"shape\":[" + big + "],\"data_offsets\":[0," + big + "]},"
                + "\"last\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[" + big + "," + (big + 4) + "]}}";
        Path path = Files.write(folder.resolve("big.safetensors"), file(header, 0));
        try (RandomAccessFile sparse = new RandomAccessFile(path.toFile(), "rw")) {
            sparse.seek(sparse.length() + big);
            sparse.writeInt(Integer.reverseBytes(Float.floatToRawIntBits(1.5f)));
        }
        assertThat(SafeTensors.open(path, Arena.ofAuto()).tensor("last").toArray())
                .containsExactly(1.5f);
    }

    @Test
    void emptyAndZeroRankTensorsAreLegal() throws IOException {
        TensorStore tensors = open(file(
                "{\"scalar\":{\"dtype\":\"BF16\",\"shape\":[],\"data_offsets\":[0,2]},"
                        + "\"none\":{\"dtype\":\"F32\",\"shape\":[3,0],\"data_offsets\":[2,2]},"
                        + "\"nothing\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}",
                2));
        assertThat(tensors.names()).containsExactly("nothing", "scalar", "none");
        assertThat(tensors.tensor("scalar").shape()).isEmpty();
        assertThat(tensors.tensor("scalar").toArray()).containsExactly(0f);
        assertThat(tensors.tensor("none").shape()).containsExactly(3L, 0L);
        assertThat(tensors.tensor("none").toArray()).isEmpty();
    }

    @ParameterizedTest
    @ValueSource(strings = {"{}", "{}        ", "{\"__metadata__\":{}}"})
    void fileWithoutTensorsIsLegal(String header) throws IOException {
        assertThat(open(file(header, 0)).names()).isEmpty();
        assertThat(open(file(header, 0)).metadata()).isEmpty();
    }

    @Test
    void dataMayLieInAnotherOrderThanTheHeader() throws IOException {
        byte[] file = file(
                "{\"b\":{\"data_offsets\":[4,8],\"shape\":[1],\"dtype\":\"F32\"},"
                        + "\"a\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,4]}}",
                8);
        ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN).putFloat(file.length - 4, 7);
        assertThat(open(file).names()).containsExactly("a", "b");
        assertThat(open(file).tensor("b").toArray()).containsExactly(7);
    }

    @ParameterizedTest
    @CsvSource({"F4,4", "F6_E2M3,6", "F6_E3M2,6", "BOOL,8", "U8,8", "I8,8", "F8_E5M2,8", "F8_E4M3,8", "F8_E8M0,8"})
    @CsvSource({"F8_E4M3FNUZ,8", "F8_E5M2FNUZ,8", "I16,16", "U16,16", "F16,16", "BF16,16", "I32,32", "U32,32"})
    @CsvSource({"F32,32", "C64,64", "F64,64", "I64,64", "U64,64"})
    void everyDtypeOfTheFormatIsKnownBySize(String name, int bytes) throws IOException {
        String header = "{\"t\":{\"dtype\":\"" + name + "\",\"shape\":[8],\"data_offsets\":[0," + bytes + "]}}";
        TensorStore tensors = open(file(header, bytes));
        assertThat(tensors.names()).containsExactly("t");
        if (List.of("F32", "F16", "BF16", "I8").contains(name)) {
            assertThat(tensors.tensor("t").dtype().fileType()).isEqualTo(name);
        } else {
            refused(() -> tensors.tensor("t"), "memory, tensor \"t\"", "F32, F16, BF16 or I8", "got " + name);
        }
        refused(header, bytes + 1, (file(header, bytes).length + 1) + " bytes");
    }

    @Test
    void viewsCannotBeWrittenTo() throws IOException {
        MemorySegment data = open(file(TWO_FLOATS, 8)).tensor("a").data();
        assertThatThrownBy(() -> data.set(ValueLayout.JAVA_BYTE, 0, (byte) 1)).isInstanceOf(RuntimeException.class);
    }

    @Test
    void missingTensorIsNamedBesideWhatIsThere() throws IOException {
        TensorStore tensors = open(reference());
        refused(() -> tensors.tensor("lm_head.weight"), "memory", "\"lm_head.weight\"", "others (\"", "...");
        refused(() -> open(file("{}", 0)).tensor("x\n"), "memory", "\"x\\u000a\"", "no tensor at all");
    }

    // ---- the length

    @Test
    void missingFileAndFolderAreToldApart() {
        refused(
                () -> SafeTensors.open(folder.resolve("none"), Arena.ofAuto()),
                folder + "/none",
                "a safetensors file",
                "no such file");
        refused(() -> SafeTensors.open(folder, Arena.ofAuto()), folder.toString(), "a safetensors file", "a folder");
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 7})
    void fileTooShortForALengthIsRefused(int size) throws IOException {
        Path path = Files.write(folder.resolve("short"), new byte[size]);
        refused(() -> SafeTensors.open(path, Arena.ofAuto()), path.toString(), "8 bytes", "got " + size + " bytes");
    }

    @Test
    void headerLongerThanTheFileIsRefused() {
        refused(() -> open(file(99, new byte[] {'{', '}'}, 0)), "memory", "99 bytes", "10 bytes");
    }

    @ParameterizedTest
    @CsvSource({"100000001,100000001", "-1,18446744073709551615", "9223372036854775807,9223372036854775807"})
    void headerBombIsRefusedBeforeItIsAllocated(long claim, String shown) {
        refused(() -> open(file(claim, new byte[] {'{', '}'}, 0)), "memory", "at most 100000000", shown);
    }

    @Test
    void headerMayNotBeEmpty() {
        refused("", 0, "starts with {", "none");
    }

    @Test
    void fileCutShortIsRefused() throws IOException {
        byte[] whole = reference();
        Path path = Files.write(folder.resolve("cut"), Arrays.copyOf(whole, whole.length - 1));
        refused(
                () -> SafeTensors.open(path, Arena.ofAuto()),
                path + ": expected " + whole.length + " bytes",
                "cut short, 1 bytes missing; download it again");
    }

    @Test
    void fileWithMoreThanItsTensorsIsRefused() throws IOException {
        byte[] whole = reference();
        refused(() -> open(Arrays.copyOf(whole, whole.length + 1)), "memory", whole.length + " bytes", "too long");
    }

    // ---- the JSON

    @ParameterizedTest
    @ValueSource(strings = {" {}", "[]", "\n{}", "\ufeff{}", "null", "\"{}\""})
    void headerThatDoesNotStartWithABraceIsRefused(String header) {
        refused(header, 0, "starts with {");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{",
                "{\"a\"",
                "{\"a\":",
                "{}x",
                "{} {}",
                "{}\0",
                "{'a':1}",
                "{\"a\":{}",
                "{,}",
                "{\"__metadata__\":{},}",
                "{/**/}",
                "{\"a\":NaN}",
                "{\"a\":{\"dtype\"}}",
                "{\"a\":01}",
                "{\"a\nb\":{}}"
            })
    void headerThatIsNotOneJsonObjectIsRefused(String header) {
        refused(header, 0);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},"
                        + "\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}",
                "{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}",
                "{\"__metadata__\":{},\"__metadata__\":{}}",
                "{\"__metadata__\":{\"k\":\"1\",\"\\u006b\":\"2\"}}"
            })
    void duplicateKeysAreRefused(String header) {
        refused(header, 0, "Duplicate");
    }

    @ParameterizedTest
    @ValueSource(ints = {100, 10_000, 1_000_000})
    void deepNestingIsRefused(int depth) {
        refused("{\"a\":" + "[".repeat(depth) + "]".repeat(depth) + "}", 0, "depth at most 100");
        refused("{\"a\":{\"x\":" + "{\"x\":".repeat(depth) + "}".repeat(depth + 1) + "}", 0, "depth at most 100");
    }

    @Test
    void invalidUtf8IsRefused() {
        // A stray continuation, an overlong slash, half of a surrogate pair, a number above U+10FFFF, a cut sequence.
        for (String hex : List.of("80", "c0af", "eda080", "f4908080", "e282")) {
            byte[] header = ("{\"__metadata__\":{\"k\":\"" + "?".repeat(hex.length() / 2) + "\"}}")
                    .getBytes(StandardCharsets.US_ASCII);
            byte[] bad = HexFormat.of().parseHex(hex);
            System.arraycopy(bad, 0, header, 22, bad.length);
            refused(() -> open(file(header.length, header, 0)), "memory", "UTF-8");
        }
    }

    @Test
    void halfOfASurrogatePairIsRefused() {
        refused("{\"\\ud800\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}", 0, "\\ud800", "surrogate");
        refused("{\"__metadata__\":{\"k\":\"\\udc00\"}}", 0, "\\udc00", "surrogate");
    }

    @ParameterizedTest
    @ValueSource(strings = {"null", "[]", "\"x\"", "{\"k\":1}", "{\"k\":null}", "{\"k\":{}}", "{\"k\":[\"v\"]}"})
    void metadataOtherThanStringsIsRefused(String metadata) {
        refused("{\"__metadata__\":" + metadata + "}", 0, "__metadata__");
    }

    @Test
    void hostileNamesStayOnOneShortLine() {
        String name = "\\u001b[2J\\n".repeat(2000);
        refused("{\"" + name + "\":1}", 0, "\\u001b[2J\\u000a");
        refused("{\"a\":{\"dtype\":\"" + name + "\",\"shape\":[],\"data_offsets\":[]}}", 0, "\\u001b[2J\\u000a");
        refused("{\"" + "x".repeat(60_000) + "\":1}", 0, "valid JSON");
    }

    @Test
    void moreEntriesThanMemoryShouldHoldAreRefused() {
        StringBuilder metadata = new StringBuilder("{\"__metadata__\":{");
        StringBuilder tensors = new StringBuilder("{");
        for (int i = 0; i <= 500_000; i++) {
            metadata.append('"').append(i).append("\":\"\",");
            tensors.append('"').append(i).append("\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},");
        }
        metadata.append("\"k\":\"\"}}");
        tensors.append("\"__metadata__\":{}}");
        refused(metadata.toString(), 0, "memory, __metadata__", "500000", "more");
        refused(tensors.toString(), 0, "memory, tensors", "500000", "more");
    }

    // ---- the entries

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{\"shape\":[2],\"data_offsets\":[0,8]}",
                "{\"dtype\":\"F32\",\"data_offsets\":[0,8]}",
                "{\"dtype\":\"F32\",\"shape\":[2]}",
                "{}",
                "[]",
                "1",
                "null",
                "{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8],\"strides\":[1]}",
                "{\"dtype\":1,\"shape\":[2],\"data_offsets\":[0,8]}",
                "{\"dtype\":null,\"shape\":[2],\"data_offsets\":[0,8]}",
                "{\"dtype\":\"f32\",\"shape\":[2],\"data_offsets\":[0,8]}",
                "{\"dtype\":\"F128\",\"shape\":[2],\"data_offsets\":[0,8]}",
                "{\"dtype\":\"F32\",\"shape\":2,\"data_offsets\":[0,8]}",
                "{\"dtype\":\"F32\",\"shape\":[2.0],\"data_offsets\":[0,8]}",
                "{\"dtype\":\"F32\",\"shape\":[\"2\"],\"data_offsets\":[0,8]}",
                "{\"dtype\":\"F32\",\"shape\":[null],\"data_offsets\":[0,8]}",
                "{\"dtype\":\"F32\",\"shape\":[[2]],\"data_offsets\":[0,8]}",
                "{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}",
                "{\"dtype\":\"F32\",\"shape\":[-1,-2],\"data_offsets\":[0,8]}",
                "{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8]}",
                "{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8,8]}",
                "{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":{}}",
                "{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[-8,0]}",
                "{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8.0]}"
            })
    void entryThatIsNotATensorIsRefused(String entry) {
        refused("{\"a\":" + entry + "}", 8, "tensor \"a\"");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = ';',
            value = {
                "F32; 3; 0,8; 12 bytes for F32[3]; got 8 bytes",
                "F32; 2; 8,0; 8 bytes for F32[2]; got -8 bytes",
                "F32; 0; 0,8; 0 bytes for F32[0]; got 8 bytes",
                "F64; 4611686018427387904,2; 0,8; below 2^63; F64[4611686018427387904, 2]",
                "F64; 2305843009213693952; 0,8; below 2^63; F64[2305843009213693952]",
                "F32; 4294967296,4294967296; 0,0; below 2^63; F32[4294967296, 4294967296]",
                "F32; 4294967296,4294967296,0; 0,0; below 2^63; F32[4294967296, 4294967296, 0]",
                "F4; 3; 0,2; whole bytes; F4[3]"
            })
    void sizeThatIsNotThatOfTheShapeIsRefused(String dtype, String shape, String offsets, String expected, String got) {
        refused(
                "{\"a\":{\"dtype\":\"" + dtype + "\",\"shape\":[" + shape + "],\"data_offsets\":[" + offsets + "]}}",
                8,
                "tensor \"a\"",
                expected,
                got);
    }

    @Test
    void numbersBeyondALongAreRefused() {
        refused(TWO_FLOATS.replace("[2]", "[9223372036854775808]"), 8, "9223372036854775808");
        refused(TWO_FLOATS.replace("0,8", "0,18446744073709551616"), 8, "18446744073709551616");
        refused(TWO_FLOATS.replace("[2]", "[" + "9".repeat(100_000) + "]"), 8);
    }

    @Test
    void hugeOffsetsAreRefused() {
        String header =
                "{\"a\":{\"dtype\":\"U8\",\"shape\":[9223372036854775807],\"data_offsets\":[0,9223372036854775807]}}";
        int size = file(header, 8).length;
        refused(header, 8, Long.toUnsignedString(Long.MAX_VALUE + size - 8) + " bytes", size + " bytes", "cut short");
        refused(
                "{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[9223372036854775806,9223372036854775807]}}",
                1,
                "offset 0",
                "a hole");
    }

    @Test
    void shapeOfManyDimensionsIsRefused() {
        String ones = IntStream.range(0, 65).mapToObj(i -> "1").collect(Collectors.joining(","));
        refused("{\"a\":{\"dtype\":\"U8\",\"shape\":[" + ones + "],\"data_offsets\":[0,1]}}", 1, "64");
    }

    @Test
    void holeBetweenTensorsIsRefused() {
        refused(pair("0,4", "5,9"), 9, "tensor \"b\"", "offset 4", "offset 5, a hole");
        refused(pair("1,5", "5,9"), 9, "tensor \"a\"", "offset 0", "offset 1, a hole");
    }

    @Test
    void overlappingTensorsAreRefused() {
        refused(pair("0,4", "3,7"), 7, "tensor \"b\"", "offset 4", "offset 3, an overlap");
        refused(pair("0,4", "0,4"), 4, "offset 4", "offset 0, an overlap");
    }

    private static String pair(String first, String second) {
        return "{\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[" + second + "]},"
                + "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[" + first + "]}}";
    }

    static byte[] reference() throws IOException {
        try (InputStream in = Objects.requireNonNull(
                SafeTensorsTest.class.getResourceAsStream("/dev/causal4j/golden/gpt2-odd/model.safetensors"))) {
            return in.readAllBytes();
        }
    }
}
