package dev.causal4j.constraint;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.function.IntUnaryOperator;

/** Divides the bytes into classes, which are numbered by their first byte. Equal ones are equal. */
final class ByteClasses {
    private final byte[] of = new byte[256];
    private final byte[] first; // by class
    int id; // of Terms

    /**
     * @param keys the number of keys
     * @param key gives a key for each byte; bytes of one key are one class
     */
    ByteClasses(int keys, IntUnaryOperator key) {
        int[] classes = new int[keys]; // one more than the class
        byte[] firsts = new byte[256];
        int known = 0;
        for (int b = 0; b < 256; b++) {
            int k = key.applyAsInt(b);
            if (classes[k] == 0) {
                firsts[known] = (byte) b;
                classes[k] = ++known;
            }
            of[b] = (byte) (classes[k] - 1);
        }
        first = Arrays.copyOf(firsts, known);
    }

    int count() {
        return first.length;
    }

    int of(int b) {
        return of[b] & 255;
    }

    /** The first byte of a class. */
    int first(int index) {
        return first[index] & 255;
    }

    /** The classes whose bytes are in one class of both. */
    ByteClasses and(ByteClasses other) {
        return new ByteClasses(count() * other.count(), b -> of(b) * other.count() + other.of(b));
    }

    @Override
    public boolean equals(Object other) {
        return this == other || (other instanceof ByteClasses classes && Arrays.equals(of, classes.of));
    }

    @Override
    public int hashCode() {
        return (int) Seeded.text(new String(of, StandardCharsets.ISO_8859_1));
    }
}
