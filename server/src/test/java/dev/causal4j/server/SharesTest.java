package dev.causal4j.server;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class SharesTest {
    @Test
    void aCallerGetsAnEqualShareWhateverOthersHold() {
        Shares shares = new Shares(10, 1);
        assertThat(shares.take("greedy", 10)).isTrue();
        assertThat(shares.take("greedy", 1)).isFalse();
        assertThat(shares.take("other", 6)).isFalse();
        assertThat(shares.take("other", 4)).isTrue();
        assertThat(shares.take("other", 1)).isTrue();
        assertThat(shares.take("other", 1)).isFalse();
        assertThat(shares.take("third", 3)).isTrue();
        shares.give("other", 5);
        shares.give("third", 3);
        shares.give("greedy", 9);
        assertThat(shares.take("other", 9)).isTrue();
        assertThat(shares.take("greedy", 5)).isFalse();
        assertThat(shares.take("greedy", 4)).isTrue();
    }

    @Test
    void aCallerGetsALittleHoweverManyThereAre() {
        Shares shares = new Shares(4, 2);
        for (int i = 0; i < 100; i++) {
            assertThat(shares.take(i, 2)).isTrue();
            assertThat(shares.take(i, 1)).isEqualTo(i == 0);
        }
    }
}
