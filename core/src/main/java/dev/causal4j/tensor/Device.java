package dev.causal4j.tensor;

import dev.causal4j.compute.Compute;
import java.lang.foreign.Arena;

/**
 * Where matrices live and which threads compute with them. Thread-safe. The owner of the arena closes it after the last
 * use of its matrices.
 *
 * @param arena memory of weights, gradients and moments; several threads use it, so it is not confined
 */
public record Device(Arena arena, Compute compute) {
    /** Memory that is freed when its matrices are garbage, and the threads of the process. */
    public static Device shared() {
        return new Device(Arena.ofAuto(), Compute.shared());
    }

    /** Memory of its own: the caller closes the arena after the last use of its matrices. */
    @SuppressWarnings("MustBeClosedChecker")
    public static Device open(Compute compute) {
        return new Device(new Slabs(), compute);
    }
}
