package dev.causal4j.kernel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.causal4j.compute.Rows;
import dev.causal4j.format.BlockType;
import dev.causal4j.kernel.GroupFormat.Blocks;
import dev.causal4j.kernel.GroupFormat.Scales;
import dev.causal4j.kernel.choice.ProvidedKernels;
import dev.causal4j.machine.MachineKernels;
import dev.causal4j.tensor.Groups;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.random.RandomGenerator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Each kernel of this processor has the bits of {@link Products}, the specification, which lies in this package. */
class MachineProductsTest {
    private static final int WIDTH = Panels.WIDTH;
    private static final int ROWS = 50;

    /** Blocks of two levels, the last of them partial. */
    private static final int DEPTH = 352;

    private static final float[] SCALES = {
        0f, Float.NaN, Float.MIN_VALUE, Float.MIN_NORMAL, 1e-20f, 1f, 1e30f, Float.MAX_VALUE, 0.013f
    };

    private static final float[] INPUTS = {
        Float.NaN,
        Float.POSITIVE_INFINITY,
        Float.NEGATIVE_INFINITY,
        Float.MAX_VALUE,
        -0f,
        Float.MIN_VALUE,
        127 * Float.MIN_NORMAL,
        Math.nextDown(127 * Float.MIN_NORMAL),
        1e30f,
        0.5f,
        -126.5f
    };

    /** Of rows that are not decoded. */
    private static final GroupFormat.Decoder NONE = (_, _, _, _) -> {};

    @BeforeAll
    static void hasKernels() {
        assumeTrue(new MachineKernels().isUsable(), "kernels for this system");
    }

    @AfterEach
    void unrestricted() {
        System.clearProperty(MachineKernels.PROPERTY);
    }

    /** The products of each set of instructions that this processor has. */
    private static List<Products> sets() {
        List<Products> found = new ArrayList<>();
        for (String set : List.of("avx2", "avxvnni", "avx512", "amx", "dotprod")) {
            System.setProperty(MachineKernels.PROPERTY, set);
            try {
                found.add(new MachineKernels().products());
            } catch (IllegalStateException e) {
                assertThat(e).hasMessageContaining("got " + set);
            }
        }
        assertThat(found).isNotEmpty();
        return found;
    }

    private static Panels panels(GroupFormat format, int count, int depth, RandomGenerator random) {
        long bytes = format.bytes(depth);
        MemorySegment data = Arena.ofAuto().allocate(count * bytes, 64);
        for (int p = 0; p < count; p++) {
            format.encodeRandom(random, depth, data, p * bytes);
        }
        return new Panels(format, data, 0, bytes, count, depth);
    }

    /** Rounded rows with codes from -127 to 127, many of them the largest, and special scales. */
    private static RoundedRows inputs(GroupFormat format, int rows, int depth, SplittableRandom random) {
        RoundedRows x = RoundedRows.of(format, depth, rows);
        for (int r = 0; r < rows; r++) {
            for (int g = 0; g < depth / 32; g++) {
                int at = x.scaleAt(r, g);
                x.scales()[at] = SCALES[random.nextInt(4) == 0 ? random.nextInt(SCALES.length) : SCALES.length - 1];
                int all = random.nextInt(4);
                for (int k = 0; k < 32; k++) {
                    int q = all == 0 ? 127 : all == 1 ? -127 : all == 2 ? 0 : random.nextInt(-127, 128);
                    x.codes()[32 * at + k] = (byte) q;
                    x.sums()[x.sumAt(r, (32 * g + k) / format.group())] += q;
                }
            }
        }
        return x;
    }

    private static float[] multiply(Products products, Panels w, RoundedRows x) {
        int stride = w.count() * WIDTH + 3;
        float[] y = new float[2 + x.count() * stride];
        Arrays.fill(y, 7f); // numbers between rows stay
        products.multiply(w, x, new Rows(y, 2, stride, x.count()));
        return y;
    }

    private static void compare(List<Products> sets, Panels w, RoundedRows x) {
        float[] expected = multiply(new Products(), w, x);
        for (Products each : sets) {
            assertThat(multiply(each, w, x))
                    .as(w.format() + ", rows " + x.count())
                    .isEqualTo(expected);
        }
    }

    @Test
    void eachFormatAndNumberOfRowsHasTheBitsOfTheSpecification() {
        List<Products> sets = sets();
        GroupFormat.all().forEach(format -> {
            SplittableRandom random = new SplittableRandom(3);
            Panels w = panels(format, 2, DEPTH, random);
            for (int rows = 1; rows <= ROWS; rows += rows < 20 ? 1 : 3) {
                compare(sets, w, inputs(format, rows, DEPTH, random));
            }
        });
    }

    @Test
    void extremeCodesHaveTheBitsOfTheSpecification() {
        List<Products> sets = sets();
        for (byte code : new byte[] {(byte) 0x80, -1, 0, 127, 15}) {
            RandomGenerator same = new RandomGenerator() {
                private final SplittableRandom random = new SplittableRandom(code);

                @Override
                public long nextLong() {
                    return random.nextLong();
                }

                @Override
                public void nextBytes(byte[] codes) {
                    Arrays.fill(codes, code);
                }

                @Override
                public double nextGaussian() {
                    return random.nextBoolean() ? 65504 : -1e-7; // the largest number of f16, and a subnormal one
                }
            };
            GroupFormat.all().forEach(format -> {
                Panels w = panels(format, 1, DEPTH, same);
                for (int rows : new int[] {1, 5, 16, 23}) {
                    compare(sets, w, inputs(format, rows, DEPTH, new SplittableRandom(rows)));
                }
            });
        }
    }

    @Test
    void scalesThatAreNotFiniteHaveTheBitsOfTheSpecification() {
        List<Products> sets = sets();
        short[] bad = {0x7c00, (short) 0xfc00, 0x7e01, (short) 0xfc01};
        GroupFormat.all().filter(format -> format.scales() != Scales.FLOATS).forEach(format -> {
            Panels w = panels(format, 1, 96, new SplittableRandom(9));
            for (int n = 0; n < 64; n += 5) {
                long at = format.headBytes() > 0 ? format.headAt(n % 3) : format.numbersAt(n % 3);
                w.memory().set(Panels.SHORT, at + 2L * n, bad[n % bad.length]);
            }
            for (int rows : new int[] {1, 2, 5, 23}) {
                compare(sets, w, inputs(format, rows, 96, new SplittableRandom(rows)));
            }
        });
    }

    @Test
    void anyNumberOfPanelsAndARangeOfTilesHaveTheBitsOfTheSpecification() {
        List<Products> sets = sets();
        SplittableRandom random = new SplittableRandom(5);
        GroupFormat format = GroupFormat.INT4;
        Panels all = panels(format, 5, 96, random);
        RoundedRows x = inputs(format, 41, 96, random);
        for (int count = 1; count <= 5; count++) {
            Panels w = new Panels(format, all.memory(), all.stride() * (5 - count), all.stride(), count, 96);
            compare(sets, w, x);
            compare(sets, w, x.rows(16, 9));
            compare(sets, w, x.rows(32, 9));
            compare(sets, w, inputs(format, 1, 96, random));
        }
    }

    @Test
    void aProductThatIsDividedIntoCallsHasTheBitsOfTheSpecification() {
        SplittableRandom random = new SplittableRandom(6);
        Panels w = panels(GroupFormat.INT8, 3, 4096, random);
        compare(sets(), w, inputs(GroupFormat.INT8, 130, 4096, random));
    }

    @Test
    void roundingHasTheBitsOfTheSpecification() {
        List<Products> sets = sets();
        SplittableRandom random = new SplittableRandom(7);
        GroupFormat halves = new GroupFormat(8, true, 16, false, GroupFormat.Scales.LEVELS);
        for (GroupFormat format : List.of(GroupFormat.INT8, halves)) {
            for (int rows : new int[] {1, 2, 16, 35}) {
                int stride = DEPTH + 5;
                float[] numbers = new float[3 + rows * stride];
                for (int i = 0; i < numbers.length; i++) {
                    numbers[i] = random.nextInt(40) == 0
                            ? INPUTS[random.nextInt(INPUTS.length)]
                            : (float) Math.scalb(random.nextGaussian(), random.nextInt(-20, 20));
                }
                Rows x = new Rows(numbers, 3, stride, rows);
                RoundedRows expected = rounded(new Products(), format, x);
                for (Products each : sets) {
                    RoundedRows actual = rounded(each, format, x);
                    assertThat(actual.codes()).isEqualTo(expected.codes());
                    assertThat(actual.scales()).isEqualTo(expected.scales());
                    assertThat(actual.sums()).isEqualTo(expected.sums());
                }
            }
        }
    }

    private static RoundedRows rounded(Products products, GroupFormat format, Rows x) {
        RoundedRows rounded = RoundedRows.of(format, DEPTH, x.count());
        Arrays.fill(rounded.codes(), (byte) 5);
        for (int tile = 0; tile < rounded.tiles(); tile++) {
            products.round(x, rounded, tile);
        }
        return rounded;
    }

    @Test
    void rowsInBlocksOfEachTypeArePackedToTheBytesThatJavaGives() {
        Products products = new MachineKernels().products();
        SplittableRandom random = new SplittableRandom(8);
        int depth = 768;
        for (BlockType type : BlockType.values()) {
            if (type.elements() == 1) { // floats
                continue;
            }
            GroupFormat format = format(type.groups());
            byte[] expected = new byte[(int) format.bytes(depth)];
            byte[] actual = new byte[expected.length];
            List<Blocks> rows = new ArrayList<>();
            GroupFormat.Codes codes = (row, c, s, m) ->
                    type.decode(rows.get(row).data(), 0, depth, c, s, m, upper(format, depth, s.length));
            int refused = 0;
            for (int row = 0; row < WIDTH; ) { // most of all bytes, and scales that are not finite
                byte[] bytes = new byte[depth / type.elements() * type.bytes()];
                random.nextBytes(bytes);
                rows.add(new Blocks(type.id(), MemorySegment.ofArray(bytes), NONE));
                byte[] before = actual.clone();
                if (products.pack(format, depth, rows.getLast(), actual, row)) {
                    row++;
                } else {
                    int last = row;
                    MemorySegment panel = MemorySegment.ofArray(before);
                    assertThatThrownBy(() -> new GroupPacker(format, depth).pack(last, last + 1, panel, 0, codes))
                            .hasMessageContaining("expected finite scales and minimums");
                    actual = before;
                    rows.removeLast();
                    refused++;
                }
            }
            new GroupPacker(format, depth).pack(0, WIDTH, MemorySegment.ofArray(expected), 0, codes);
            assertThat(actual).as(type.name()).isEqualTo(expected);
            assertThat(refused > 0).as(type.name()).isEqualTo(type != BlockType.MXFP4);
        }
        Blocks other = new Blocks(0, MemorySegment.ofArray(new byte[4096]), NONE);
        assertThat(products.pack(GroupFormat.INT8, depth, other, new byte[65536], 0))
                .isFalse();
    }

    @Test
    void theExamAdmitsEachSetInEachFormat() {
        for (Products each : sets()) {
            GroupFormat.all()
                    .forEach(format -> assertThat(ProvidedKernels.hasBits(each, format))
                            .as(format.toString())
                            .isTrue());
        }
    }

    @Test
    void onePackedByteThatIsWrongRefusesTheCode() {
        Products products = new MachineKernels().products();
        for (BlockType type : BlockType.values()) {
            for (int place : type.elements() == 1 ? new int[0] : new int[] {-1, 0, 31, 32, 63}) {
                Products wrong = new Products() {
                    @Override
                    public boolean pack(GroupFormat format, int depth, Blocks row, byte[] panel, int j) {
                        boolean packs = products.pack(format, depth, row, panel, j);
                        panel[(int) format.codesAt(1) + 4 * (j % 32)] ^= (byte) (j != place ? 0 : j < 32 ? 1 : 16);
                        return packs;
                    }
                };
                GroupFormat format = format(type.groups());
                assertThat(new ProvidedKernels(new MachineKernels(), wrong)
                                .pack(format, 256, row(type), new byte[(int) format.bytes(256)], 5))
                        .as(type + " at " + place)
                        .isEqualTo(place < 0);
            }
        }
    }

    /** A row of 256 zeros in blocks. */
    static Blocks row(BlockType type) {
        GroupFormat format = format(type.groups());
        MemorySegment zeros = MemorySegment.ofArray(new byte[256 / type.elements() * type.bytes()]);
        return new Blocks(
                type.id(),
                zeros,
                (data, codes, s, m) ->
                        type.decode(data, 0, codes.length, codes, s, m, upper(format, codes.length, s.length)));
    }

    static GroupFormat format(Groups groups) {
        Scales scales = groups.twoLevels() ? Scales.LEVELS : groups.wide() ? Scales.FLOATS : Scales.HALVES;
        return new GroupFormat(groups.bits(), groups.signed(), groups.group(), groups.minimum(), scales);
    }

    /** Where the upper of two levels begins in scales. */
    private static int upper(GroupFormat format, int depth, int scales) {
        return format.scales() == Scales.LEVELS ? depth / format.group() : scales;
    }

    @Test
    void instructionsThatTheProcessorLacksAreRefusedByName() {
        System.setProperty(MachineKernels.PROPERTY, "sse");
        assertThatThrownBy(() -> new MachineKernels().products())
                .isInstanceOf(IllegalStateException.class)
                .hasMessageMatching(
                        "-Dcausal4j.machine: expected instructions of this processor \\([a-z0-9, ]+\\), got sse");
    }
}
