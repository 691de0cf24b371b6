package dev.causal4j.decoder;

import dev.causal4j.kernel.Pages;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;

/**
 * Keys and values of one sequence. Not thread-safe, except that a forward writes different positions or heads from
 * several threads.
 *
 * <p>It takes pages from a {@link PagePool} as it grows and gives them back when it is cut or closed. Copies share
 * pages until one of them writes.
 */
public final class KVCache implements AutoCloseable {
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final int POSITIONS = PagePool.POSITIONS;

    private final PagePool pool;
    private PagePool.Page[] pages = {};
    private MemorySegment[] memory = {}; // of the pages
    private int count; // pages held
    private int promised;
    private int length;
    private boolean closed;

    KVCache(PagePool pool) {
        this.pool = pool;
    }

    /** Positions cached so far. */
    public int length() {
        return length;
    }

    /** Positions there can be. */
    public int contextLength() {
        return pool.decoder().config().contextLength();
    }

    /** Pages it holds, shared ones included. */
    public int pages() {
        return count;
    }

    /**
     * Reserves pages, so that the cache can grow to {@code positions} whatever other caches take meanwhile. Closing it
     * returns unused ones.
     *
     * @return false if there are too few free pages; then nothing changes
     */
    public boolean reserve(int positions) {
        int more = PagePool.needed(positions) - count + (writesToShared() ? 1 : 0) - promised;
        if (more <= 0) {
            return true;
        }
        if (!pool.promise(more)) {
            return false;
        }
        promised += more;
        return true;
    }

    /** A copy that shares pages until one of both writes, for several continuations of one prompt. */
    public KVCache copy() {
        KVCache copy = new KVCache(pool);
        copy.pages = Arrays.copyOf(pages, count);
        copy.memory = Arrays.copyOf(memory, count);
        for (int page = 0; page < count; page++) {
            pool.share(pages[page]);
        }
        copy.count = count;
        copy.length = length;
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
        pool.withdraw(promised);
        promised = 0;
        closed = true;
    }

    @SuppressWarnings("ReferenceEquality") // identity is the question
    boolean belongsTo(Decoder decoder) {
        return pool.decoder() == decoder;
    }

    /** Throws unless {@code tokens} more positions fit the context. */
    void checkRoom(int tokens) {
        if (length + (long) tokens > contextLength()) {
            throw new IllegalArgumentException("context: expected at most " + contextLength() + " tokens, got "
                    + (length + (long) tokens) + (length == 0 ? "" : " (" + length + " of them cached)")
                    + "; shorten the prompt or ask for fewer new tokens");
        }
    }

    /** Makes room for {@code tokens} more positions in pages of its own. */
    void prepare(int tokens) {
        if (closed) {
            throw new IllegalStateException("cache: expected an open one, got one that was closed");
        }
        if (writesToShared()) {
            int last = length / POSITIONS;
            PagePool.Page shared = pages[last];
            put(last, take());
            memory[last].copyFrom(shared.memory);
            pool.give(shared);
        }
        int needed = PagePool.needed(length + tokens);
        if (needed > pages.length) {
            int larger = Math.max(needed, 2 * pages.length);
            pages = Arrays.copyOf(pages, larger);
            memory = Arrays.copyOf(memory, larger);
        }
        for (; count < needed; count++) {
            put(count, take());
        }
    }

    /** Whether the page that the next position goes to belongs to another cache, too. */
    private boolean writesToShared() {
        int page = length / POSITIONS;
        return page < count && pool.isShared(pages[page]);
    }

    private PagePool.Page take() {
        PagePool.Page page = pool.take(promised > 0);
        promised -= promised > 0 ? 1 : 0;
        return page;
    }

    private void put(int index, PagePool.Page page) {
        pages[index] = page;
        memory[index] = page.memory;
    }

    /** Stores key and value of one head at a position that {@link #prepare} has made room for. */
    void store(int layer, int head, int headSize, int position, float[] from, int key, int value) {
        MemorySegment page = memory[position / POSITIONS];
        int slot = position % POSITIONS;
        long keys = pool.keys(layer, head, headSize);
        for (int i = 0; i < headSize; i++) {
            page.set(FLOAT, keys + ((long) i * POSITIONS + slot) * 4, from[key + i]);
        }
        long values = pool.values(layer, head, headSize) + (long) slot * headSize * 4;
        MemorySegment.copy(from, value, page, FLOAT, values, headSize);
    }

    /** Keys and values of one head. */
    Pages pages(int layer, int head, int headSize) {
        return new Pages(memory, pool.keys(layer, head, headSize), pool.values(layer, head, headSize), headSize);
    }

    /** Counts positions as cached once every layer has stored them. */
    void advance(int positions) {
        length += positions;
    }
}
