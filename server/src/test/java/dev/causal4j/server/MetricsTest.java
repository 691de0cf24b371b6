package dev.causal4j.server;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.within;

import dev.causal4j.generation.Engine;
import dev.causal4j.generation.Generation;
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
        assertThat(counter.sums()).hasToString("{a=2}");
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

    @Test
    void aSequenceWaitsUntilItsPromptIsComputedAndNotForItsReader() {
        try (Engine engine = new Engine(Unserved.MODEL)) {
            Metrics metrics = new Metrics(engine, "");
            Metrics.Sequence sequence = metrics.new Sequence(0);
            sequence.token(5_000_000_000L);
            sequence.token(60_000_000_000L); // the engine waited for a slow reader
            sequence.end(90_000_000_000L, new Generation.Timing(0, 3, 2, 1, 1, Generation.Drafted.NONE));
            Metrics.Sequence none = metrics.new Sequence(0);
            none.end(4_000_000_000L, new Generation.Timing(0, 3, 2.5, 0, 0, Generation.Drafted.NONE));
            assertThat(new Figures(List.of(metrics)).text())
                    .contains("causal4j_request_queue_time_seconds_sum 4.5\n")
                    .contains("causal4j_request_queue_time_seconds_count 2\n");
        }
    }
}
