package dev.causal4j.constraint;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.BiPredicate;
import java.util.function.IntConsumer;
import java.util.function.IntPredicate;
import java.util.stream.IntStream;

/**
 * A set of Unicode's code points. Surrogates, which no text has, are only in sets that name them: no other set is made
 * with them. Immutable.
 *
 * @param bounds the first of each range and the one after its last, ascending
 */
record CodePoints(int[] bounds) {
    private static final int END = Character.MAX_CODE_POINT + 1;

    static final CodePoints NONE = new CodePoints(new int[0]);
    static final CodePoints ALL = new CodePoints(new int[] {0, 0xd800, 0xe000, END});

    /** The characters that a JSON string escapes. */
    static final CodePoints ESCAPED = range(0, 0x1f).or(of('"', '\\'));

    static CodePoints range(int first, int last) {
        return new CodePoints(new int[] {first, last + 1});
    }

    static CodePoints of(int... characters) {
        return any(Arrays.stream(characters).mapToObj(c -> range(c, c)).toList());
    }

    /** The characters of all sets; of each half first, so that none is copied for every other. */
    static CodePoints any(List<CodePoints> sets) {
        int half = sets.size() / 2;
        return half == 0
                ? sets.stream().findFirst().orElse(NONE)
                : any(sets.subList(0, half)).or(any(sets.subList(half, sets.size())));
    }

    static CodePoints where(IntPredicate test) {
        IntStream.Builder bounds = IntStream.builder();
        boolean in = false;
        for (int c = 0; c <= END; c++) {
            if ((c < END && (c < 0xd800 || c > 0xdfff) && test.test(c)) != in) {
                bounds.add(c);
                in = !in;
            }
        }
        return new CodePoints(bounds.build().toArray());
    }

    void forEach(IntConsumer action) {
        for (int i = 0; i < bounds.length; i += 2) {
            IntStream.range(bounds[i], bounds[i + 1]).forEach(action);
        }
    }

    boolean isSingle() {
        return bounds.length == 2 && bounds[1] == bounds[0] + 1;
    }

    boolean has(int c) {
        int at = Arrays.binarySearch(bounds, c);
        return (at >= 0 ? at : -at - 2) % 2 == 0 && (at >= 0 || at < -1);
    }

    CodePoints or(CodePoints other) {
        return merge(other, (here, there) -> here || there);
    }

    CodePoints and(CodePoints other) {
        return merge(other, (here, there) -> here && there);
    }

    CodePoints not() {
        return merge(ALL, (here, there) -> there && !here);
    }

    /** The characters that are {@code in} both sets as it says. */
    private CodePoints merge(CodePoints other, BiPredicate<Boolean, Boolean> in) {
        IntStream.Builder merged = IntStream.builder();
        int i = 0;
        int j = 0;
        boolean open = false;
        while (i < bounds.length || j < other.bounds.length) {
            int here = i < bounds.length ? bounds[i] : Integer.MAX_VALUE;
            int there = j < other.bounds.length ? other.bounds[j] : Integer.MAX_VALUE;
            int at = Math.min(here, there);
            i += here == at ? 1 : 0;
            j += there == at ? 1 : 0;
            if (in.test(i % 2 > 0, j % 2 > 0) != open) {
                open = !open;
                merged.add(at);
            }
        }
        return new CodePoints(merged.build().toArray());
    }

    /** The UTF-8 of all, as sequences of byte ranges: first and last of each byte in turn. */
    List<int[]> utf8() {
        List<int[]> sequences = new ArrayList<>();
        int[] lengths = {0, 0x80, 0x800, 0x10000, END};
        for (int i = 0; i < bounds.length; i += 2) {
            for (int bytes = 1; bytes <= 4; bytes++) {
                int first = Math.max(bounds[i], lengths[bytes - 1]);
                int last = Math.min(bounds[i + 1], lengths[bytes]) - 1;
                if (first <= last) {
                    split(first, last, bytes, sequences);
                }
            }
        }
        return sequences;
    }

    /** Cuts a range where a byte before the last changes while the bytes after it do not take all values. */
    private static void split(int first, int last, int bytes, List<int[]> into) {
        for (int low = 6; low < 6 * bytes; low += 6) {
            int mask = (1 << low) - 1;
            if ((first & ~mask) != (last & ~mask)) {
                int cut = (first & mask) != 0 ? first | mask : (last & mask) != mask ? (last & ~mask) - 1 : last;
                if (cut < last) {
                    split(first, cut, bytes, into);
                    split(cut + 1, last, bytes, into);
                    return;
                }
            }
        }
        int[] ranges = new int[2 * bytes];
        for (int at = 0; at < bytes; at++) {
            ranges[2 * at] = utf8Byte(first, at, bytes);
            ranges[2 * at + 1] = utf8Byte(last, at, bytes);
        }
        into.add(ranges);
    }

    static int utf8Byte(int c, int at, int bytes) {
        int shifted = c >> (6 * (bytes - 1 - at));
        return at > 0 ? 0x80 | (shifted & 0x3f) : bytes == 1 ? c : ((0xf00 >> bytes) & 0xff) | shifted;
    }
}
