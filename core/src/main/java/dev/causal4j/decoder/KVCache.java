package dev.causal4j.decoder;

import dev.causal4j.compute.Rows;
import dev.causal4j.decoder.PagePool.Kind;
import dev.causal4j.tensor.DType;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Keys and values of one sequence, and the state of its recurrent layers. Not thread-safe, except that a forward writes
 * different positions, heads or parts of the state from several threads.
 *
 * <p>It takes pages from a {@link PagePool} as it grows, and returns them when they fall out of their layers' window,
 * or when it is truncated or closed. Copies share pages until one of them writes. The {@linkplain RecurrentState state}
 * of recurrent layers is taken and returned with the first page. A copy has a state of its own, since every step writes
 * all of it.
 */
public final class KVCache implements AutoCloseable {
    private static final int POSITIONS = PagePool.POSITIONS;

    /** Positions for which pages are reserved beside a window: the most that one forward may add. */
    public static final int STEP = 512;

    /** Most positions that recurrent layers can undo: a token and 16 guesses. */
    public static final int REPLAYED = 17;

    /**
     * Keys and values of all sequences of a decoder.
     *
     * @param dtype f32, or bf16 to round them to it
     * @param bytes the most bytes; enough for one full context in any case
     */
    public record Options(DType dtype, long bytes) {}

    private static final MemorySegment NONE = MemorySegment.NULL;

    private final PagePool pool;
    private final MemorySegment[][] pages; // [kind][page]; NONE for no page
    private final int[] firsts; // [kind], the first page that is held
    private int count; // pages taken of each kind
    private final RecurrentState state;
    boolean replays; // a pass over the next positions moves states alone, by the recorded inputs
    private long promised; // bytes
    private int reserved; // positions
    private boolean reserves;
    private boolean begun; // whether something was computed
    private int length;
    private int capacity;
    private boolean closed;

    KVCache(PagePool pool) {
        this.pool = pool;
        this.state = new RecurrentState(pool);
        this.pages = new MemorySegment[pool.kinds.size()][0];
        this.firsts = new int[pages.length];
        this.capacity = pool.decoder.config().contextLength();
    }

    /** Positions cached so far. */
    public int length() {
        return length;
    }

    /**
     * Declares the length of the sequence, on which some rotary positions depend; by default it is the context's. Has
     * no effect once something was computed.
     */
    public void declare(int positions) {
        capacity = begun ? capacity : positions;
    }

    /**
     * Declares a length and reserves its pages, so that the cache can grow to this length whatever other caches take
     * meanwhile.
     *
     * @return false if there are too few free pages; then none is reserved
     */
    public boolean reserve(int positions) {
        declare(positions);
        return reserve(positions, false);
    }

    /**
     * Reserves the pages of the first {@code positions}; closing the cache returns unused ones.
     *
     * @param shares whether others may keep its pages: then pages that fall out of a window free nothing
     * @return false if there are too few free pages; then none is reserved
     */
    public boolean reserve(int positions, boolean shares) {
        if (positions <= reserved) {
            return true;
        }
        int rounded = PagePool.needed(positions) * POSITIONS;
        long more = (writesToShared() ? pool.pageBytes() : 0) - promised;
        more += state.isThere() ? 0 : pool.state.bytes;
        for (int k = 0; k < pages.length; k++) {
            Kind kind = pool.kinds.get(k);
            boolean all = kind.window == 0 || shares;
            int most = all ? rounded : Math.min(rounded, kind.window + STEP + POSITIONS);
            long own = Arrays.stream(pages[k], firsts[k], count)
                    .filter(page -> all || !pool.isShared(page)) // a shared page frees nothing when it falls out
                    .count();
            own += all ? firsts[k] : 0;
            more += kind.bytes * (PagePool.needed(most) - own);
        }
        boolean kept = more <= 0 || pool.promise(more);
        promised += kept ? Math.max(0, more) : 0;
        reserved = kept ? rounded : reserved;
        reserves |= kept;
        return kept;
    }

    /** Returns all pages, used and reserved ones. The cache is then empty and can be used again. */
    public void release() {
        truncate(0);
        pool.promise(-promised);
        promised = 0;
        begun = false;
    }

    /** The most tokens that were declared. */
    int capacity() {
        return capacity;
    }

    /** A copy that shares pages until one of the two writes, for several continuations of one prompt. */
    public KVCache copy() {
        reserved = 0; // the next write takes a page that was shared
        KVCache copy = new KVCache(pool);
        copy.state.copy(state); // only this may fail
        for (int k = 0; k < pages.length; k++) {
            copy.firsts[k] = firsts[k];
            copy.pages[k] = Arrays.copyOf(pages[k], count);
            Arrays.stream(copy.pages[k], firsts[k], count).forEach(pool::share);
        }
        copy.count = count;
        copy.length = length;
        copy.capacity = capacity;
        copy.begun = begun || length > 0;
        return copy;
    }

    /**
     * Pages of keys and values, one for each kind of layers, held until they are {@linkplain PagePool#release
     * released}.
     */
    public record Page(List<MemorySegment> ofKinds) {}

    /** A page for other caches. This cache must still hold it, and must no longer write to it. */
    public Page share(int page) {
        List<MemorySegment> ofKinds =
                Arrays.stream(pages).map(kind -> kind[page]).toList();
        ofKinds.forEach(pool::share);
        return new Page(ofKinds);
    }

    /** The state of recurrent layers after a position, held until it is {@linkplain PagePool#release released}. */
    public record Snapshot(MemorySegment memory) {}

    /** A copy of the state after the last position; null if there is no room for it or no recurrent layer. */
    public @Nullable Snapshot snapshot() {
        return state.snapshot();
    }

    /**
     * Keeps the state after the last position until the next {@link #truncate}, which may then be at any position from
     * here on: the layers move the kept state again. It is dropped after more than {@value #REPLAYED} positions.
     *
     * @return false if there is no room for a copy or nothing is cached; true without recurrent layers
     */
    public boolean keepState() {
        return state.keep(length) || pool.state.bytes == 0;
    }

    /** Reserves room for the state of recurrent layers; false if there is none. */
    public boolean reserveState() {
        boolean isThere = promised >= pool.state.bytes || pool.promise(pool.state.bytes);
        promised = isThere ? Math.max(promised, pool.state.bytes) : promised;
        return isThere;
    }

    /**
     * Fills an empty cache as {@link #adopt(List, int)} does, also with the state after the last position. Room for the
     * state was {@linkplain #reserveState reserved}.
     */
    public void adopt(List<Page> filled, int positions, Snapshot snapshot) {
        state.begin(take(pool.state).copyFrom(snapshot.memory));
        adopt(filled, positions);
    }

    /**
     * Fills an empty cache with pages of other caches, whose rotary positions are of the same length.
     *
     * @param positions how many positions it takes from them, from the last page perhaps a part
     */
    public void adopt(List<Page> filled, int positions) {
        length = positions;
        count = filled.size();
        for (int k = 0; k < pages.length; k++) {
            int kind = k;
            firsts[k] = pool.kinds.get(k).first(length);
            pages[k] = filled.stream().map(page -> page.ofKinds.get(kind)).toArray(MemorySegment[]::new);
            Arrays.fill(pages[k], 0, firsts[k], NONE);
            Arrays.stream(pages[k], firsts[k], count).forEach(pool::share);
        }
    }

    /**
     * Drops the positions from {@code length} on, so that the next tokens continue from there. Reserved pages stay
     * reserved.
     *
     * @throws IllegalArgumentException if fewer are cached, the next token would see positions that fell out of a
     *     window, or the state of recurrent layers there was not {@linkplain #keepState kept}
     */
    public void truncate(int length) {
        if (length < 0 || length > this.length) {
            throw new IllegalArgumentException(
                    "cache: expected to keep 0 to " + this.length + " positions, got " + length);
        }
        for (int k = 0; k < pages.length && length > 0; k++) {
            if (pool.kinds.get(k).first(length) < firsts[k]) {
                throw new IllegalArgumentException("cache: expected to keep the window of "
                        + pool.kinds.get(k).window + " positions before " + length
                        + ", got a cache that gave them back; begin again");
            }
        }
        int earliest = state.earliest(this.length);
        if (pool.state.bytes > 0 && length > 0 && length < earliest) {
            throw new IllegalArgumentException("cache: expected to keep at least " + earliest
                    + " positions, whose state recurrent layers have, got " + length + "; begin again");
        }
        if (pool.state.bytes > 0 && length > 0 && length < this.length) {
            replay(length);
        }
        state.forget();
        this.length = length;
        reserved = 0;
        if (length == 0 && state.isThere()) {
            promised += state.end(reserves) ? pool.state.bytes : 0;
        }
        count = Math.min(count, PagePool.needed(length));
        for (int k = 0; k < pages.length; k++) {
            for (int page = count; page < pages[k].length; page++) {
                give(k, page, reserves);
            }
            firsts[k] = Math.min(firsts[k], count);
        }
    }

    /** Restores the kept state, and moves it to a position again. */
    private void replay(int to) {
        int positions = to - state.earliest(length);
        length = state.goBack();
        replays = true;
        try {
            pool.decoder.replay(this, positions);
        } finally {
            replays = false;
        }
        advance(positions);
    }

    /** @param promises whether the page's bytes stay promised to this cache */
    private void give(int kind, int page, boolean promises) {
        MemorySegment held = pages[kind][page];
        if (!held.equals(NONE)) {
            boolean promise = pool.give(pool.kinds.get(kind), held, promises);
            promised += promise ? pool.kinds.get(kind).bytes : 0;
            pages[kind][page] = NONE;
        }
    }

    /** Returns all pages. The cache cannot be used afterwards; closing it again does nothing. */
    @Override
    public void close() {
        release();
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
        if (length > 0 && pool.bidirectional) {
            throw new IllegalArgumentException("text: expected all tokens in one forward, since they see each other,"
                    + " got some after " + length);
        }
        if (closed) {
            throw new IllegalStateException("cache: expected an open one, got one that was closed");
        }
        for (int k = 0; k < pages.length; k++) {
            prepare(k, PagePool.needed(length + tokens));
        }
        count = PagePool.needed(length + tokens);
        if (pool.state.bytes > 0) {
            state.prepare(length, tokens);
            if (!state.isThere()) {
                state.begin(take(pool.state));
                state.clear();
            } else if (length == 0) {
                state.clear();
            }
        }
    }

    /** Returns pages that fell out of the window, copies a shared last page and takes pages up to {@code needed}. */
    private void prepare(int k, int needed) {
        int first = pool.kinds.get(k).first(length);
        for (; firsts[k] < first; firsts[k]++) {
            give(k, firsts[k], reserves);
        }
        int last = length / POSITIONS;
        if (last < count && pool.isShared(pages[k][last])) {
            MemorySegment shared = pages[k][last];
            pages[k][last] = take(pool.kinds.get(k)).copyFrom(shared);
            pool.give(pool.kinds.get(k), shared, false);
        }
        if (needed > pages[k].length) {
            int held = pages[k].length;
            pages[k] = Arrays.copyOf(pages[k], Math.max(needed, 2 * held));
            Arrays.fill(pages[k], held, pages[k].length, NONE);
        }
        for (int page = count; page < needed; page++) {
            pages[k][page] = pages[k][page].equals(NONE) ? take(pool.kinds.get(k)) : pages[k][page];
        }
    }

    /** Whether another cache shares the pages of the next position. */
    private boolean writesToShared() {
        int page = length / POSITIONS;
        return page < count && Arrays.stream(pages).anyMatch(kind -> pool.isShared(kind[page]));
    }

    private MemorySegment take(Kind kind) {
        boolean wasPromised = promised >= kind.bytes;
        MemorySegment page = pool.take(kind, wasPromised);
        promised -= wasPromised ? kind.bytes : 0;
        return page;
    }

    /** Keys and values of some heads, for positions that {@link #prepare} has made room for. */
    Pages pages(int layer, int head, int heads, int headSize) {
        return pool.pages(pages, layer, head, heads, headSize);
    }

    /** The state of recurrent layers. */
    RecurrentState state() {
        return state;
    }

    /** Records the inputs of a layer's recurrence, see {@link RecurrentState#record}; a replay reads them instead. */
    void keep(int layer, Rows x, int at, int width) {
        state.record(layer, length, x, at, width, replays);
    }

    /** Counts positions as cached once every layer has stored them. */
    void advance(int positions) {
        begun = true;
        state.complete();
        length += positions;
    }
}
