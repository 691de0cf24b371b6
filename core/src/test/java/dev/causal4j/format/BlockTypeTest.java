package dev.causal4j.format;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.FormatException;
import dev.causal4j.format.TensorStore.Stored;
import dev.causal4j.json.Refusal;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.ObjectMapper;

class BlockTypeTest {
    /** Bytes before the blocks in memory: nothing is aligned. */
    private static final int ODD = 13;

    /** Blocks of llama.cpp's quantiser, arbitrary ones and extremes, with the floats that its library decodes. */
    private static final JsonNode GOLDEN = golden();

    @ParameterizedTest
    @EnumSource
    void floatsHaveTheBitsOfTheReference(BlockType type) throws FormatException {
        Fixture fixture = Fixture.of(type);
        int count = fixture.floats().length;
        float[] actual = new float[count + 2];
        MemorySegment data = fixture.blocks().asSlice(ODD);
        Stored stored = new Stored("memory", type.name(), List.of((long) count), data);
        new TensorStore("memory", Map.of("x", stored), Map.of()).tensor("x").copyTo(0, actual, 1, count);
        assertSameBits(Arrays.copyOfRange(actual, 1, count + 1), fixture.floats());
        assertThat(actual[0]).isZero();
        assertThat(actual[count + 1]).isZero();
    }

    @ParameterizedTest
    @EnumSource(
            mode = EnumSource.Mode.EXCLUDE,
            names = {"F32", "F16", "BF16"})
    void everyBlockIsDecodedAlike(BlockType type) {
        Fixture fixture = Fixture.of(type);
        int each = type.elements();
        float[] actual = new float[fixture.floats().length];
        for (int i = 0; i < actual.length; i += each) {
            type.widen(fixture.blocks(), ODD + (long) (i / each) * type.bytes(), each, actual, i);
        }
        assertSameBits(actual, fixture.floats());
    }

    @ParameterizedTest
    @EnumSource(
            mode = EnumSource.Mode.EXCLUDE,
            names = {"F32", "F16", "BF16"})
    void codesScalesAndMinimumsGiveTheFloats(BlockType type) {
        Fixture fixture = Fixture.of(type);
        int count = fixture.floats().length;
        int group = type.groups().group();
        byte[] codes = new byte[count];
        float[] scales = new float[count / group];
        float[] minimums = new float[count / group];
        type.decode(fixture.blocks(), ODD, count, codes, scales, minimums, scales.length);
        float[] actual = new float[count];
        int least = 0;
        int most = 0;
        for (int i = 0; i < count; i++) {
            int g = i / group;
            actual[i] = type.groups().minimum() ? Math.fma(codes[i], scales[g], minimums[g]) : codes[i] * scales[g];
            least = Math.min(least, codes[i]);
            most = Math.max(most, codes[i]);
        }
        assertSameBits(actual, fixture.floats());
        assertThat(most - least < 16).isEqualTo(type.groups().bits() == 4);
    }

    @ParameterizedTest
    @EnumSource
    void blocksHaveTheSizeOfTheFormat(BlockType type) {
        JsonNode golden = GOLDEN.get(type.name());
        assertThat(type.elements()).isEqualTo(golden.get("elements").asInt());
        assertThat(type.bytes()).isEqualTo(golden.get("bytes").asInt());
    }

    @Test
    void typesGoByTheirNumber() throws IOException {
        for (BlockType type : BlockType.values()) {
            assertThat(BlockType.of("x", GOLDEN.get(type.name()).get("type").asInt()))
                    .isEqualTo(type);
        }
    }

    @Test
    void otherTypesAreRefusedByName() {
        Refusal.refused(() -> BlockType.of("x", 16), "x", "type IQ2_XXS", "Q4_K", "quantisation");
        Refusal.refused(() -> BlockType.of("x", 4), "x", "type Q4_2");
        Refusal.refused(() -> BlockType.of("x", 40), "x", "type NVFP4");
        Refusal.refused(() -> BlockType.of("x", 41), "x", "type 41");
        Refusal.refused(() -> BlockType.of("x", -1), "x", "type 4294967295");
    }

    /**
     * The first three of each type come from llama.cpp's quantiser, which gives the largest number the outermost code.
     */
    @ParameterizedTest
    @EnumSource(names = {"F32", "F16", "BF16", "Q8_0", "Q4_0"})
    void whatTheQuantiserMadeIsEncodedToTheSameBytes(BlockType type) {
        Fixture fixture = Fixture.of(type);
        int count = 3 * 32;
        byte[] bytes = new byte[ODD + count / type.elements() * type.bytes()];
        MemorySegment actual = MemorySegment.ofArray(bytes);
        type.encode(Arrays.copyOf(fixture.floats(), count), actual, ODD);
        MemorySegment expected = fixture.blocks().asSlice(ODD, bytes.length - ODD);
        assertThat(actual.asSlice(ODD).mismatch(expected)).isEqualTo(-1);
    }

    @Test
    void halvesAreRoundedAwayFromZeroAndEdgesStayInside() {
        float[] numbers = new float[32];
        numbers[0] = 127;
        numbers[1] = 0.5f;
        numbers[2] = -0.5f;
        numbers[3] = Math.nextDown(0.5f);
        numbers[31] = -126.5f;
        byte[] q8 = new byte[34];
        BlockType.Q8_0.encode(numbers, MemorySegment.ofArray(q8), 0);
        assertThat(q8).startsWith(0x00, 0x3c, 127, 1, -1, 0).endsWith(-127);
        float[] positive = new float[32];
        positive[0] = -8;
        positive[1] = 8; // would be 16
        byte[] q4 = new byte[18];
        BlockType.Q4_0.encode(positive, MemorySegment.ofArray(q4), 0);
        assertThat(q4).startsWith(0x00, 0x3c, 0x80, 0x8f, 0x88);
    }

    @Test
    void whatHalvesCannotHoldAndOtherTypesAreNotEncoded() {
        MemorySegment to = MemorySegment.ofArray(new byte[256]);
        for (float wrong : new float[] {Float.NaN, Float.POSITIVE_INFINITY, 1e30f}) {
            float[] numbers = new float[32];
            numbers[17] = wrong;
            for (BlockType type : List.of(BlockType.F16, BlockType.Q8_0, BlockType.Q4_0)) {
                assertThatThrownBy(() -> type.encode(numbers, to, 0))
                        .isInstanceOf(IllegalArgumentException.class)
                        .hasMessageStartingWith(type + ": expected finite weights");
            }
        }
        assertThatThrownBy(() -> BlockType.Q4_K.encode(new float[256], to, 0))
                .isInstanceOf(UnsupportedOperationException.class);
    }

    @Test
    void cutBlocksAreRefused() {
        MemorySegment data = MemorySegment.ofArray(new byte[144]);
        assertThatThrownBy(() -> BlockType.Q4_K.widen(data, 0, 32, new float[256], 0))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("whole blocks");
        assertThatThrownBy(() -> BlockType.Q4_K.widen(data, 1, 256, new float[256], 0))
                .isInstanceOf(IndexOutOfBoundsException.class);
    }

    private record Fixture(MemorySegment blocks, float[] floats) {
        static Fixture of(BlockType type) {
            StringBuilder blocks = new StringBuilder("ff".repeat(ODD));
            StringBuilder floats = new StringBuilder();
            for (JsonNode each : GOLDEN.get(type.name()).get("blocks")) {
                blocks.append(each.get("block").asString());
                floats.append(each.get("f32le").asString());
            }
            ByteBuffer bytes = ByteBuffer.wrap(HexFormat.of().parseHex(floats)).order(ByteOrder.LITTLE_ENDIAN);
            float[] numbers = new float[bytes.remaining() / Float.BYTES];
            bytes.asFloatBuffer().get(numbers);
            return new Fixture(MemorySegment.ofArray(HexFormat.of().parseHex(blocks)), numbers);
        }
    }

    private static void assertSameBits(float[] actual, float[] expected) {
        assertThat(bits(actual)).isEqualTo(bits(expected));
    }

    private static List<String> bits(float[] numbers) {
        String[] bits = new String[numbers.length];
        Arrays.setAll(bits, i -> numbers[i] + " " + Integer.toHexString(Float.floatToRawIntBits(numbers[i])));
        return List.of(bits);
    }

    private static JsonNode golden() {
        try (InputStream in = Objects.requireNonNull(
                BlockTypeTest.class.getResourceAsStream("/dev/causal4j/golden/gguf/blocks.json"))) {
            return new ObjectMapper().readTree(in);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }
}
