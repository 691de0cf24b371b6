package dev.causal4j.constraint;

import java.math.BigDecimal;
import org.jspecify.annotations.Nullable;

/**
 * The spellings of JSON numbers without exponent: at most 19 digits before the point, 17 after it. Digits are compared with
 * those of the bounds as they come, and a multiple is told by a remainder, so that nothing is ever rounded. Immutable and
 * thread-safe.
 *
 * @param integer whether only numbers without fraction are meant
 * @param multiple what the value is a multiple of; null if of nothing
 * @param place after the written part
 */
record JsonNumbers(
        boolean integer,
        @Nullable Bound low,
        @Nullable Bound high,
        @Nullable Multiple multiple,
        Place place) implements StateMachine {
    private static final int INTEGER_DIGITS = 19; // as many as 2^63 has
    private static final int FRACTION_DIGITS = 17; // as many as a double needs

    /** Numbers of which nothing is written. */
    JsonNumbers(boolean integer, @Nullable Bound low, @Nullable Bound high, @Nullable Multiple multiple) {
        this(integer, low, high, multiple, new Place(Phase.BEGIN, false, 0, 0, 0, 0));
    }

    private enum Phase {
        BEGIN,
        MINUS,
        ZERO,
        WHOLE,
        POINT,
        FRACTION
    }

    /** A decimal that a value may reach, or not. */
    record Bound(int sign, String whole, String fraction, boolean open) {
        static Bound of(BigDecimal value, boolean open) {
            String digits = value.abs().stripTrailingZeros().toPlainString();
            String[] parts = (digits + ".").split("\\.", -1);
            return new Bound(value.signum(), parts[0], parts[1], open);
        }

        /** Whether it can be written without exponent. */
        boolean fits() {
            return whole.length() <= INTEGER_DIGITS && fraction.length() <= FRACTION_DIGITS;
        }

        @Override
        public int hashCode() {
            return Seeded.hash(sign, Seeded.text(whole), Seeded.text(fraction), open ? 1 : 0);
        }

        /** The order of a size against this one's, with one more digit: the k-th of its part. */
        private int with(int order, String part, int k, int digit) {
            return order != 0 ? order : Integer.signum(digit - (k < part.length() ? part.charAt(k) - '0' : 0));
        }

        /** The order of a size that has {@code k} digits before its point, if that of its digits is known. */
        private int atPoint(int order, int k) {
            return k == whole.length() ? order : Integer.signum(k - whole.length());
        }

        /** Whether more digits lead away from it: its size is less than one of this many digits and this order. */
        private boolean isBelow(int digits, int order) {
            return digits > whole.length() || (digits == whole.length() && order > 0);
        }

        /** How the number that ends at a place compares with this one. */
        private int compare(Place place, int order) {
            boolean fractional = place.phase == Phase.FRACTION;
            int size = fractional ? order : atPoint(order, place.digits);
            if (size == 0 && (fractional ? place.digits : 0) < fraction.length()) {
                size = -1;
            }
            if (sign == 0) {
                return size == 0 ? 0 : place.negative ? -1 : 1;
            }
            return place.negative == (sign < 0) ? sign * size : -sign;
        }

        boolean holds(Place place, int order, int side) {
            int compared = compare(place, order);
            return compared == 0 ? !open : compared == side;
        }
    }

    /** The multiples of unit / 10^places. */
    record Multiple(int unit, int places) {
        static final int MAX_UNIT = 5_000;

        /** Null if its digits are too large a number. */
        static @Nullable Multiple of(BigDecimal value) {
            BigDecimal plain = value.stripTrailingZeros();
            int places = Math.max(plain.scale(), 0);
            BigDecimal unit = plain.scaleByPowerOfTen(places);
            boolean fits = unit.compareTo(BigDecimal.valueOf(MAX_UNIT)) <= 0;
            return fits ? new Multiple(unit.intValueExact(), places) : null;
        }

        private int with(int rest, int digit) {
            return (rest * 10 + digit) % unit;
        }

        private boolean divides(int rest, int places) {
            int left = rest;
            for (int i = places; i < this.places; i++) {
                left = with(left, 0);
            }
            return left == 0;
        }
    }

    /**
     * A place in a number.
     *
     * @param digits of the part at hand
     * @param low the order of what is written against the lower bound's size, {@code high} the other's
     * @param rest what is left when the digits are divided by the unit
     */
    record Place(Phase phase, boolean negative, int digits, int low, int high, int rest) {}

    @Override
    public boolean accepts() {
        if (place.phase != Phase.ZERO && place.phase != Phase.WHOLE && place.phase != Phase.FRACTION) {
            return false;
        }
        int places = place.phase == Phase.FRACTION ? place.digits : 0;
        return (low == null || low.holds(place, place.low, 1))
                && (high == null || high.holds(place, place.high, -1))
                && (multiple == null || multiple.divides(place.rest, places));
    }

    @Override
    public @Nullable JsonNumbers next(int b) {
        Place next = b >= '0' && b <= '9' ? digit(b - '0') : mark(b);
        return next == null ? null : new JsonNumbers(integer, low, high, multiple, next);
    }

    private @Nullable Place digit(int digit) {
        return switch (place.phase) {
            case BEGIN, MINUS -> whole(digit == 0 ? Phase.ZERO : Phase.WHOLE, digit);
            case WHOLE -> place.digits < INTEGER_DIGITS ? whole(Phase.WHOLE, digit) : null;
            case POINT, FRACTION -> place.digits < FRACTION_DIGITS ? fraction(digit) : null;
            case ZERO -> null;
        };
    }

    private @Nullable Place mark(int b) {
        boolean whole = place.phase == Phase.ZERO || place.phase == Phase.WHOLE;
        if (b == '-' && place.phase == Phase.BEGIN) {
            return new Place(Phase.MINUS, true, 0, 0, 0, 0);
        } else if (b == '.' && whole && !integer) {
            int k = place.digits;
            int lower = low == null ? 0 : low.atPoint(place.low, k);
            int upper = high == null ? 0 : high.atPoint(place.high, k);
            return new Place(Phase.POINT, place.negative, 0, lower, upper, place.rest);
        }
        return null;
    }

    private @Nullable Place whole(Phase phase, int digit) {
        int k = place.digits;
        int lower = low == null ? 0 : low.with(place.low, low.whole, k, digit);
        int upper = high == null ? 0 : high.with(place.high, high.whole, k, digit);
        int rest = multiple == null ? 0 : multiple.with(place.rest, digit);
        Place next = new Place(phase, place.negative, k + 1, lower, upper, rest);
        boolean above = high != null && !place.negative && high.isBelow(k + 1, upper);
        boolean below = low != null && place.negative && low.isBelow(k + 1, lower);
        return above || below ? null : next;
    }

    private @Nullable Place fraction(int digit) {
        int k = place.digits;
        int rest = place.rest;
        if (multiple != null && k < multiple.places) {
            rest = multiple.with(rest, digit);
        } else if (multiple != null && digit != 0) {
            return null;
        }
        int lower = low == null ? 0 : low.with(place.low, low.fraction, k, digit);
        int upper = high == null ? 0 : high.with(place.high, high.fraction, k, digit);
        return new Place(Phase.FRACTION, place.negative, k + 1, lower, upper, rest);
    }
}
