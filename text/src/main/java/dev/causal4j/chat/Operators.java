package dev.causal4j.chat;

import dev.causal4j.chat.Value.Loop;
import dev.causal4j.chat.Value.Namespace;
import dev.causal4j.chat.Value.Tuple;
import dev.causal4j.chat.Value.Undefined;
import dev.causal4j.json.Json;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** Python's operators and numbers: booleans, whole numbers of any size, and doubles. */
final class Operators {
    // Python refuses to print longer numbers, too.
    private static final int MAX_BITS = 14_000;

    private Operators() {}

    /** Applies any operator but and, or, not. */
    static Object apply(Rendering x, String operator, Object a, Object b) {
        return switch (operator) {
            case "==" -> equal(x, a, b);
            case "!=" -> !equal(x, a, b);
            case "<" -> order(x, a, b) < 0;
            case "<=" -> order(x, a, b) <= 0;
            case ">" -> order(x, a, b) > 0;
            case ">=" -> order(x, a, b) >= 0;
            case "in" -> contains(x, b, a);
            case "not-in" -> !contains(x, b, a);
            case "~" -> x.join("", List.of(a, b));
            default -> isNumber(a) && isNumber(b) ? computed(x, operator, a, b) : composed(x, operator, a, b);
        };
    }

    static boolean isNumber(Object value) {
        return value instanceof Number || value instanceof Boolean;
    }

    static boolean isWhole(Object value) {
        return isNumber(value) && !(value instanceof Double);
    }

    static double real(Object number) {
        return number instanceof Boolean flag ? (flag ? 1 : 0) : ((Number) number).doubleValue();
    }

    /** A number without its fraction, as Long or BigInteger; an infinite one unchanged. */
    static Number truncated(Object number) {
        return switch (number) {
            case Boolean flag -> flag ? 1L : 0L;
            case Double real when Math.abs(real) < 0x1p62 -> real.longValue();
            case Double real when Double.isFinite(real) -> whole(new BigDecimal(real).toBigInteger());
            case BigDecimal exact -> whole(exact.toBigInteger());
            default -> (Number) number;
        };
    }

    /** A whole number in its only form: a Long if it fits one. */
    static Number whole(BigInteger number) {
        return number.bitLength() > 63 ? number : (Number) number.longValue();
    }

    private static BigInteger big(Object whole) {
        Number number = truncated(whole);
        return number instanceof BigInteger large ? large : BigInteger.valueOf(number.longValue());
    }

    static int compare(Object a, Object b) {
        return isWhole(a) && isWhole(b) ? big(a).compareTo(big(b)) : Double.compare(real(a) + 0.0, real(b) + 0.0);
    }

    private static Object computed(Rendering x, String operator, Object a, Object b) {
        double u = real(a);
        double v = real(b);
        if (v == 0 && (operator.startsWith("/") || operator.equals("%"))) {
            throw x.wrong("a divisor other than 0", b);
        }
        boolean fraction = operator.equals("/") || (operator.equals("**") && v < 0);
        if (isWhole(a) && isWhole(b) && !fraction) {
            return whole(computed(x, operator, big(a), big(b)));
        }
        return switch (operator) {
            case "+" -> u + v;
            case "-" -> u - v;
            case "*" -> u * v;
            case "/" -> u / v;
            case "//" -> Math.floor(u / v);
            case "%" -> u % v != 0 && u % v < 0 != v < 0 ? u % v + v : u % v;
            default -> Math.pow(u, v);
        };
    }

    private static BigInteger computed(Rendering x, String operator, BigInteger m, BigInteger n) {
        boolean power = operator.equals("**");
        double bits = power ? Math.max(1, m.bitLength()) * n.doubleValue() : m.bitLength() + n.bitLength();
        if (bits > MAX_BITS) {
            throw x.wrong("a result of at most " + MAX_BITS + " bits", n);
        }
        x.step(2 + ((long) (bits * bits) >> 17)); // a division takes the square
        return switch (operator) {
            case "+" -> m.add(n);
            case "-" -> m.subtract(n);
            case "*" -> m.multiply(n);
            case "//" -> m.subtract(modulo(m, n)).divide(n);
            case "%" -> modulo(m, n);
            default -> m.pow(n.intValue());
        };
    }

    /** Python's remainder, which has the sign of the divisor. */
    private static BigInteger modulo(BigInteger a, BigInteger b) {
        BigInteger rest = a.mod(b.abs());
        return rest.signum() > 0 && b.signum() < 0 ? rest.add(b) : rest;
    }

    /** The sum or product of texts and lists. */
    private static Object composed(Rendering x, String operator, Object a, Object b) {
        if (operator.equals("*") && (isWhole(a) || isWhole(b))) {
            return isWhole(a) ? repeated(x, b, x.whole(a)) : repeated(x, a, x.whole(b));
        }
        boolean sum = operator.equals("+");
        if (sum && a instanceof String && b instanceof String) {
            return x.join("", List.of(a, b));
        }
        if (!sum || !(a instanceof List && b instanceof List) || a instanceof Tuple != b instanceof Tuple) {
            throw x.wrong("two values that " + operator + " takes", isNumber(a) ? b : a);
        }
        return Rendering.like(
                a, Stream.of(a, b).flatMap(list -> x.list(list).stream()).toList());
    }

    private static Object repeated(Rendering x, Object value, long times) {
        int count = Math.clamp(times, 0, Integer.MAX_VALUE);
        if (value instanceof String text) {
            x.make((long) count * text.length());
            return text.repeat(count);
        }
        List<Object> items = x.list(value);
        x.step(count);
        x.make(8L * count * items.size());
        return Rendering.like(
                value,
                Collections.nCopies(count, items).stream().flatMap(List::stream).toList());
    }

    static boolean equal(Rendering x, Object a, Object b) {
        x.enter(Rendering.LIST);
        boolean equal = switch (a) {
            case Undefined missing -> missing.as(b instanceof Undefined);
            case Object unused when b instanceof Undefined missing -> missing.as(false);
            case Object unused when isNumber(a) && isNumber(b) -> compare(a, b) == 0;
            case String text -> {
                x.step(text.length() / Rendering.RUN);
                yield text.equals(b);
            }
            case List<?> list ->
                b instanceof List<?> other
                        && list instanceof Tuple == other instanceof Tuple
                        && list.size() == other.size()
                        && IntStream.range(0, list.size()).allMatch(i -> equal(x, list.get(i), other.get(i)));
            case Map<?, ?> map ->
                b instanceof Map<?, ?> other
                        && map.size() == other.size()
                        && x.list(map).stream()
                                .allMatch(key ->
                                        contains(x, other, key) && equal(x, x.item(map, key), x.item(other, key)));
            case Namespace unused -> false;
            case Loop unused -> false;
            default -> a.equals(b);
        };
        x.leave(Rendering.LIST);
        return equal;
    }

    /** Compares two numbers or two texts. */
    static int order(Rendering x, Object a, Object b) {
        x.step(1);
        if (a instanceof String text && b instanceof String other) {
            x.make(4L * (text.length() + other.length()));
            return Arrays.compare(
                    text.codePoints().toArray(), other.codePoints().toArray());
        }
        if (!isNumber(a) || !isNumber(b)) {
            throw x.wrong("a number or text to compare with " + Json.describe(b), a);
        }
        return compare(a, b);
    }

    static boolean contains(Rendering x, Object container, Object item) {
        return switch (container) {
            case String text -> find(x, text, x.text(item), 0) >= 0;
            case Map<?, ?> map -> map.containsKey(x.key(item));
            default -> x.list(container).stream().anyMatch(each -> equal(x, item, each));
        };
    }

    /** The place of {@code part} in {@code text}, or -1. In the worst case its time is the product of their lengths. */
    static int find(Rendering x, String text, String part, int from) {
        if ((long) text.length() * part.length() / Rendering.RUN > Rendering.MAX_STEPS) {
            throw x.wrong("a shorter text to look for", part);
        }
        int at = text.indexOf(part, from);
        x.step(1 + (long) ((at < 0 ? text.length() : at) - from + 1) * part.length() / Rendering.RUN);
        return at;
    }
}
