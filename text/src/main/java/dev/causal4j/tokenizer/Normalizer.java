package dev.causal4j.tokenizer;

import java.text.Normalizer.Form;
import java.util.BitSet;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.UnaryOperator;
import java.util.regex.Pattern;

/**
 * Changes a stretch of text before it is split. Immutable and thread-safe.
 *
 * @param prefix put before every stretch that is not empty
 * @param steps in their order
 */
record Normalizer(String prefix, List<UnaryOperator<String>> steps) {
    private static final String RANGES = "7fd 897-89f 8ca-8d3 9fe c3c d3b-d3c eba 1715 1abf-1ace 1df6-1dfa a82c 105d2"
            + " 105da 10d24-10d27 10d69-10d6d 10eab-10eac 10efd-10eff 10f46-10f50 10f82-10f85 11070 1133b 11382-113d0"
            + " 1145e 11839-1183a 11930-11943 119e0 11a34 11a47 11a99 11d42-11d45 11d97 11f41-11f42 1611e-1612f"
            + " 16d63-16d6a 16ff0-16ff1 1e08f 1e130-1e136 1e2ae 1e2ec-1e2ef 1e4ec-1e4ef 1e5ee-1e5ef";

    /** Combining marks that are newer than Unicode 9. */
    private static final BitSet NEWER = new BitSet();

    // More marks than a text has. Java sorts them in a time that grows with the square of their number.
    private static final Pattern MARKS = Pattern.compile("\\p{M}{64,}+");
    private static final int FIRST = 0x334; // a mark of the first combining class
    private static final int LAST = 0x345; // and of the last

    static {
        for (String range : RANGES.split(" ", -1)) {
            String[] ends = range.split("-", -1);
            NEWER.set(HexFormat.fromHexDigits(ends[0]), HexFormat.fromHexDigits(ends[ends.length - 1]) + 1);
        }
    }

    String apply(String text) {
        return text.isEmpty() ? text : prefix + withoutPrefix(text);
    }

    String withoutPrefix(String text) {
        String changed = text;
        for (UnaryOperator<String> step : steps) {
            changed = step.apply(changed);
        }
        return changed;
    }

    /**
     * Composes characters (NFC) as of Unicode 9, the version in Hugging Face's library. Newer marks neither move nor
     * compose there, so the text is cut at them.
     */
    static String nfc(String text) {
        StringBuilder out = new StringBuilder();
        int from = 0;
        for (int at = 0; at < text.length(); at++) {
            if (text.charAt(at) > 0x7f && NEWER.get(text.codePointAt(at))) {
                int next = text.offsetByCodePoints(at, 1);
                out.append(composed(text.substring(from, at))).append(text, at, next);
                from = next;
            }
        }
        return out.append(composed(text.substring(from))).toString();
    }

    private static String composed(String text) {
        String ordered = MARKS.matcher(text).replaceAll(run -> ordered(run.group()));
        return java.text.Normalizer.normalize(ordered, Form.NFC);
    }

    /** Marks with those of each combining class together, as NFC has them between two of class 0. */
    private static String ordered(String marks) {
        StringBuilder out = new StringBuilder();
        Map<Integer, StringBuilder> byMark = new HashMap<>();
        Map<Integer, StringBuilder> byClass = new TreeMap<>((a, b) -> moves(a, b) ? 1 : moves(b, a) ? -1 : 0);
        marks.codePoints().flatMap(c -> decomposed(c).codePoints()).forEach(c -> {
            StringBuilder alike = byMark.computeIfAbsent(
                    c,
                    mark -> moves(LAST, c) || moves(c, FIRST)
                            ? byClass.computeIfAbsent(mark, unused -> new StringBuilder())
                            : out);
            if (alike == out) {
                flush(byClass, out);
            }
            alike.appendCodePoint(c);
        });
        flush(byClass, out);
        return out.toString();
    }

    private static void flush(Map<Integer, StringBuilder> byClass, StringBuilder out) {
        byClass.values().forEach(alike -> {
            out.append(alike);
            alike.setLength(0);
        });
    }

    /** Whether a mark after another belongs before it. */
    private static boolean moves(int before, int after) {
        String both = Character.toString(before) + Character.toString(after);
        return !java.text.Normalizer.isNormalized(both, Form.NFD);
    }

    private static String decomposed(int c) {
        return java.text.Normalizer.normalize(Character.toString(c), Form.NFD);
    }
}
