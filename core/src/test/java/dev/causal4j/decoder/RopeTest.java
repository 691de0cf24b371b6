package dev.causal4j.decoder;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import dev.causal4j.decoder.BlockConfig.RopeConfig;
import dev.causal4j.decoder.BlockConfig.RopeConfig.Longer;
import java.lang.management.ManagementFactory;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class RopeTest {
    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    private static final List<Double> FREQUENCIES =
            IntStream.range(0, 64).mapToObj(j -> StrictMath.pow(1e4, -j / 64.0)).toList();

    private static Rope rope(Longer longer) {
        return new Rope(new RopeConfig(128, FREQUENCIES, 1, longer), 4096);
    }

    @Test
    void aLongSequencesTableIsMadeOnce() {
        Rope rope = rope(new Longer.Dynamic(100, 1e4, 4));
        Rope.Table table = rope.table(101);
        long before = THREADS.getCurrentThreadAllocatedBytes();
        boolean same = true;
        for (int i = 0; i < 1_000; i++) {
            same &= rope.table(101) == table;
        }
        long bytes = THREADS.getCurrentThreadAllocatedBytes() - before;
        assertThat(same).isTrue();
        assertThat(bytes / 1_000).isLessThan(100); // the powers alone were 2 KB
    }

    @Test
    void aTableBelongsToItsFrequencies() {
        for (Longer longer : List.of(
                new Longer.Same(), new Longer.Dynamic(100, 1e4, 4), new Longer.Other(100, FREQUENCIES.reversed()))) {
            RopeConfig config = new RopeConfig(128, FREQUENCIES, 1, longer);
            Rope rope = rope(longer);
            for (int a : new int[] {1, 100, 101, 102, 4096}) {
                assertThat(config.frequencies(Math.max(1, config.longer(a)))).isEqualTo(config.frequencies(a));
                for (int b : new int[] {1, 100, 101, 102, 4096}) {
                    assertThat(rope.table(a) == rope.table(b))
                            .isEqualTo(config.frequencies(a).equals(config.frequencies(b)));
                }
            }
        }
    }
}
