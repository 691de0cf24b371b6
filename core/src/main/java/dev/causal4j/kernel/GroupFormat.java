package dev.causal4j.kernel;

import dev.causal4j.compute.Rows;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.random.RandomGenerator;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The storage of a panel of 64 outputs whose weights are codes of 4 or 8 bits with a scale, and perhaps a minimum, for
 * each output and group of inputs: weight = code · scale + minimum. Immutable.
 *
 * <p>A panel is its groups in order, each with the scales and minimums of 64 outputs, then their codes, in one stream.
 * The codes of four inputs of an output are a word. Codes of 8 bits are {@code [group / 4][64 outputs][4 inputs]}
 * bytes, stored with 128 added. Codes of 4 bits are {@code [group / 4][32][4]} bytes, output j in the low half of a
 * byte and j + 32 in the high half; signed codes are stored with 8 added.
 *
 * <p>Inputs are rounded to whole numbers q with a scale s ({@link RoundedRows}), and a product is, for its groups in
 * order from y = +0: y = fma(D, w · s, y), then with minimums y = fma(n, s · X, y). D is the sum of q · code and X the
 * sum of q: whole numbers below 2^24, exact in any order, in ints and in f32.
 *
 * @param bits bits of a code: 4 or 8
 * @param signed whether codes of 4 bits are -8 to 7, not 0 to 15; codes of 8 bits are always -128 to 127
 * @param group inputs of a group: 32 or 16
 * @param scales how scales and minimums are stored
 */
public record GroupFormat(int bits, boolean signed, int group, boolean minimum, Scales scales) implements WeightFormat {
    /** How the scales and minimums of a group are stored: 64 scales, then 64 minimums if the format has some. */
    public enum Scales {
        /** In f16. */
        HALVES,
        /** In f32. */
        FLOATS,
        /**
         * In two levels: w = d · sc and n = -(dmin · m), both exact in f32. Signed bytes sc and m are in their group; d
         * and dmin are in f16, before the first group of each {@value GroupFormat#BLOCK} inputs.
         */
        LEVELS
    }

    /** The format of weights quantised here to 4 bits, scales and minimums in f16. */
    public static final GroupFormat INT4 = new GroupFormat(4, false, 32, true, Scales.HALVES);

    /** The format of weights quantised here to 8 bits, scales in f16. */
    public static final GroupFormat INT8 = new GroupFormat(8, true, 32, false, Scales.HALVES);

    /** Inputs that share the upper of two levels. */
    static final int BLOCK = 256;

    private static final int WIDTH = Panels.WIDTH;

    /** Bytes of 64 numbers in f16. */
    static final int HALVES_BYTES = 2 * WIDTH;

    public GroupFormat {
        if (bits == 4 && signed && minimum) {
            throw new IllegalArgumentException("codes around 8: expected no minimums, got some");
        }
    }

    /** All formats of weights in files, and the formats that hold several of them. */
    public static Stream<GroupFormat> all() {
        List<Boolean> both = List.of(false, true);
        return Stream.of(16, 32)
                .flatMap(group -> both.stream()
                        .flatMap(minimum -> Stream.of(Scales.values())
                                .flatMap(scales -> Stream.of(
                                        new GroupFormat(8, true, group, minimum, scales),
                                        new GroupFormat(4, !minimum, group, minimum, scales)))));
    }

    @Override
    public String label() {
        return "int" + bits;
    }

    /** For instance {@code INT4/32 MINIMUMS LEVELS}. No two formats in {@link #all} differ in their signs alone. */
    @Override
    public String toString() {
        return "INT" + bits + "/" + group + (minimum ? " MINIMUMS " : " ") + scales;
    }

    /** Inputs are rounded in groups of 32. */
    @Override
    public int multiple() {
        return RoundedRows.GROUP;
    }

    /** Groups of this many inputs. */
    int groups(int depth) {
        return depth / group;
    }

    /** How many scales a row has: one for each group, then the upper level's if there are two levels. */
    int scales(int depth) {
        return groups(depth) + (scales == Scales.LEVELS ? Math.ceilDiv(depth, BLOCK) : 0);
    }

    /** Bytes of 64 scales of a group, or of 64 minimums. */
    int scaleBytes() {
        return switch (scales) {
            case HALVES -> HALVES_BYTES;
            case FLOATS -> 4 * WIDTH;
            case LEVELS -> WIDTH;
        };
    }

    /** Bytes of a group's codes. */
    private int codesBytes() {
        return group * WIDTH * bits / 8;
    }

    /** Bytes of a group. */
    int groupBytes() {
        return scaleBytes() * (minimum ? 2 : 1) + codesBytes();
    }

    /** Bytes of the upper level of a block. */
    int headBytes() {
        return scales == Scales.LEVELS ? HALVES_BYTES * (minimum ? 2 : 1) : 0;
    }

    /** Bytes from the start of a panel to the upper level of group {@code g}. */
    long headAt(int g) {
        int block = g * group / BLOCK;
        return (long) block * headBytes() + (long) block * (BLOCK / group) * groupBytes();
    }

    /** Bytes from the start of a panel to the scales of group {@code g}; minimums follow, then codes. */
    long numbersAt(int g) {
        return (long) (g * group / BLOCK + 1) * headBytes() + (long) g * groupBytes();
    }

    /** Bytes from the start of a panel to the codes of group {@code g}. */
    long codesAt(int g) {
        return numbersAt(g) + groupBytes() - codesBytes();
    }

    @Override
    public long bytes(int depth) {
        return (long) Math.ceilDiv(depth, BLOCK) * headBytes() + (long) groups(depth) * groupBytes();
    }

    /** The number that is added to stored codes. */
    int zero() {
        return bits == 8 ? 128 : signed ? 8 : 0;
    }

    /** The code of step k, output j. */
    private int code(MemorySegment m, long panel, int k, int j) {
        int held = bits == 8 ? WIDTH : WIDTH / 2; // words of four inputs
        long word = panel + codesAt(k / group) + (k % group / 4 * held + j % held) * 4L;
        byte stored = m.get(ValueLayout.JAVA_BYTE, word + k % 4);
        return ((stored >> (j / held * 4)) & ((1 << bits) - 1)) - zero();
    }

    /** The scale of group g, output j. */
    float scale(MemorySegment m, long panel, int g, int j) {
        return number(m, panel + headAt(g), panel + numbersAt(g), j);
    }

    /** The minimum of group g, output j, if the format has some. */
    float least(MemorySegment m, long panel, int g, int j) {
        float least = number(m, panel + headAt(g) + HALVES_BYTES, panel + numbersAt(g) + scaleBytes(), j);
        return scales == Scales.LEVELS ? -least : least;
    }

    private float number(MemorySegment m, long head, long numbers, int j) {
        return switch (scales) {
            case HALVES -> half(m, numbers, j);
            case FLOATS -> m.get(Panels.FLOAT, numbers + 4L * j);
            case LEVELS -> half(m, head, j) * m.get(ValueLayout.JAVA_BYTE, numbers + j);
        };
    }

    private static float half(MemorySegment m, long at, int j) {
        return Float.float16ToFloat(m.get(Panels.SHORT, at + 2L * j));
    }

    @Override
    public float weight(MemorySegment m, long panel, int depth, int k, int j) {
        float scale = scale(m, panel, k / group, j);
        int code = code(m, panel, k, j);
        return minimum ? Math.fma(code, scale, least(m, panel, k / group, j)) : code * scale;
    }

    @Override
    public float output(MemorySegment m, long panel, int j, int depth, float[] x, int offset) {
        Rows row = new Rows(x, offset, depth, 1);
        RoundedRows rounded = RoundedRows.of(this, depth, 1);
        new Products().round(row, rounded, 0);
        float y = 0;
        for (int g = 0; g < groups(depth); g++) {
            int dot = 0;
            for (int k = g * group; k < (g + 1) * group; k++) {
                dot += rounded.codes()[k] * code(m, panel, k, j);
            }
            float least = minimum ? least(m, panel, g, j) : 0;
            float s = rounded.scales()[g * group / RoundedRows.GROUP];
            y = add(y, dot, scale(m, panel, g, j), least, s, rounded.sums()[g]);
        }
        return y;
    }

    /** Adds a group to an output: y = fma(D, w · s, y), then fma(n, s · X, y) if there are minimums. */
    float add(float y, int dot, float scale, float least, float s, int sum) {
        float scaled = Math.fma(dot, scale * s, y);
        return minimum ? Math.fma(least, s * sum, scaled) : scaled;
    }

    @Override
    public void steps(MemorySegment m, long panel, int depth, int from, int count, float[] target) {
        for (int i = 0; i < count * WIDTH; i++) {
            target[i] = weight(m, panel, depth, from + i / WIDTH, i % WIDTH);
        }
    }

    /**
     * Quantises numbers: to 4 bits with minimums, or to 8 bits around 0.
     *
     * @throws IllegalStateException for other formats: their codes come from files
     */
    @Override
    public void encode(float[] wide, int first, MemorySegment to, long at) {
        if (!equals(INT4) && !equals(INT8)) {
            throw new IllegalStateException("quantising: expected int4 or int8, got " + this);
        }
        float[] numbers = new float[wide.length / WIDTH];
        new GroupPacker(this, numbers.length).pack(first, first + WIDTH, to, at, (row, codes, scales, minimums) -> {
            for (int k = 0; k < numbers.length; k++) {
                numbers[k] = wide[k * WIDTH + row - first];
            }
            if (minimum) {
                GroupEncoding.quantise(this, numbers, row, codes, scales, minimums);
            } else {
                GroupEncoding.quantise(this, numbers, row, codes, scales);
            }
        });
    }

    /** Copies a group: codes [group, 64], scales, and minimums if the format has some. */
    void group(MemorySegment m, long panel, int g, float[] codes, float[] scales, float[] minimums) {
        int[] words = m.asSlice(panel + codesAt(g), codesBytes()).toArray(Panels.INT);
        int held = bits == 8 ? WIDTH : WIDTH / 2; // words of four inputs
        for (int i = 0; i < words.length; i++) {
            int to = i / held * 4 * WIDTH + i % held;
            for (int n = 0; n < 32; n += 8, to += WIDTH) {
                codes[to] = ((words[i] >>> n) & ((1 << bits) - 1)) - zero();
                if (bits == 4) {
                    codes[to + held] = ((words[i] >>> (n + 4)) & 15) - zero();
                }
            }
        }
        for (int j = 0; j < WIDTH; j++) {
            scales[j] = scale(m, panel, g, j);
            minimums[j] = minimum ? least(m, panel, g, j) : 0;
        }
    }

    /** Stores a panel of random weights, for comparisons of bits. */
    public void encodeRandom(RandomGenerator random, int depth, MemorySegment to, long at) {
        new GroupPacker(this, depth).pack(0, WIDTH, to, at, (_, codes, scales, minimums) -> {
            random.nextBytes(codes);
            for (int k = 0; k < codes.length; k++) {
                codes[k] = (byte) ((codes[k] & ((1 << bits) - 1)) - (signed ? 1 << (bits - 1) : 0));
            }
            for (int g = 0; g < scales.length; g++) {
                boolean whole = scales() == Scales.LEVELS && g < groups(depth);
                scales[g] = whole ? random.nextInt(-128, 128) : GroupEncoding.half(random.nextGaussian());
                minimums[g] = whole ? random.nextInt(128) : GroupEncoding.half(random.nextGaussian());
            }
        });
    }

    /** The source of a panel's codes. */
    @FunctionalInterface
    public interface Codes {
        /**
         * Fills the codes of a row, one for each input, and its scales and minimums, one for each group. With two
         * levels these are sc and m for each group, then d and dmin for each 256 inputs.
         */
        void row(int row, byte[] codes, float[] scales, float[] minimums);

        /** The row's GGUF blocks, or null if their groups differ from this format's. */
        default @Nullable Blocks blocks(int row) {
            return null;
        }
    }

    /**
     * A row in blocks of a GGUF file, for kernels that pack them.
     *
     * @param type the number of their type in the file
     * @param decoder reads rows of the type
     */
    public record Blocks(int type, MemorySegment data, Decoder decoder) {}

    /** Reads a row in blocks, see {@link Codes#row}. */
    @FunctionalInterface
    public interface Decoder {
        /** Fills as many codes as there are, and scales and minimums in the format's groups. */
        void decode(MemorySegment blocks, byte[] codes, float[] scales, float[] minimums);
    }
}
