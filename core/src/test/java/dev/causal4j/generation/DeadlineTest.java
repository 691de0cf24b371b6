package dev.causal4j.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import dev.causal4j.generation.GenerationOptions.Setting;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Sequences with deadlines, by a clock that the listeners set. */
@Timeout(120)
class DeadlineTest extends ConstrainedFixture {
    private static final Duration SECOND = Duration.ofSeconds(1);

    private final AtomicLong clock = new AtomicLong(Long.MAX_VALUE - 7); // it will overflow
    private final Engine engine = new Engine(model, EngineOptions.DEFAULT.withParallel(1));

    DeadlineTest() {
        engine.clock = clock::get;
    }

    @AfterEach
    void end() {
        engine.close();
    }

    private static GenerationOptions free() {
        return GenerationOptions.DEFAULT.withMaxNewTokens(50).withSeed(3).withEos(Set.of());
    }

    private static GenerationRequest request(GenerationOptions options) {
        return new GenerationRequest(PROMPT, options);
    }

    private TokenListener passing(int tokens) {
        AtomicInteger heard = new AtomicInteger();
        return _ -> {
            clock.addAndGet(heard.incrementAndGet() == tokens ? SECOND.toNanos() : 1);
            return true;
        };
    }

    @Test
    void theTextSoFarIsKept() {
        Generation whole = engine.submit(request(free()), TokenListener.NONE).join();
        Generation made =
                engine.submit(request(free().withDeadline(SECOND)), passing(20)).join();
        assertThat(made.finishReason()).isEqualTo(FinishReason.DEADLINE);
        assertThat(made.finishReason().label()).isEqualTo("deadline");
        assertThat(made.tokens()).containsExactly(Arrays.copyOf(whole.tokens(), 20));
        assertThat(whole.text()).startsWith(made.text()).isNotEqualTo(made.text());
        assertThat(made.timing().decodedTokens()).isEqualTo(19);
        assertThat(whole.finishReason()).isEqualTo(FinishReason.LENGTH);
    }

    @Test
    void oneThatWaitsForItsTurnEndsWithoutAToken() {
        CompletableFuture<?>[] waits = new CompletableFuture<?>[1];
        AtomicInteger heard = new AtomicInteger();
        AtomicInteger before = new AtomicInteger(); // tokens of the other sequence until this one ended
        TokenListener listener = token -> {
            before.addAndGet(waits[0] == null || !waits[0].isDone() ? 1 : 0);
            if (heard.incrementAndGet() == 1) {
                waits[0] = engine.submit(request(free().withDeadline(SECOND)), TokenListener.NONE);
            }
            return passing(heard.get() == 5 ? 1 : 2).accept(token);
        };
        Generation other = engine.submit(request(free()), listener).join();
        Generation made = (Generation) waits[0].join();
        assertThat(made.finishReason()).isEqualTo(FinishReason.DEADLINE);
        assertThat(made.tokens()).isEmpty();
        assertThat(made.text()).isEmpty();
        assertThat(made.promptTokens()).containsExactly(PROMPT);
        assertThat(other.tokens()).hasSize(50);
        assertThat(before.get()).isEqualTo(5);
        assertThat(engine.waiting()).isZero();
    }

    @Test
    void whatMightHaveBecomeAStopStringIsText() {
        GenerationOptions options = free().withDeadline(SECOND);
        String text = engine.submit(request(options), passing(20)).join().text();
        String held = text.substring(text.length() - 3) + "never written";
        StringBuilder told = new StringBuilder();
        TokenListener passing = passing(20);
        Generation made = engine.submit(request(options.withStop(List.of(held))), token -> {
                    told.append(token.text());
                    return passing.accept(token);
                })
                .join();
        assertThat(made.text()).isEqualTo(text).isNotEqualTo(told.toString());
    }

    @Test
    void aTextWithAConstraintIsNotComplete() {
        GenerationOptions options = options(oneOf("abcdefghijklmnopqrstuvwxyz", "zyxwvutsrqponmlkjihgfedcba"))
                .withDeadline(SECOND)
                .withLogProbabilities(0);
        Generation made = engine.submit(request(options), passing(4)).join();
        assertThat(made.finishReason()).isEqualTo(FinishReason.DEADLINE);
        assertThat(made.tokens()).hasSizeBetween(4, 25); // the tokens of the step
        assertThat(made.predictions()).hasSize(made.tokens().length);
        assertThat(made.constrained().orElseThrow().complete()).isFalse();
    }

    @Test
    void onlyTimeThatPassesCounts() {
        GenerationRequest never = request(free().withDeadline(Duration.ofSeconds(Long.MAX_VALUE)));
        assertThat(engine.submit(never, passing(20)).join().tokens()).hasSize(50);
        assertThat(engine.submit(request(free().withDeadline(Duration.ZERO)), TokenListener.NONE)
                        .join()
                        .tokens())
                .isEmpty();
        assertThatIllegalArgumentException()
                .isThrownBy(() -> free().withDeadline(Duration.ofNanos(-1)))
                .withMessage("deadline: expected a time after the submission, got PT-0.000000001S");
        assertThat(free().withDeadline(SECOND).with(Setting.SEED, 1).deadline()).hasValue(SECOND);
    }
}
