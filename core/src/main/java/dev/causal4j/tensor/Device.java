package dev.causal4j.tensor;

import dev.causal4j.MemoryLimitException;
import dev.causal4j.compute.Compute;
import java.lang.foreign.Arena;
import java.util.List;

/**
 * The memory of matrices, and the threads that compute with them. Thread-safe. The owner of the arena closes it after
 * the last use of its matrices.
 *
 * <p>Arenas that a caller closes share one limit of the process: {@code -Dcausal4j.memory}, or seven eighths of the
 * memory of the machine or its container. They throw {@link MemoryLimitException} before an allocation would exceed it.
 *
 * @param arena memory of weights, gradients and moments; several threads use it, so it is not confined
 */
public record Device(Arena arena, Compute compute) {
    /**
     * The threads of the process, and memory that is freed when its matrices are garbage. The JDK limits that memory
     * ({@code -XX:MaxDirectMemorySize}).
     */
    public static Device shared() {
        return new Device(Arena.ofAuto(), Compute.shared());
    }

    /** New memory: the caller closes the arena after the last use of its matrices. */
    @SuppressWarnings("MustBeClosedChecker")
    public static Device open(Compute compute) {
        return new Device(new Slabs(), compute);
    }

    /**
     * New memory for a caller about to take this many bytes; fails now if they are not free.
     *
     * @throws MemoryLimitException unless the bytes are free
     */
    public static Device open(Compute compute, long bytes) {
        OffHeap.check(bytes);
        return open(compute);
    }

    /**
     * Fails unless several arenas can be filled with this many bytes each.
     *
     * @throws MemoryLimitException unless the bytes are free
     */
    public static void check(List<Long> arenas) {
        OffHeap.check(arenas.stream().mapToLong(bytes -> bytes + Slabs.SLAB).sum());
    }

    /** Temporary memory, which the caller closes. */
    public static Arena scratch() {
        return new OffHeap();
    }

    /** Bytes that the arenas of the process may still take. */
    public static long freeBytes() {
        return OffHeap.free();
    }
}
