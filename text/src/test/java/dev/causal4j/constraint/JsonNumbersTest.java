package dev.causal4j.constraint;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.constraint.JsonNumbers.Bound;
import dev.causal4j.constraint.JsonNumbers.Multiple;
import java.math.BigDecimal;
import java.util.Random;
import org.junit.jupiter.api.Test;

class JsonNumbersTest {
    private static final BigDecimal[] BOUNDS = {
        new BigDecimal("0"),
        new BigDecimal("1"),
        new BigDecimal("-1"),
        new BigDecimal("2.25"),
        new BigDecimal("-0.5"),
        new BigDecimal("120"),
        new BigDecimal("9007199254740993"),
        new BigDecimal("-9223372036854775808"),
        new BigDecimal("0.001"),
        new BigDecimal("1E+30"),
        new BigDecimal("1E-30"),
        new BigDecimal("99.99")
    };
    private static final BigDecimal[] MULTIPLES = {
        new BigDecimal("1"),
        new BigDecimal("0.05"),
        new BigDecimal("7"),
        new BigDecimal("2.5"),
        new BigDecimal("100"),
        new BigDecimal("0.001"),
        new BigDecimal("5000"),
        new BigDecimal("1E-20")
    };

    @Test
    void theSpellingsAreThoseOfTheValuesThatFit() {
        Random random = new Random(5);
        for (int round = 0; round < 20_000; round++) {
            BigDecimal low = random.nextInt(3) == 0 ? null : BOUNDS[random.nextInt(BOUNDS.length)];
            BigDecimal high = random.nextInt(3) == 0 ? null : BOUNDS[random.nextInt(BOUNDS.length)];
            BigDecimal multiple = random.nextInt(3) > 0 ? null : MULTIPLES[random.nextInt(MULTIPLES.length)];
            boolean open = random.nextBoolean();
            boolean integer = random.nextBoolean();
            JsonNumbers numbers = new JsonNumbers(
                    integer,
                    low == null ? null : Bound.of(low, open),
                    high == null ? null : Bound.of(high, !open),
                    multiple == null ? null : Multiple.of(multiple));
            String text = text(random, random.nextBoolean() ? low : high);
            BigDecimal value = new BigDecimal(text);
            boolean fits = (!integer || text.indexOf('.') < 0)
                    && (low == null || value.compareTo(low) >= (open ? 1 : 0))
                    && (high == null || value.compareTo(high) <= (open ? 0 : -1))
                    && (multiple == null || value.remainder(multiple).signum() == 0);
            assertThat(accepts(numbers, text))
                    .as("%s in %s to %s (%s), multiple of %s, integer %s", text, low, high, open, multiple, integer)
                    .isEqualTo(fits);
        }
    }

    /** A number near a bound, or any. */
    private static String text(Random random, @org.jspecify.annotations.Nullable BigDecimal near) {
        if (near != null && near.abs().compareTo(new BigDecimal("1E18")) < 0 && random.nextInt(4) > 0) {
            BigDecimal step = BigDecimal.ONE.movePointLeft(random.nextInt(18));
            BigDecimal value = near.add(step.multiply(BigDecimal.valueOf(random.nextInt(3) - 1)));
            if (value.scale() < 17 && random.nextBoolean()) {
                value = value.setScale(Math.max(value.scale(), 0) + 1);
            }
            if (value.scale() <= 17) {
                return value.toPlainString();
            }
        }
        BigDecimal value = BigDecimal.valueOf(random.nextInt(3) == 0 ? random.nextInt(300) : random.nextLong() / 10);
        String text = value.movePointLeft(random.nextInt(5)).toPlainString();
        return value.signum() == 0 && random.nextBoolean() ? "-" + text : text;
    }

    @Test
    void digitsHaveAnEnd() {
        JsonNumbers any = new JsonNumbers(false, null, null, null);
        assertThat(accepts(any, "9".repeat(19))).isTrue();
        assertThat(accepts(any, "9".repeat(20))).isFalse();
        assertThat(accepts(any, "0." + "1".repeat(17))).isTrue();
        assertThat(accepts(any, "0." + "1".repeat(18))).isFalse();
    }

    private static boolean accepts(JsonNumbers numbers, String text) {
        JsonNumbers state = numbers;
        for (int i = 0; i < text.length() && state != null; i++) {
            state = state.next(text.charAt(i));
        }
        return state != null && state.accepts();
    }
}
