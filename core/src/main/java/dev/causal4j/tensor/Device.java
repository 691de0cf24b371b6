package dev.causal4j.tensor;

import dev.causal4j.MemoryLimitException;
import dev.causal4j.compute.Compute;
import java.lang.foreign.Arena;

/**
 * Where matrices live and which threads compute with them. Thread-safe. The owner of the arena closes it after the last
 * use of its matrices.
 *
 * <p>Arenas that are closed share one limit of the process: {@code -Dcausal4j.memory}, or seven eighths of the memory of
 * the machine or its container. Beyond it they throw {@link MemoryLimitException} before they allocate.
 *
 * @param arena memory of weights, gradients and moments; several threads use it, so it is not confined
 */
public record Device(Arena arena, Compute compute) {
    /**
     * Memory that is freed when its matrices are garbage, which Java limits ({@code -XX:MaxDirectMemorySize}), and the
     * threads of the process.
     */
    public static Device shared() {
        return new Device(Arena.ofAuto(), Compute.shared());
    }

    /** Memory of its own: the caller closes the arena after the last use of its matrices. */
    @SuppressWarnings("MustBeClosedChecker")
    public static Device open(Compute compute) {
        return new Device(new Slabs(), compute);
    }

    /**
     * Memory of its own for a caller about to take this many bytes; fails now if they are not free.
     *
     * @throws MemoryLimitException unless they are free
     */
    public static Device open(Compute compute, long bytes) {
        OffHeap.check(bytes);
        return open(compute);
    }

    /** Memory for a while, which the caller closes. */
    public static Arena scratch() {
        return new OffHeap();
    }

    /** Bytes that the arenas of the process may still take. */
    public static long freeBytes() {
        return OffHeap.free();
    }
}
