package dev.causal4j.kernel;

/**
 * Random numbers by address: the value at (seed, position, stream) is a pure function of the three, so that any thread
 * can ask for any of them in any order and always gets the same one. Thread-safe: stateless.
 *
 * <p>Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011) encrypts a
 * 128-bit counter with a 64-bit key. The key is the seed; the counter is {@code position / 2} in its low and the
 * stream in its high 64 bits; a block of four words serves positions 2k and 2k + 1. A stream is what keeps two uses of
 * one seed apart: a tensor, a training step, a layer's dropout mask.
 */
public final class CounterRandom {
    private static final int ROUNDS = 10;
    private static final long MULTIPLIER_0 = 0xD2511F53L;
    private static final long MULTIPLIER_1 = 0xCD9E8D57L;
    // The key schedule's Weyl increments: the golden ratio and sqrt(3) - 1, as fractions of 2^32.
    private static final int KEY_STEP_0 = 0x9E3779B9;
    private static final int KEY_STEP_1 = 0xBB67AE85;

    private CounterRandom() {}

    /** Uniform in [0, 1), a multiple of 2^-53; zero is possible (once in 2^53). Any long is a valid argument. */
    public static double uniform(long seed, long position, long stream) {
        return unit(philox(position >>> 1, stream, seed, (int) position & 1));
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
        long[] halves = new long[2];
        philox(position >>> 1, stream, seed, halves);
        double radius = Math.sqrt(-2 * StrictMath.log(1 - unit(halves[0])));
        double angle = 2 * Math.PI * unit(halves[1]);
        return radius * ((position & 1) == 0 ? StrictMath.cos(angle) : StrictMath.sin(angle));
    }

    /**
     * The uniforms of one stream, for a reader that mostly goes on in steps of one or two: such a reader gets its numbers
     * from 64 blocks computed side by side, in a third of the time. The numbers are those of {@link CounterRandom#uniform}.
     * Not thread-safe.
     */
    public static final class Stream {
        static final int BLOCKS = 64;
        private static final long LOW = 0xffffffffL;

        private final long seed;
        private final long stream;
        // The four words of each block, as unsigned numbers; arrays of long are what the compiler makes vectors of.
        private final long[] x0;
        private final long[] x1;
        private final long[] x2;
        private final long[] x3;
        private long first;
        private int filled; // blocks
        private long missed = Long.MIN_VALUE; // the last position that was not among the 64 blocks

        /** The numbers at (seed, any position, stream). */
        public Stream(long seed, long stream) {
            this(seed, stream, BLOCKS);
        }

        /** For {@link #fill} of no more than so many blocks. */
        Stream(long seed, long stream, int blocks) {
            this.seed = seed;
            this.stream = stream;
            x0 = new long[blocks];
            x1 = new long[blocks];
            x2 = new long[blocks];
            x3 = new long[blocks];
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
                fill(block, BLOCKS);
                i = 0;
            }
            int b = (int) i;
            return unit((position & 1) == 0 ? x0[b] << 32 | x1[b] : x2[b] << 32 | x3[b]);
        }

        /** Computes blocks {@code block} to {@code block + count - 1}, at most {@link #BLOCKS} of them. */
        void fill(long block, int count) {
            first = block;
            filled = count;
            for (int i = 0; i < count; i++) {
                x0[i] = (block + i) & LOW;
                x1[i] = (block + i) >>> 32;
                x2[i] = stream & LOW;
                x3[i] = stream >>> 32;
            }
            int key0 = (int) seed;
            int key1 = (int) (seed >>> 32);
            for (int round = 0; round < ROUNDS; round++) {
                round(key0 & LOW, key1 & LOW, count);
                key0 += KEY_STEP_0;
                key1 += KEY_STEP_1;
            }
        }

        /** Word {@code i} mod 4 of block {@code i / 4} of those computed last, as an unsigned number. */
        long word(int i) {
            return switch (i & 3) {
                case 0 -> x0[i >> 2];
                case 1 -> x1[i >> 2];
                case 2 -> x2[i >> 2];
                default -> x3[i >> 2];
            };
        }

        /** A round of every block; a method of its own, since the compiler then makes vectors of it. */
        private void round(long key0, long key1, int count) {
            for (int i = 0; i < count; i++) {
                long product0 = MULTIPLIER_0 * (x0[i] & LOW);
                long product1 = MULTIPLIER_1 * (x2[i] & LOW);
                x0[i] = product1 >>> 32 ^ x1[i] ^ key0;
                x1[i] = product1 & LOW;
                x2[i] = product0 >>> 32 ^ x3[i] ^ key1;
                x3[i] = product0 & LOW;
            }
        }
    }

    /** One half of a block, 0 or 1. */
    static long philox(long counterLow, long counterHigh, long key, int half) {
        long[] words = new long[2];
        philox(counterLow, counterHigh, key, words);
        return words[half];
    }

    /**
     * A Philox4x32-10 block: words 0 and 1 in its first half, 2 and 3 in its second, the first of two in the upper 32
     * bits. Counter words 0 to 3 are the 32-bit words of low and high, least significant first; so is the key.
     */
    static void philox(long counterLow, long counterHigh, long key, long[] halves) {
        int x0 = (int) counterLow;
        int x1 = (int) (counterLow >>> 32);
        int x2 = (int) counterHigh;
        int x3 = (int) (counterHigh >>> 32);
        int key0 = (int) key;
        int key1 = (int) (key >>> 32);
        for (int round = 0; round < ROUNDS; round++) {
            long product0 = MULTIPLIER_0 * Integer.toUnsignedLong(x0);
            long product1 = MULTIPLIER_1 * Integer.toUnsignedLong(x2);
            x0 = (int) (product1 >>> 32) ^ x1 ^ key0;
            x1 = (int) product1;
            x2 = (int) (product0 >>> 32) ^ x3 ^ key1;
            x3 = (int) product0;
            key0 += KEY_STEP_0;
            key1 += KEY_STEP_1;
        }
        halves[0] = pack(x0, x1);
        halves[1] = pack(x2, x3);
    }

    private static long pack(int upper, int lower) {
        return (long) upper << 32 | Integer.toUnsignedLong(lower);
    }
}
