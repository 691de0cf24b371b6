package dev.causal4j.tensor;

import java.lang.foreign.MemorySegment;

/**
 * Memory of one lifetime, in slabs that several matrices share, so that the system can back it with large pages.
 * Matrices of a small model are smaller than such a page: if each had memory of its own, most reads of weights would
 * wait for the translation of an address. Thread-safe.
 */
final class Slabs extends OffHeap {
    static final long SLAB = 16 << 20;

    private MemorySegment free = MemorySegment.NULL; // the rest of the last slab; guarded by this
    private long next = SLAB / 16; // bytes of the next slab, twice the last; guarded by this

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
