package dev.causal4j.kernel;

import dev.causal4j.compute.Rows;
import dev.causal4j.kernel.GroupFormat.Blocks;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Map;
import java.util.Objects;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;
import java.util.SplittableRandom;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Kernels of a {@link KernelProvider}. It multiplies by weights of a format after it has shown the bits of the specification,
 * when the first such weights come; one wrong bit refuses it from then on. Thread-safe.
 */
final class ProvidedKernels {
    /** Nothing: Java multiplies by all weights. */
    static final ProvidedKernels NONE = new ProvidedKernels(null, new Products());

    private static final String BITS = "the bits of the specification";

    private static final int PANELS = 2;
    private static final int WIDTH = PANELS * Panels.WIDTH;

    private static final int GROUP = RoundedRows.GROUP;

    /** Inputs of the products that are compared: several groups of each format, and two of the upper of two levels. */
    private static final int DEPTH = 352;

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
    private final Map<Integer, Boolean> packed = new ConcurrentHashMap<>(); // by types of blocks
    private volatile boolean isRefused;

    private ProvidedKernels(@Nullable KernelProvider provider, Products products) {
        this.provider = provider;
        this.products = products;
        this.isRefused = provider == null;
    }

    /** Kernels of the first provider that is usable; a line in the log for each that fails. */
    static ProvidedKernels find(ClassLoader services) {
        try {
            for (KernelProvider provider : ServiceLoader.load(KernelProvider.class, services)) {
                try {
                    if (provider.isUsable()) {
                        return new ProvidedKernels(provider, provider.products());
                    }
                } catch (RuntimeException | LinkageError e) {
                    warn(provider.name(), "kernels that run", e.toString());
                }
            }
        } catch (ServiceConfigurationError e) {
            warn("of a provider", "a service that loads", e.toString());
        }
        return NONE;
    }

    Products products() {
        return products;
    }

    /** The name of these kernels above Java's. */
    String nameOver(JavaKernels java) {
        return provider == null || isRefused ? java.name() : provider.name() + "+" + java.name();
    }

    /** Whether these kernels multiply by weights of a format: the first call for one examines them. */
    boolean multiplies(GroupFormat format) {
        return !isRefused && examined.computeIfAbsent(format, this::passes) && !isRefused;
    }

    private boolean passes(GroupFormat format) {
        return passes(() -> Objects.requireNonNull(provider).multiplies(format)
                && (hasBits(products, format) || refuse(BITS, "others with weights in " + format)));
    }

    /**
     * Adds a row of blocks to a panel if the provider does that; see {@link Products#pack}.
     *
     * @param expected the panel of this row alone, with which the first row of a type is compared
     */
    boolean pack(GroupFormat format, int depth, Blocks row, byte[] panel, int j, Supplier<byte[]> expected) {
        boolean packs = !isRefused
                && packed.computeIfAbsent(
                        row.type(),
                        type -> passes(() -> {
                            byte[] actual = new byte[panel.length];
                            return products.pack(format, depth, row, actual, j)
                                    && (Arrays.equals(actual, expected.get())
                                            || refuse(BITS, "others with blocks of type " + type));
                        }));
        return packs && products.pack(format, depth, row, panel, j);
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

    /** Whether rounding and products by a sample of weights have the bits of the specification. */
    private static boolean hasBits(Products products, GroupFormat format) {
        SplittableRandom random = new SplittableRandom(1);
        long bytes = format.bytes(DEPTH);
        MemorySegment data = Arena.ofAuto().allocate(PANELS * bytes, 64);
        for (int p = 0; p < PANELS; p++) {
            format.encodeRandom(random, DEPTH, data, p * bytes);
        }
        Panels w = new Panels(format, data, 0, bytes, PANELS, DEPTH);
        float[] numbers = new float[27 * DEPTH];
        for (int i = 0; i < numbers.length; i++) {
            numbers[i] = (float) random.nextGaussian();
        }
        for (int i = 0; i < SPECIAL.length; i++) { // in several rows and groups
            numbers[i * (DEPTH + GROUP) % numbers.length] = SPECIAL[i];
        }
        Arrays.fill(numbers, 3 * GROUP, 4 * GROUP, 0f);
        return IntStream.of(1, 3, 8, 27)
                .allMatch(
                        rows -> { // one, a few, and whole and partial tiles
                            Rows x = Rows.of(numbers, DEPTH, rows);
                            RoundedRows expected = rounded(new Products(), format, x);
                            RoundedRows actual = rounded(products, format, x);
                            int first = rows > RoundedRows.TILE ? RoundedRows.TILE : 0;
                            return Arrays.equals(actual.codes(), expected.codes())
                                    && Arrays.equals(actual.scales(), expected.scales())
                                    && Arrays.equals(actual.sums(), expected.sums())
                                    && hasBits(products, w, expected)
                                    && hasBits(products, w, expected.rows(first, rows - first));
                        });
    }

    private static RoundedRows rounded(Products products, GroupFormat format, Rows x) {
        RoundedRows rounded = RoundedRows.of(format, DEPTH, x.count());
        for (int tile = 0; tile < rounded.tiles(); tile++) {
            products.round(x, rounded, tile);
        }
        return rounded;
    }

    private static boolean hasBits(Products products, Panels w, RoundedRows x) {
        int stride = WIDTH + 3;
        float[] expected = new float[x.count() * stride + 1];
        float[] actual = expected.clone();
        new Products().multiply(w, x, new Rows(expected, 1, stride, x.count()));
        products.multiply(w, x, new Rows(actual, 1, stride, x.count()));
        return Arrays.equals(actual, expected);
    }
}
