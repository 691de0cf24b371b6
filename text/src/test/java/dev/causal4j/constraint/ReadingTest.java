package dev.causal4j.constraint;

import static dev.causal4j.constraint.BudgetTest.cpu;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.constraint.BudgetTest.Cost;
import dev.causal4j.tokenizer.Tokenizer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;

/** How patterns and grammars are read. */
class ReadingTest {
    private static final Tokenizer TOKENIZER = Golden.tokenizer("minimind");

    @Test
    void countsAreReadOnceAlsoWhereTheyDoNotEnd() {
        long begun = cpu();
        Cost.of(Constraint.regex("a{" + "0".repeat(1300) + "," + "0".repeat(2600) + "x"));
        assertThatThrownBy(() -> Constraint.grammar("root ::= \"a\"{1," + " ".repeat(200_000) + "x")
                        .start(TOKENIZER))
                .hasMessageContaining("counts as {2}");
        assertThat(cpu() - begun).isLessThan(2_000_000_000);
        assertThat(matches("a{0002}b{000,01}c{0,}", "aabccc")).isTrue();
    }

    @Test
    void surrogatesAreReadByTheBook() {
        assertThat(matches("\\ud83d\\ude00", "\ud83d\ude00")).isTrue();
        assertThat(matches("[\\ud83d\\ude00-\\ud83d\\ude02]", "\ud83d\ude01")).isTrue();
        assertThat(matches("\\u{0000000041}", "A")).isTrue();
        assertThat(matches("\\ud800\\u0041|b", "b")).isTrue();
        assertThat(matches("\\ud800\\u0041|b", "\u2441")).isFalse();
        assertThatThrownBy(() -> Constraint.regex("\\udbff\\uffff").start(TOKENIZER))
                .hasMessageContaining("expected one that some text meets");
    }

    @Test
    void quantifiersAreReadAtAnyLength() {
        assertThat(matches("a{0000000000002}", "aa")).isTrue();
        assertThat(matches("a{0000000000002}", "a{0000000000002}")).isFalse();
        assertThat(matches("a{00,000000000001}b", "ab")).isTrue();
        assertThat(matches("a{,2}", "a{,2}")).isTrue();
        for (String pattern : List.of("a{10000000000}", "a{2,10000000000}", "a{99999999999999999999999,}")) {
            assertThatThrownBy(() -> Constraint.regex(pattern).start(TOKENIZER))
                    .hasMessageStartingWith("regex: expected at most 1,000,000 repetitions, got ");
        }
    }

    private static boolean matches(String pattern, String text) {
        Matcher matcher = Constraint.regex(pattern).start(TOKENIZER);
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        return matcher.accept(bytes) == bytes.length && matcher.isAccepting();
    }
}
