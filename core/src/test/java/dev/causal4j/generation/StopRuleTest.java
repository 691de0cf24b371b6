package dev.causal4j.generation;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Set;
import org.junit.jupiter.api.Test;

class StopRuleTest {
    @Test
    void anyEndOfSequenceTokenEnds() {
        StopRule rule = new StopRule(Set.of(3, 9), 100);
        assertThat(rule.after(3, 1)).contains(FinishReason.EOS);
        assertThat(rule.after(9, 1)).contains(FinishReason.EOS);
        assertThat(rule.after(4, 1)).isEmpty();
    }

    @Test
    void theLengthCountsNewTokens() {
        StopRule rule = new StopRule(Set.of(3), 5);
        assertThat(rule.after(1, 4)).isEmpty();
        assertThat(rule.after(1, 5)).contains(FinishReason.LENGTH);
    }

    @Test
    void anEndOfSequenceAsLastTokenIsAnEnd() {
        assertThat(new StopRule(Set.of(3), 5).after(3, 5)).contains(FinishReason.EOS);
    }

    @Test
    void withoutEndOfSequenceTokensOnlyTheLengthEnds() {
        StopRule rule = new StopRule(Set.of(), 5);
        assertThat(rule.after(3, 4)).isEmpty();
        assertThat(rule.after(3, 5)).contains(FinishReason.LENGTH);
    }

    @Test
    void reasonsHaveTheLabelsOfTheJsonOutput() {
        assertThat(FinishReason.values())
                .extracting(FinishReason::label)
                .containsExactly("length", "stop", "eos", "cancelled");
    }
}
