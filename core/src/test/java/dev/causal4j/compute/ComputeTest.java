package dev.causal4j.compute;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ComputeTest {
    private final Compute compute = Compute.of(2);

    @AfterEach
    void close() {
        compute.close();
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 8})
    void everyTaskRunsExactlyOnce(int threads) {
        compute.use(threads);
        for (int tasks = 0; tasks < 300; tasks++) {
            AtomicIntegerArray runs = new AtomicIntegerArray(tasks + 1);
            compute.run(tasks, runs::incrementAndGet);
            for (int i = 0; i < tasks; i++) {
                assertThat(runs.get(i)).isEqualTo(1);
            }
        }
    }

    /** Jobs of one task more than the last one and so short that workers come late: what is claimed must be the job's own. */
    @Test
    void aLateWorkerTakesNoTaskOfTheNextJobEarly() {
        compute.use(3);
        AtomicIntegerArray runs = new AtomicIntegerArray(8);
        for (int job = 1; job <= 100_000; job++) {
            int tasks = 2 + job % 7;
            compute.run(tasks, runs::incrementAndGet);
            for (int i = 0; i < tasks; i++) {
                if (runs.getAndSet(i, 0) != 1) {
                    throw new AssertionError("job " + job + ", task " + i);
                }
            }
        }
    }

    @Test
    void aFailingTaskFailsTheCallerAndLeavesThePoolUsable() {
        compute.use(3);
        assertThatThrownBy(() -> compute.run(50, i -> {
                    if (i == 17) {
                        throw new IllegalStateException("task 17");
                    }
                }))
                .hasMessage("task 17");
        AtomicInteger runs = new AtomicInteger();
        compute.run(50, i -> runs.incrementAndGet());
        assertThat(runs).hasValue(50);
    }

    @Test
    void severalCallersAndNestedCallsGetAllTheirWorkDone() {
        compute.use(2);
        AtomicInteger runs = new AtomicInteger();
        IntStream.range(0, 8)
                .parallel()
                .forEach(caller -> compute.run(10, i -> compute.run(10, j -> runs.incrementAndGet())));
        assertThat(runs).hasValue(800);
    }

    @Test
    void thereIsAPhysicalCoreAndNoMoreThanJavaCounts() {
        assertThat(Compute.physicalCores()).isBetween(1, Runtime.getRuntime().availableProcessors());
    }

    @Test
    void aCountOutOfRangeIsRefused() {
        assertThatThrownBy(() -> compute.use(0)).hasMessage("threads: expected 1 to 1024, got 0");
        assertThatThrownBy(() -> compute.use(1025)).hasMessage("threads: expected 1 to 1024, got 1025");
    }

    @Test
    void aCheckedExceptionThrownUncheckedIsNotLost() {
        compute.use(2);
        assertThatThrownBy(() -> compute.run(8, i -> ComputeTest.<RuntimeException>sneak(new Exception("task"))))
                .hasRootCauseMessage("task");
    }

    @SuppressWarnings("unchecked")
    private static <E extends Exception> void sneak(Exception e) throws E {
        throw (E) e;
    }
}
