package dev.causal4j.kernel.choice;

import dev.causal4j.compute.Rows;
import dev.causal4j.kernel.GroupFormat;
import dev.causal4j.kernel.GroupFormat.Blocks;
import dev.causal4j.kernel.GroupPacker;
import dev.causal4j.kernel.JavaKernels;
import dev.causal4j.kernel.Panels;
import dev.causal4j.kernel.Products;
import dev.causal4j.kernel.RoundedRows;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Iterator;
import java.util.Map;
import java.util.Objects;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;
import java.util.SplittableRandom;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.BooleanSupplier;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Kernels of a {@link KernelProvider}. It multiplies by weights of a format after an exam, on the first such weights,
 * has found the bits of the specification. One wrong bit disables it for the rest of the process. Thread-safe.
 */
public final class ProvidedKernels {
    /** Nothing: Java multiplies by all weights. */
    static final ProvidedKernels NONE = new ProvidedKernels(null, new Products());

    private static final Products SPECIFICATION = new Products();
    private static final String BITS = "the bits of the specification";

    private static final int PANELS = 2;
    private static final int STRIDE = PANELS * Panels.WIDTH + 3;

    /**
     * The exam compares products of 1 to this many rows: every height that a loop can get in a tile of 16, as the first
     * tile and after another.
     */
    private static final int ROWS = 27;

    /** Inputs of the compared products: several groups of each format, and two blocks of the upper level. */
    private static final int DEPTH = 352;

    /** Inputs of a packed row: whole blocks of each type, few enough that random scales of some rows are all finite. */
    private static final int PACKED = 512;

    /** Outputs of packed rows: the ends of both halves, whose codes of 4 bits share bytes. */
    private static final int[] PLACES = {0, 31, 32, 63};

    /** How many service entries may fail to load before the search ends. */
    private static final int MOST_BROKEN = 16;

    /**
     * Special inputs, each for a whole group of a row of its own after the others: a sum that is NaN would hide a wrong
     * bit.
     */
    private static final float[] SPECIAL = {
        Float.NaN,
        Float.NEGATIVE_INFINITY,
        Float.MAX_VALUE,
        -0f,
        Float.MIN_VALUE,
        127 * Float.MIN_NORMAL,
        Math.nextDown(127 * Float.MIN_NORMAL),
        1e30f,
        -1e-30f
    };

    private final @Nullable KernelProvider provider;
    private final Products products;
    private final Map<GroupFormat, Boolean> examined = new ConcurrentHashMap<>();
    private final Map<Integer, Boolean> packed = new ConcurrentHashMap<>(); // by type of blocks
    private volatile boolean isRefused;

    /** Products of a provider before their exam. */
    public ProvidedKernels(@Nullable KernelProvider provider, Products products) {
        this.provider = provider;
        this.products = products;
        this.isRefused = provider == null;
    }

    /** Finds the kernels of the first usable provider; logs a line for each that fails. */
    static ProvidedKernels find(ClassLoader services) {
        Iterator<KernelProvider> all =
                ServiceLoader.load(KernelProvider.class, services).iterator();
        for (int broken = 0; broken < MOST_BROKEN; ) {
            String name = "of a provider";
            try {
                if (!all.hasNext()) {
                    return NONE;
                }
                KernelProvider provider = all.next();
                name = provider.name();
                if (provider.isUsable()) {
                    return new ProvidedKernels(provider, provider.products());
                }
            } catch (ServiceConfigurationError e) {
                warn(name, "a service that loads", e.toString());
                broken++;
            } catch (RuntimeException | LinkageError | VirtualMachineError e) {
                warn(name, "kernels that run", e.toString());
            }
        }
        return NONE;
    }

    Products products() {
        return products;
    }

    /** The name of these kernels beside Java's. */
    String nameOver(JavaKernels java) {
        return provider == null || isRefused ? java.name() : provider.name() + "+" + java.name();
    }

    /** Whether these kernels multiply by weights of a format. The first call for a format runs the exam. */
    boolean multiplies(GroupFormat format) {
        return !isRefused && examined.computeIfAbsent(format, this::passes) && !isRefused;
    }

    private boolean passes(GroupFormat format) {
        return passes(() -> Objects.requireNonNull(provider).multiplies(format)
                && (hasBits(products, format) || refuse(BITS, "others with weights in " + format)));
    }

    /** Adds a row of blocks to a panel if the provider does that; see {@link Products#pack}. */
    public boolean pack(GroupFormat format, int depth, Blocks row, byte[] panel, int j) {
        return !isRefused
                && packed.computeIfAbsent(row.type(), type -> passes(() -> packs(format, depth, row)))
                && products.pack(format, depth, row, panel, j);
    }

    /**
     * Whether the provider packs a type of blocks: random rows must give the panel of the specification, or be refused
     * by both.
     */
    private boolean packs(GroupFormat format, int depth, Blocks type) {
        SplittableRandom random = new SplittableRandom(1);
        GroupPacker packer = new GroupPacker(format, PACKED);
        byte[] actual = new byte[packer.panel().length];
        byte[] bytes = new byte[Math.toIntExact(type.data().byteSize() * PACKED / depth)];
        Blocks row = new Blocks(type.type(), MemorySegment.ofArray(bytes), type.decoder());
        Arrays.fill(bytes, (byte) -1); // scales in f16 are NaN
        if (!new GroupPacker(format, PACKED).put(row, 0) && products.pack(format, PACKED, row, actual.clone(), 0)) {
            return refuse(BITS, "scales that are not finite taken with blocks of type " + type.type());
        }
        for (int j : PLACES) {
            do {
                random.nextBytes(bytes);
            } while (!packer.put(row, j));
            if (!products.pack(format, PACKED, row, actual, j)) {
                return false;
            }
        }
        return Arrays.equals(actual, packer.panel()) || refuse(BITS, "others with blocks of type " + type.type());
    }

    private boolean passes(BooleanSupplier exam) {
        try {
            return exam.getAsBoolean();
        } catch (RuntimeException | LinkageError e) {
            return refuse("kernels that run", e.toString());
        }
    }

    private boolean refuse(String expected, String got) {
        isRefused = true;
        warn(Objects.requireNonNull(provider).name(), expected, got);
        return false;
    }

    private static void warn(String name, String expected, String got) {
        KernelChoice.warn("kernels " + name + ": expected " + expected + ", got " + got
                + "; Java computes instead, with the same results");
    }

    /**
     * Whether rounding and products by a sample of weights have the bits of the specification, for each number of rows.
     */
    public static boolean hasBits(Products products, GroupFormat format) {
        SplittableRandom random = new SplittableRandom(1);
        long bytes = format.bytes(DEPTH);
        MemorySegment data = Arena.ofAuto().allocate(PANELS * bytes, 64);
        for (int p = 0; p < PANELS; p++) {
            format.encodeRandom(random, DEPTH, data, p * bytes);
        }
        Panels w = new Panels(format, data, 0, bytes, PANELS, DEPTH);
        float[] numbers = new float[(ROWS + SPECIAL.length) * DEPTH];
        for (int i = 0; i < numbers.length; i++) {
            numbers[i] = (float) random.nextGaussian();
        }
        Arrays.fill(numbers, 3 * RoundedRows.GROUP, 4 * RoundedRows.GROUP, 0f);
        for (int i = 0; i < SPECIAL.length; i++) {
            int from = (ROWS + i) * DEPTH + i * RoundedRows.GROUP;
            Arrays.fill(numbers, from, from + RoundedRows.GROUP, SPECIAL[i]);
        }
        RoundedRows all = rounded(SPECIFICATION, format, numbers, ROWS + SPECIAL.length);
        float[] expected = product(SPECIFICATION, w, all);
        return IntStream.of(1, 3, all.count()).allMatch(rows -> rounds(products, format, numbers, rows))
                && hasBits(products, w, rounded(SPECIFICATION, format, numbers, 1), expected, 0)
                && hasBits(products, w, all, expected, 0)
                && IntStream.rangeClosed(1, ROWS).allMatch(rows -> hasBits(products, w, all.rows(0, rows), expected, 0))
                && IntStream.rangeClosed(1, ROWS - RoundedRows.TILE)
                        .allMatch(rows -> hasBits(
                                products, w, all.rows(RoundedRows.TILE, rows), expected, RoundedRows.TILE * STRIDE));
    }

    private static boolean rounds(Products products, GroupFormat format, float[] numbers, int rows) {
        RoundedRows expected = rounded(SPECIFICATION, format, numbers, rows);
        RoundedRows actual = rounded(products, format, numbers, rows);
        return Arrays.equals(actual.codes(), expected.codes())
                && Arrays.equals(actual.scales(), expected.scales())
                && Arrays.equals(actual.sums(), expected.sums());
    }

    private static RoundedRows rounded(Products products, GroupFormat format, float[] numbers, int rows) {
        RoundedRows rounded = RoundedRows.of(format, DEPTH, rows);
        for (int tile = 0; tile < rounded.tiles(); tile++) {
            products.round(Rows.of(numbers, DEPTH, rows), rounded, tile);
        }
        return rounded;
    }

    /** Whether a product has the expected results, from number {@code first} of them on. */
    private static boolean hasBits(Products products, Panels w, RoundedRows x, float[] expected, int first) {
        float[] actual = product(products, w, x);
        return Arrays.equals(actual, 0, actual.length, expected, first, first + actual.length);
    }

    private static float[] product(Products products, Panels w, RoundedRows x) {
        float[] y = new float[x.count() * STRIDE];
        products.multiply(w, x, new Rows(y, 1, STRIDE, x.count()));
        return y;
    }
}
