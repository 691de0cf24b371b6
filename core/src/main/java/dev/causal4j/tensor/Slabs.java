package dev.causal4j.tensor;

import java.lang.foreign.MemorySegment;

/**
 * Memory of one lifetime, in slabs that several matrices share: large pages hold a slab, but not the matrices of a small
 * model if each has memory of its own, and then most reads of weights wait for an address. Thread-safe.
 */
final class Slabs extends OffHeap {
    private static final long SLAB = 16 << 20;

    private MemorySegment free = MemorySegment.NULL; // what is left of the last slab; guarded by this
    private long next = SLAB / 16; // bytes of the next, as large as twice the last; guarded by this

    @Override
    public MemorySegment allocate(long bytes, long alignment) {
        return bytes > SLAB / 4 ? super.allocate(bytes, alignment) : share(bytes, alignment);
    }

    private synchronized MemorySegment share(long bytes, long alignment) {
        long from = -free.address() & (alignment - 1);
        if (from + bytes > free.byteSize()) {
            free = super.allocate(Math.max(bytes, Math.min(next, free() - alignment)), alignment);
            next = Math.min(2 * next, SLAB);
            from = 0;
        }
        MemorySegment taken = free.asSlice(from, bytes);
        free = free.asSlice(from + bytes);
        return taken;
    }
}
