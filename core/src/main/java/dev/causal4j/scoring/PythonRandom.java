package dev.causal4j.scoring;

import java.util.LinkedHashSet;
import java.util.Set;
import java.util.stream.IntStream;

/** Python's {@code random.Random} of a whole number: the Mersenne Twister MT19937. Not thread-safe. */
final class PythonRandom {
    private static final int SIZE = 624;
    private static final int MIDDLE = 397;

    private final int[] state = new int[SIZE];
    private int at = SIZE;

    PythonRandom(long seed) {
        long size = Math.abs(seed);
        int[] key = size >>> 32 == 0 ? new int[] {(int) size} : new int[] {(int) size, (int) (size >>> 32)};
        state[0] = 19650218;
        for (int i = 1; i < SIZE; i++) {
            state[i] = 1812433253 * mixed(i - 1) + i;
        }
        int i = 1;
        for (int round = 0; round < SIZE; round++) {
            state[i] = (state[i] ^ (mixed(i - 1) * 1664525)) + key[round % key.length] + round % key.length;
            i = next(i);
        }
        for (int round = 1; round < SIZE; round++) {
            state[i] = (state[i] ^ (mixed(i - 1) * 1566083941)) - i;
            i = next(i);
        }
        state[0] = 1 << 31;
    }

    private int mixed(int i) {
        return state[i] ^ (state[i] >>> 30);
    }

    private int next(int i) {
        state[0] = i == SIZE - 1 ? state[i] : state[0];
        return i == SIZE - 1 ? 1 : i + 1;
    }

    private int bits() {
        if (at == SIZE) {
            for (int i = 0; i < SIZE; i++) {
                int both = (state[i] & (1 << 31)) | (state[(i + 1) % SIZE] & Integer.MAX_VALUE);
                state[i] = state[(i + MIDDLE) % SIZE] ^ (both >>> 1) ^ (-(both & 1) & 0x9908b0df);
            }
            at = 0;
        }
        int y = state[at++];
        y ^= y >>> 11;
        y ^= (y << 7) & 0x9d2c5680;
        y ^= (y << 15) & 0xefc60000;
        return y ^ (y >>> 18);
    }

    /** The next number in 0 to 1. */
    double random() {
        return ((bits() >>> 5) * 0x1p26 + (bits() >>> 6)) * 0x1p-53;
    }

    private int below(int n) {
        int unused = Integer.numberOfLeadingZeros(n);
        int drawn = bits() >>> unused;
        while (drawn >= n) {
            drawn = bits() >>> unused;
        }
        return drawn;
    }

    /** Draws {@code count} of n indexes without replacement. */
    int[] sample(int n, int count) {
        long most = 1;
        while (most < 3L * count) {
            most *= 4;
        }
        if (n > 21 + (count > 5 ? most : 0)) {
            Set<Integer> drawn = new LinkedHashSet<>();
            while (drawn.size() < count) {
                drawn.add(below(n));
            }
            return drawn.stream().mapToInt(each -> each).toArray();
        }
        int[] pool = IntStream.range(0, n).toArray();
        return IntStream.range(0, count)
                .map(i -> {
                    int place = below(n - i);
                    int drawn = pool[place];
                    pool[place] = pool[n - i - 1];
                    return drawn;
                })
                .toArray();
    }
}
