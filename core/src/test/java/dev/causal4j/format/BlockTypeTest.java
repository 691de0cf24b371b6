package dev.causal4j.format;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.FormatException;
import dev.causal4j.format.TensorStore.Stored;
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

    /** Blocks of llama.cpp's quantiser, arbitrary ones and extremes, with the floats its library makes of them. */
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
        int group = type.panels().group();
        byte[] codes = new byte[count];
        float[] scales = new float[count / group];
        float[] minimums = new float[count / group];
        type.decode(fixture.blocks(), ODD, count, codes, scales, minimums);
        float[] actual = new float[count];
        int least = 0;
        int most = 0;
        for (int i = 0; i < count; i++) {
            int g = i / group;
            actual[i] = type.panels().minimum() ? Math.fma(codes[i], scales[g], minimums[g]) : codes[i] * scales[g];
            least = Math.min(least, codes[i]);
            most = Math.max(most, codes[i]);
        }
        assertSameBits(actual, fixture.floats());
        assertThat(most - least < 16).isEqualTo(type.panels().bits() == 4);
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
        Attack.refused(() -> BlockType.of("x", 16), "x", "type IQ2_XXS", "Q4_K", "quantisation");
        Attack.refused(() -> BlockType.of("x", 4), "x", "type Q4_2");
        Attack.refused(() -> BlockType.of("x", 40), "x", "type NVFP4");
        Attack.refused(() -> BlockType.of("x", 41), "x", "type 41");
        Attack.refused(() -> BlockType.of("x", -1), "x", "type 4294967295");
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
