package dev.causal4j.server;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.within;

import dev.causal4j.server.Metrics.Counter;
import dev.causal4j.server.Metrics.Times;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.LongAdder;
import org.junit.jupiter.api.Test;

class MetricsTest {
    @Test
    void aWatcherIsToldOfTheValuesThereAreAndOfThoseThatCome() {
        Counter counter = new Counter("rejected", "", "reason");
        counter.add("old", 2);
        List<String> told = new ArrayList<>();
        counter.watch((value, _) -> told.add(value));
        counter.add("old", 1);
        counter.add("new", 1);
        assertThat(told).containsExactly("old", "new");
        assertThat(counter.sums()).hasToString("{new=1, old=3}");
    }

    @Test
    void aWatcherThatFailsLosesNoCount() {
        Counter counter = new Counter("rejected", "", "reason");
        counter.watch((_, _) -> {
            throw new IllegalStateException();
        });
        assertThatIllegalStateException().isThrownBy(() -> counter.add("a", 1));
        counter.add("a", 1);
        assertThat(counter.sums().get("a").sum()).isEqualTo(2);
    }

    @Test
    void aCounterWithoutALabelIsThereFromTheBeginning() {
        assertThat(new Counter("cancelled", "", "").sums()).hasToString("{=0}");
    }

    @Test
    void aTimeCountsInTheFirstBucketThatHoldsIt() {
        Times times = new Times("queue", "");
        times.add(0);
        times.add(.001);
        times.add(.0011);
        times.add(1e9);
        assertThat(times.counts())
                .extracting(LongAdder::sum)
                .startsWith(2L, 1L, 0L)
                .endsWith(1L);
        assertThat(times.count()).isEqualTo(4);
        assertThat(times.seconds().sum()).isCloseTo(1e9 + .0021, within(1e-6));
    }
}
