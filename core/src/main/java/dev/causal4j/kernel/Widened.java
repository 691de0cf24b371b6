package dev.causal4j.kernel;

import dev.causal4j.compute.Compute;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * Room for the widened steps of a panel, in f32, owned by one product at a time. If a product throws and loses it, the
 * garbage collector frees it.
 */
final class Widened {
    private static final Compute.Scratch<Widened> FREE = new Compute.Scratch<>(() -> new Widened(0));

    final MemorySegment memory;

    private Widened(int depth) {
        this.memory = Arena.ofAuto().allocate(PanelFormat.F32.bytes(depth), 64);
    }

    /** Takes room for this many steps. */
    static Widened take(int depth) {
        Widened taken = FREE.take();
        return taken.memory.byteSize() >= PanelFormat.F32.bytes(depth) ? taken : new Widened(depth);
    }

    /** Gives the room back. */
    void give() {
        FREE.give(this);
    }
}
