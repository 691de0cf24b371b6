package dev.causal4j.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.MemoryLimitException;
import dev.causal4j.compute.Compute;
import java.lang.foreign.Arena;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class OffHeapTest {
    private static final long MB = 1 << 20;

    @Test
    void whatIsClosedIsGivenBack() {
        long free = Device.freeBytes();
        for (int i = 0; i < 3; i++) {
            try (Arena slabs = Device.open(Compute.shared()).arena();
                    Arena scratch = Device.scratch()) {
                slabs.allocate(100, 64);
                slabs.allocate(100, 64);
                assertThat(free - Device.freeBytes()).as("one slab").isEqualTo(MB + 63);
                slabs.allocate(5 * MB, 64);
                scratch.allocate(1, 64);
                assertThat(free - Device.freeBytes()).isEqualTo(6 * MB + 1 + 3 * 63);
            }
            assertThat(Device.freeBytes()).isEqualTo(free);
        }
    }

    @Test
    void nothingIsTakenBeyondTheLimit() {
        long free = Device.freeBytes();
        long exabyte = 1L << 60; // no system gives it, even without a limit
        try (Arena arena = Device.open(Compute.shared(), free).arena()) {
            arena.allocate(3 * MB, 64);
            assertThatThrownBy(() -> arena.allocate(exabyte, 64))
                    .isInstanceOf(MemoryLimitException.class)
                    .hasMessageMatching("memory: expected at most \\d+ MB for weights and caches, got "
                            + Math.ceilDiv(exabyte + 63, MB) + " MB more with \\d+ MB in use;"
                            + " choose a smaller dtype, or raise the limit with -Dcausal4j.memory=BYTES");
            assertThat(free - Device.freeBytes()).isEqualTo(3 * MB + 63);
        }
        assertThatThrownBy(() -> Device.open(Compute.shared(), free + 1)).isInstanceOf(MemoryLimitException.class);
        assertThat(Device.freeBytes()).isEqualTo(free);
    }

    @Test
    void anAllocationThatFailsTakesNothing() {
        long free = Device.freeBytes();
        Arena closed = Device.scratch();
        closed.close();
        assertThatThrownBy(() -> closed.allocate(8, 8)).isInstanceOf(IllegalStateException.class);
        assertThat(Device.freeBytes()).isEqualTo(free);
    }

    @ParameterizedTest
    @CsvSource({"1, 1", "5k, 5120", "512m, 536870912", "8g, 8589934592", "1099511627776, 1099511627776"})
    void aLimitHasAUnit(String set, long bytes) {
        assertThat(OffHeap.limit(set)).isEqualTo(bytes);
    }

    @ParameterizedTest
    @ValueSource(strings = {"0", "-1", "8G", "8gb", "1.5g", "g", "99999999999g"})
    void anotherLimitIsRefused(String set) {
        assertThatThrownBy(() -> OffHeap.limit(set))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("-Dcausal4j.memory: expected bytes, such as 8g or 512m, got " + set);
    }
}
