package dev.causal4j.constraint;

/** A set of bytes. */
record Bytes(long a, long b, long c, long d) {
    static final Bytes NONE = new Bytes(0, 0, 0, 0);
    static final Bytes ALL = range(0, 255);

    /** The bytes from {@code first} to {@code last}, as numbers of 0 to 255. */
    static Bytes range(int first, int last) {
        return new Bytes(
                word(first, last),
                word(first - 64, last - 64),
                word(first - 128, last - 128),
                word(first - 192, last - 192));
    }

    private static long word(int first, int last) {
        int from = Math.max(first, 0);
        int to = Math.min(last, 63);
        return from > to ? 0 : (-1L << from) & (-1L >>> (63 - to));
    }

    @Override
    public int hashCode() {
        return Seeded.hash(a, b, c, d);
    }

    boolean has(int b) {
        return ((b < 128 ? b < 64 ? this.a : this.b : b < 192 ? c : d) >>> b & 1) != 0;
    }

    boolean isEmpty() {
        return (a | b | c | d) == 0;
    }

    Bytes or(Bytes other) {
        return new Bytes(a | other.a, b | other.b, c | other.c, d | other.d);
    }

    Bytes and(Bytes other) {
        return new Bytes(a & other.a, b & other.b, c & other.c, d & other.d);
    }
}
