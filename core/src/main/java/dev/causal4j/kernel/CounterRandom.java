package dev.causal4j.kernel;

/**
 * Random numbers by address: the value at (seed, position, stream) is a pure function of the three, the same for any
 * thread in any order. Stateless and thread-safe.
 *
 * <p>Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011) encrypts a
 * 128-bit counter with a 64-bit key. The key is the seed; the counter is {@code position / 2} in its low and the stream
 * in its high 64 bits; a block of four words serves positions 2k and 2k + 1. Streams separate the uses of one seed: a
 * tensor, a training step, a layer's dropout mask.
 */
public final class CounterRandom {
    private CounterRandom() {}

    /** Uniform in [0, 1), a multiple of 2^-53; zero is possible (once in 2^53). Any long is a valid argument. */
    public static double uniform(long seed, long position, long stream) {
        return unit(block(position >>> 1, stream, seed).half(0, (int) position & 1));
    }

    private static double unit(long words) {
        return (words >>> 11) * 0x1p-53;
    }

    /**
     * Normal with mean 0 and standard deviation 1, from -8.6 to 8.6: the Box-Muller transform of the uniforms at
     * positions 2k and 2k + 1 gives the normals at 2k (cosine) and 2k + 1 (sine). Use a stream for uniforms or for
     * normals, not for both.
     */
    public static double normal(long seed, long position, long stream) {
        PhiloxBlocks block = block(position >>> 1, stream, seed);
        double radius = Math.sqrt(-2 * StrictMath.log(1 - unit(block.half(0, 0))));
        double angle = 2 * Math.PI * unit(block.half(0, 1));
        return radius * ((position & 1) == 0 ? StrictMath.cos(angle) : StrictMath.sin(angle));
    }

    /**
     * The uniforms of one stream, equal to {@link CounterRandom#uniform}, computed 64 blocks at a time, for reads that
     * are mostly in order. Not thread-safe.
     */
    public static final class Stream {
        private final long seed;
        private final long stream;
        private final PhiloxBlocks blocks = new PhiloxBlocks(PhiloxBlocks.MOST);
        private long first;
        private int filled; // blocks
        private long missed = Long.MIN_VALUE; // the last position outside the 64 blocks

        /** The numbers at (seed, any position, stream). */
        public Stream(long seed, long stream) {
            this.seed = seed;
            this.stream = stream;
        }

        /** Uniform in [0, 1), a multiple of 2^-53. */
        public double uniform(long position) {
            long block = position >>> 1;
            long i = block - first;
            if (i < 0 || i >= filled) {
                boolean goesOn = i == filled || position - missed == 1 || position - missed == 2;
                missed = position;
                if (!goesOn) {
                    return CounterRandom.uniform(seed, position, stream);
                }
                first = block;
                filled = PhiloxBlocks.MOST;
                blocks.fill(seed, stream, block, filled);
                i = 0;
            }
            return unit(blocks.half((int) i, (int) position & 1));
        }
    }

    /**
     * One block of Philox4x32-10. Counter words 0 to 3 are the 32-bit words of low and high, least significant first;
     * so is the key.
     */
    static PhiloxBlocks block(long counterLow, long counterHigh, long key) {
        PhiloxBlocks block = new PhiloxBlocks(1);
        block.fill(key, counterHigh, counterLow, 1);
        return block;
    }
}
