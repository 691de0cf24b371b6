package dev.causal4j.kernel;

import dev.causal4j.compute.Rows;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

/**
 * Kernels of a {@link KernelProvider} that have shown the bits of the specification. Immutable and thread-safe.
 *
 * @param formats of the weights in groups that they multiply by; Java multiplies by all others
 */
record ProvidedKernels(String name, Products products, Set<GroupFormat> formats) {
    /** Nothing: Java multiplies by all weights. */
    static final ProvidedKernels NONE = new ProvidedKernels("", new Products(), Set.of());

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

    /** Whether these kernels multiply by weights of a format. */
    boolean multiplies(WeightFormat format) {
        return format instanceof GroupFormat && formats.contains(format);
    }

    /** The name of these kernels above Java's. */
    String nameOver(JavaKernels java) {
        return formats.isEmpty() ? java.name() : name + "+" + java.name();
    }

    /** Kernels of the first provider that is usable and has the bits; a line in the log for each that is refused. */
    static ProvidedKernels find(ClassLoader services) {
        try {
            for (KernelProvider provider : ServiceLoader.load(KernelProvider.class, services)) {
                ProvidedKernels admitted = admit(provider);
                if (!admitted.formats.isEmpty()) {
                    return admitted;
                }
            }
        } catch (ServiceConfigurationError e) {
            refuse("of a provider", "a service that loads", e.toString());
        }
        return NONE;
    }

    private static ProvidedKernels admit(KernelProvider provider) {
        try {
            if (!provider.isUsable()) {
                return NONE;
            }
            Products products = provider.products();
            List<GroupFormat> formats =
                    GroupFormat.all().filter(provider::multiplies).toList();
            Optional<GroupFormat> wrong = formats.stream()
                    .filter(format -> !hasBits(products, format))
                    .findFirst();
            if (wrong.isEmpty()) {
                return new ProvidedKernels(provider.name(), products, Set.copyOf(formats));
            }
            refuse(provider.name(), "the bits of the specification", "others with weights in " + wrong.get());
        } catch (RuntimeException | LinkageError e) {
            refuse(provider.name(), "kernels that run", e.toString());
        }
        return NONE;
    }

    private static void refuse(String name, String expected, String got) {
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
        float[] numbers = new float[50 * DEPTH];
        for (int i = 0; i < numbers.length; i++) {
            numbers[i] = (float) random.nextGaussian();
        }
        for (int i = 0; i < SPECIAL.length; i++) { // in several rows and groups
            numbers[i * (DEPTH + GROUP) % numbers.length] = SPECIAL[i];
        }
        Arrays.fill(numbers, 3 * GROUP, 4 * GROUP, 0f);
        return IntStream.of(1, 2, 7, 13, 17, 50)
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
