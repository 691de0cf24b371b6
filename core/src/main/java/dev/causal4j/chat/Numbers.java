package dev.causal4j.chat;

import dev.causal4j.chat.Value.Tuple;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.MathContext;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Python's numbers: booleans, whole ones of any size, and doubles; and sums and products of texts and lists. */
final class Numbers {
    // Python prints no longer ones either.
    private static final int MAX_BITS = 14_000;

    private Numbers() {}

    static boolean is(Object value) {
        return value instanceof Number || value instanceof Boolean;
    }

    static boolean isWhole(Object value) {
        return is(value) && !(value instanceof Double);
    }

    static double real(Object number) {
        return number instanceof Boolean flag ? (flag ? 1 : 0) : ((Number) number).doubleValue();
    }

    private static boolean isFinite(Object number) {
        return !(number instanceof Double real) || Double.isFinite(real);
    }

    private static BigDecimal exact(Object number) {
        boolean whole = isWhole(number) && !(number instanceof Boolean);
        return whole ? new BigDecimal(number.toString()) : new BigDecimal(real(number));
    }

    /** Without its fraction, as Long or BigInteger; an infinite one as it is. */
    static Number truncated(Object number) {
        return isFinite(number) ? whole(exact(number).toBigInteger()) : real(number);
    }

    /** The only form of a whole number. */
    static Number whole(BigInteger number) {
        return number.bitLength() > 63 ? number : (Number) number.longValue();
    }

    static int compare(Object a, Object b) {
        if (a instanceof Long x && b instanceof Long y) {
            return x.compareTo(y);
        }
        return isFinite(a) && isFinite(b) ? exact(a).compareTo(exact(b)) : Double.compare(real(a), real(b));
    }

    static Object apply(Values x, String operator, Object a, Object b) {
        if (operator.equals("+") && a instanceof String && b instanceof String) {
            return x.join("", List.of(a, b));
        }
        boolean lists = a instanceof List && b instanceof List && a instanceof Tuple == b instanceof Tuple;
        if (operator.equals("+") && lists) {
            List<Object> both = new ArrayList<>(x.list(a));
            both.addAll(x.list(b));
            return Values.like(a, both);
        }
        if (operator.equals("*") && is(a) != is(b) && isWhole(is(a) ? a : b)) {
            return is(a) ? repeated(x, b, x.whole(a)) : repeated(x, a, x.whole(b));
        }
        if (!is(a) || !is(b)) {
            throw x.wrong("two values that " + operator + " takes", is(a) ? b : a);
        }
        if (real(b) == 0 && (operator.startsWith("/") || operator.equals("%"))) {
            throw x.wrong("a divisor other than 0", b);
        }
        boolean fraction = operator.equals("/") || (operator.equals("**") && real(b) < 0);
        return isWhole(a) && isWhole(b) && !fraction
                ? whole(whole(x, operator, exact(a).toBigInteger(), exact(b).toBigInteger()))
                : (Object) real(operator, real(a), real(b));
    }

    private static Object repeated(Values x, Object value, long times) {
        int count = Math.clamp(times, 0, Integer.MAX_VALUE);
        if (value instanceof String text) {
            x.make((long) count * text.length());
            return text.repeat(count);
        }
        List<Object> items = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            items.addAll(x.made(x.list(value)));
        }
        return Values.like(value, items);
    }

    private static BigInteger whole(Values x, String operator, BigInteger a, BigInteger b) {
        boolean power = operator.equals("**");
        if ((power ? Math.max(1, a.bitLength()) * b.doubleValue() : (double) a.bitLength() + b.bitLength())
                > MAX_BITS) {
            throw x.wrong("a result of at most " + MAX_BITS + " bits", b);
        }
        // Python's remainder has the sign of the divisor.
        BigInteger rest = b.signum() == 0 ? b : a.mod(b.abs());
        BigInteger modulo = rest.signum() > 0 && b.signum() < 0 ? rest.add(b) : rest;
        return switch (operator) {
            case "+" -> a.add(b);
            case "-" -> a.subtract(b);
            case "*" -> a.multiply(b);
            case "//" -> a.subtract(modulo).divide(b);
            case "%" -> modulo;
            default -> a.pow(b.intValue());
        };
    }

    private static double real(String operator, double a, double b) {
        return switch (operator) {
            case "+" -> a + b;
            case "-" -> a - b;
            case "*" -> a * b;
            case "/" -> a / b;
            case "//" -> Math.floor(a / b);
            case "%" -> a % b != 0 && a % b < 0 != b < 0 ? a % b + b : a % b;
            default -> Math.pow(a, b);
        };
    }

    /** The shortest digits that give the number back, as Python lays them out. */
    static String print(double number) {
        String sign = Double.toString(number).startsWith("-") ? "-" : "";
        double size = Math.abs(number);
        if (size == 0 || !Double.isFinite(number)) {
            return Double.isNaN(number) ? "nan" : sign + (size == 0 ? "0.0" : "inf");
        }
        BigDecimal shortest = new BigDecimal(Double.toString(size)).stripTrailingZeros();
        BigDecimal digit = shortest.round(new MathContext(1)); // Java gives two digits at least
        BigDecimal decimal = digit.doubleValue() == size ? digit : shortest;
        String digits = decimal.unscaledValue().toString();
        int exponent = digits.length() - decimal.scale() - 1;
        if (exponent >= -4 && exponent < 16) {
            return sign + decimal.toPlainString() + (decimal.scale() <= 0 ? ".0" : "");
        }
        String fraction = digits.length() > 1 ? "." + digits.substring(1) : "";
        return String.format(Locale.ROOT, "%s%c%se%+03d", sign, digits.charAt(0), fraction, exponent);
    }
}
