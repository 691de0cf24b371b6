package dev.causal4j.kernel;

/** Blocks of {@link CounterRandom}, many at a time, in loops that C2 vectorises. Not thread-safe. */
public final class PhiloxBlocks {
    /** Most blocks that a reader takes at a time. */
    public static final int MOST = 64;

    private static final long LOW = 0xffffffffL;
    private static final int ROUNDS = 10;
    private static final long MULTIPLIER_0 = 0xD2511F53L;
    private static final long MULTIPLIER_1 = 0xCD9E8D57L;
    // The key schedule's Weyl increments: the golden ratio and sqrt(3) - 1, as fractions of 2^32.
    private static final int KEY_STEP_0 = 0x9E3779B9;
    private static final int KEY_STEP_1 = 0xBB67AE85;

    // The four words of each block, unsigned in longs, which C2 vectorises.
    private final long[] x0;
    private final long[] x1;
    private final long[] x2;
    private final long[] x3;

    /** Room for blocks. */
    public PhiloxBlocks(int size) {
        x0 = new long[size];
        x1 = new long[size];
        x2 = new long[size];
        x3 = new long[size];
    }

    /** How many blocks there is room for. */
    public int size() {
        return x0.length;
    }

    /** Computes blocks {@code block} to {@code block + count - 1}, at most {@link #size} of them. */
    public void fill(long seed, long stream, long block, int count) {
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

    /** A round of every block, in a method of its own so that C2 vectorises it. */
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

    /** Words 0 and 1 of a block, or 2 and 3, the first of two in the upper 32 bits. */
    long half(int block, int half) {
        return half == 0 ? x0[block] << 32 | x1[block] : x2[block] << 32 | x3[block];
    }

    /**
     * Writes, for each word of the first {@code count} blocks in order, 0 if the word is below the threshold, else the
     * value. Branch-free: a random branch would be mispredicted.
     */
    public void choose(int count, long threshold, float value, float[] chosen) {
        int bits = Float.floatToRawIntBits(value);
        long most = threshold - 1; // most - word is negative for words that are not below
        for (int i = 0; i < count; i++) {
            chosen[4 * i] = Float.intBitsToFloat(bits & (int) ((most - x0[i]) >> 63));
            chosen[4 * i + 1] = Float.intBitsToFloat(bits & (int) ((most - x1[i]) >> 63));
            chosen[4 * i + 2] = Float.intBitsToFloat(bits & (int) ((most - x2[i]) >> 63));
            chosen[4 * i + 3] = Float.intBitsToFloat(bits & (int) ((most - x3[i]) >> 63));
        }
    }
}
