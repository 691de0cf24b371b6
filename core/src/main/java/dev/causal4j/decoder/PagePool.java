package dev.causal4j.decoder;

import dev.causal4j.decoder.BlockConfig.AttentionConfig;
import dev.causal4j.kernel.Pages;
import dev.causal4j.kernel.Panels;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * A bounded pool of pages for keys and values; a page holds {@value #POSITIONS} positions of all layers. Memory is
 * allocated from the arena on first use of a page, and returned pages are reused. Thread-safe.
 */
public final class PagePool {
    /** Positions of a page. */
    public static final int POSITIONS = Panels.WIDTH;

    final Decoder decoder;
    private final Arena arena;
    private final int capacity;
    private final long[] layers; // bytes from the start of a page to each layer, then all of them
    private final Map<MemorySegment, Integer> users = new HashMap<>(); // caches of each page that is held
    private final Deque<MemorySegment> free = new ArrayDeque<>();
    private int promised;

    /** @param bytes how many there can be; enough for one full context in any case */
    PagePool(Decoder decoder, Arena arena, long bytes) {
        List<BlockConfig> blocks = decoder.config().blocks();
        this.decoder = decoder;
        this.arena = arena;
        this.layers = new long[blocks.size() + 1];
        for (int layer = 0; layer < blocks.size(); layer++) {
            AttentionConfig attention = blocks.get(layer).attention();
            layers[layer + 1] = layers[layer] + 8L * POSITIONS * attention.kvHeads() * attention.headSize();
        }
        int oneContext = needed(decoder.config().contextLength());
        this.capacity = Math.clamp(bytes / pageBytes(), oneContext, Integer.MAX_VALUE);
    }

    /** Pages needed for this many positions. */
    public static int needed(int positions) {
        return Math.ceilDiv(positions, POSITIONS);
    }

    /** Bytes of a page. */
    public long pageBytes() {
        return layers[layers.length - 1];
    }

    /** Pages neither held nor reserved. */
    public synchronized int freePages() {
        return capacity - users.size() - promised;
    }

    /** An empty cache for one sequence, to be closed. */
    public KVCache newCache() {
        return new KVCache(this);
    }

    /** Keys and values of one head in these pages. */
    Pages pages(MemorySegment[] memory, int layer, int head, int headSize) {
        long keys = layers[layer] + 4L * POSITIONS * headSize * head;
        return new Pages(memory, keys, keys + (layers[layer + 1] - layers[layer]) / 2, headSize);
    }

    /** @param pages less than 0 to withdraw a promise */
    synchronized boolean promise(int pages) {
        boolean enough = pages <= freePages();
        promised += enough ? pages : 0;
        return enough;
    }

    /** @param wasPromised whether it is one of the promised pages */
    synchronized MemorySegment take(boolean wasPromised) {
        if (!wasPromised && freePages() < 1) {
            throw new IllegalStateException("key/value pages: expected a free one, got none of " + capacity + " ("
                    + ((capacity * pageBytes()) >> 20) + " MB); close caches or run fewer sequences at once");
        }
        MemorySegment page = free.isEmpty() ? arena.allocate(pageBytes(), 64) : free.pop();
        users.put(page, 1);
        promised -= wasPromised ? 1 : 0;
        return page;
    }

    synchronized void share(MemorySegment page) {
        users.merge(page, 1, Integer::sum);
    }

    synchronized boolean isShared(MemorySegment page) {
        return users.getOrDefault(page, 0) > 1;
    }

    synchronized void give(MemorySegment page) {
        if (isShared(page)) {
            users.merge(page, -1, Integer::sum);
        } else {
            users.remove(page);
            free.push(page);
        }
    }
}
