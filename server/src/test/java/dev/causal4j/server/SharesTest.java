package dev.causal4j.server;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class SharesTest {
    @Test
    void aCallerThatHoldsNothingGetsALittleWhateverOthersHold() {
        Shares shares = new Shares(10, 2);
        assertThat(shares.take("greedy", 10)).isTrue();
        assertThat(shares.take("greedy", 1)).isFalse();
        assertThat(shares.take("other", 3)).isFalse();
        assertThat(shares.take("other", 2)).isTrue();
        assertThat(shares.take("other", 1)).isFalse();
        shares.give("other", 2);
        assertThat(shares.take("other", 1)).isTrue();
        shares.give("greedy", 9);
        assertThat(shares.take("other", 8)).isTrue();
        assertThat(shares.take("greedy", 1)).isFalse();
    }
}
