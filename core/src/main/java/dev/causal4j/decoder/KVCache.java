package dev.causal4j.decoder;

import dev.causal4j.kernel.Pages;
import dev.causal4j.kernel.Panels;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/**
 * Keys and values of one sequence. Not thread-safe, except that a forward writes different positions or heads from
 * several threads.
 *
 * <p>It takes pages from a {@link PagePool} as it grows and gives them back when it is cut or closed. Copies share
 * pages until one of them writes.
 */
public final class KVCache implements AutoCloseable {
    private static final int POSITIONS = PagePool.POSITIONS;

    private final PagePool pool;
    private MemorySegment[] pages = {};
    private int count; // pages held
    private int promised;
    private int length;
    private int capacity;
    private boolean closed;

    KVCache(PagePool pool) {
        this.pool = pool;
        this.capacity = pool.decoder.config().contextLength();
    }

    /** Positions cached so far. */
    public int length() {
        return length;
    }

    /**
     * Reserves pages, so that the cache can grow to {@code positions} whatever other caches take meanwhile. Closing it
     * returns unused ones. Reserved while empty, it declares the length that some rotary positions depend on; without
     * that it is the context's.
     *
     * @return false if there are too few free pages; then nothing changes
     */
    public boolean reserve(int positions) {
        int more = PagePool.needed(positions) - count + (writesToShared() ? 1 : 0) - promised;
        boolean kept = more <= 0 || pool.promise(more);
        promised += kept ? Math.max(0, more) : 0;
        capacity = kept && length == 0 ? positions : capacity;
        return kept;
    }

    /** The most tokens it was declared for. */
    int capacity() {
        return capacity;
    }

    /** A copy that shares pages until one of both writes, for several continuations of one prompt. */
    public KVCache copy() {
        KVCache copy = new KVCache(pool);
        copy.pages = Arrays.copyOf(pages, count);
        Arrays.stream(copy.pages).forEach(pool::share);
        copy.count = count;
        copy.length = length;
        copy.capacity = capacity;
        return copy;
    }

    /**
     * Forgets the positions from {@code length} on, so that the next tokens continue from there.
     *
     * @throws IllegalArgumentException if so many are not cached
     */
    public void truncate(int length) {
        if (length < 0 || length > this.length) {
            throw new IllegalArgumentException(
                    "cache: expected to keep 0 to " + this.length + " positions, got " + length);
        }
        this.length = length;
        while (count > PagePool.needed(length)) {
            pool.give(pages[--count]);
        }
    }

    /** Gives all pages back. The cache cannot be used afterwards; closing it again does nothing. */
    @Override
    public void close() {
        truncate(0);
        pool.promise(-promised);
        promised = 0;
        closed = true;
    }

    /** Throws unless {@code tokens} more positions fit the context. */
    void checkRoom(int tokens) {
        int contextLength = pool.decoder.config().contextLength();
        if (length + (long) tokens > contextLength) {
            throw new IllegalArgumentException("context: expected at most " + contextLength + " tokens, got "
                    + (length + (long) tokens) + (length == 0 ? "" : " (" + length + " of them cached)")
                    + "; shorten the prompt or ask for fewer new tokens");
        }
    }

    /** Makes room for {@code tokens} more positions of this decoder in pages of its own. */
    void prepare(Decoder decoder, int tokens) {
        if (!pool.decoder.equals(decoder)) {
            throw new IllegalArgumentException("cache: expected one of this decoder, got another's");
        }
        checkRoom(tokens);
        if (closed) {
            throw new IllegalStateException("cache: expected an open one, got one that was closed");
        }
        if (writesToShared()) {
            int last = length / POSITIONS;
            MemorySegment shared = pages[last];
            pages[last] = take().copyFrom(shared);
            pool.give(shared);
        }
        int needed = PagePool.needed(length + tokens);
        if (needed > pages.length) {
            pages = Arrays.copyOf(pages, Math.max(needed, 2 * pages.length));
        }
        for (; count < needed; count++) {
            pages[count] = take();
        }
    }

    /** Whether the page that the next position goes to belongs to another cache, too. */
    private boolean writesToShared() {
        int page = length / POSITIONS;
        return page < count && pool.isShared(pages[page]);
    }

    private MemorySegment take() {
        MemorySegment page = pool.take(promised > 0);
        promised -= promised > 0 ? 1 : 0;
        return page;
    }

    /** Stores key and value of one head at a position that {@link #prepare} has made room for. */
    void store(int layer, int head, int headSize, int position, float[] from, int key, int value) {
        Pages to = pages(layer, head, headSize);
        MemorySegment page = pages[position / POSITIONS];
        int slot = position % POSITIONS;
        across(from, key, headSize, page, to.keys() + 4L * slot);
        MemorySegment.copy(from, value, page, Panels.FLOAT, to.values() + 4L * slot * headSize, headSize);
    }

    /** Writes n numbers into a panel, each into the next step, from byte {@code at} on. */
    static void across(float[] from, int offset, int n, MemorySegment panel, long at) {
        for (int i = 0; i < n; i++) {
            panel.set(Panels.FLOAT, at + 4L * i * Panels.WIDTH, from[offset + i]);
        }
    }

    /** Keys and values of one head. */
    Pages pages(int layer, int head, int headSize) {
        return pool.pages(pages, layer, head, headSize);
    }

    /** Counts positions as cached once every layer has stored them. */
    void advance(int positions) {
        length += positions;
    }
}
