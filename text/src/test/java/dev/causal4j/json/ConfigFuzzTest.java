package dev.causal4j.json;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import com.code_intelligence.jazzer.junit.FuzzTest;
import dev.causal4j.FormatException;
import java.util.List;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;

/** Whatever the bytes, a config is refused with one line or every getter answers or refuses with one. */
class ConfigFuzzTest {
    // The keys of the seeds.
    private static final List<String> KEYS = List.of("k", "n_embd", "n_inner", "eos_token_id", "model_type", "");

    @FuzzTest(maxDuration = "10s")
    void onlyFormatExceptionIsThrown(byte[] json) {
        Json config;
        try {
            config = Json.parse("config", json);
        } catch (FormatException e) {
            assertOneLine(e);
            return;
        }
        for (String key : KEYS) {
            answersOrRefuses(() -> assertThat(config.requireInt(key, 1, 99)).isBetween(1, 99));
            answersOrRefuses(() -> assertThat(config.integer(key, 7, 1, 99)).isBetween(1, 99));
            answersOrRefuses(() -> assertThat(config.number(key, 7, -99, 99)).isBetween(-99.0, 99.0));
            answersOrRefuses(() -> assertThat(config.number(key, 7, Double.NEGATIVE_INFINITY, Double.POSITIVE_INFINITY))
                    .isFinite());
            answersOrRefuses(() -> config.bool(key, true));
            answersOrRefuses(() -> assertThat(config.string(key, "x").length()).isLessThanOrEqualTo(json.length));
            answersOrRefuses(() -> assertThat(config.integers(key).size()).isLessThanOrEqualTo(json.length));
            config.has(key);
        }
    }

    private static void answersOrRefuses(ThrowingCallable getter) {
        Throwable refusal = catchThrowable(getter);
        if (refusal instanceof FormatException) {
            assertOneLine(refusal);
        } else {
            assertThat(refusal).isNull();
        }
    }

    private static void assertOneLine(Throwable refusal) {
        assertThat(refusal.getMessage()).doesNotContain("\n", "\r", "\u001b").startsWith("config");
    }
}
