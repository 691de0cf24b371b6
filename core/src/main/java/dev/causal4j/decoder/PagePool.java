package dev.causal4j.decoder;

import dev.causal4j.decoder.BlockConfig.AttentionConfig;
import dev.causal4j.kernel.Panels;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.Deque;

/**
 * A bounded pool of pages for keys and values; a page holds {@value #POSITIONS} positions of all layers. Memory is
 * allocated from the arena on first use of a page, and returned pages are reused. Thread-safe.
 */
public final class PagePool {
    /** Positions of a page. */
    public static final int POSITIONS = Panels.WIDTH;

    /** A page; caches may share it read-only. */
    static final class Page {
        final MemorySegment memory;
        private int users;

        private Page(MemorySegment memory) {
            this.memory = memory;
        }
    }

    private final Decoder decoder;
    private final Arena arena;
    private final int capacity;
    private final long[] layers; // bytes from the start of a page to each layer, then all of them
    private final Deque<Page> free = new ArrayDeque<>();
    private int used;
    private int promised;

    /** @param pages how many there can be; enough for one full context in any case */
    PagePool(Decoder decoder, Arena arena, int pages) {
        DecoderConfig config = decoder.config();
        this.decoder = decoder;
        this.arena = arena;
        this.layers = layers(config);
        this.capacity = Math.max(needed(config.contextLength()), pages);
    }

    static PagePool ofBytes(Decoder decoder, Arena arena, long bytes) {
        long[] layers = layers(decoder.config());
        return new PagePool(decoder, arena, (int) Math.min(Integer.MAX_VALUE, bytes / layers[layers.length - 1]));
    }

    private static long[] layers(DecoderConfig config) {
        long[] layers = new long[config.blocks().size() + 1];
        for (int layer = 0; layer < config.blocks().size(); layer++) {
            AttentionConfig attention = config.blocks().get(layer).attention();
            layers[layer + 1] = layers[layer] + 8L * POSITIONS * attention.kvHeads() * attention.headSize();
        }
        return layers;
    }

    /** Pages needed for this many positions. */
    public static int needed(int positions) {
        return Math.ceilDiv(positions, POSITIONS);
    }

    /** Bytes of a page. */
    public long pageBytes() {
        return layers[layers.length - 1];
    }

    /** Most pages of this pool. */
    public int capacity() {
        return capacity;
    }

    /** Pages neither held nor reserved. */
    public synchronized int freePages() {
        return capacity - used - promised;
    }

    /** An empty cache for one sequence, to be closed. */
    public KVCache newCache() {
        return new KVCache(this);
    }

    Decoder decoder() {
        return decoder;
    }

    /** Bytes from the start of a page to the keys of a head. */
    long keys(int layer, int head, int headSize) {
        return layers[layer] + 4L * POSITIONS * headSize * head;
    }

    /** The same to its values. */
    long values(int layer, int head, int headSize) {
        return keys(layer, head, headSize) + (layers[layer + 1] - layers[layer]) / 2;
    }

    synchronized boolean promise(int pages) {
        if (pages > freePages()) {
            return false;
        }
        promised += pages;
        return true;
    }

    synchronized void withdraw(int pages) {
        promised -= pages;
    }

    /** @param wasPromised whether it is one of the promised pages */
    synchronized Page take(boolean wasPromised) {
        if (!wasPromised && freePages() < 1) {
            throw new IllegalStateException("key/value pages: expected a free one, got none of " + capacity + " ("
                    + ((capacity * pageBytes()) >> 20) + " MB); close caches or run fewer sequences at once");
        }
        Page page = free.isEmpty() ? new Page(arena.allocate(pageBytes(), 64)) : free.pop();
        page.users = 1;
        used++;
        promised -= wasPromised ? 1 : 0;
        return page;
    }

    synchronized void share(Page page) {
        page.users++;
    }

    synchronized boolean isShared(Page page) {
        return page.users > 1;
    }

    synchronized void give(Page page) {
        if (--page.users == 0) {
            used--;
            free.push(page);
        }
    }
}
