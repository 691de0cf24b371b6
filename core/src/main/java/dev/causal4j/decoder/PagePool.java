package dev.causal4j.decoder;

import dev.causal4j.decoder.BlockConfig.AttentionConfig;
import dev.causal4j.decoder.BlockConfig.MixerConfig;
import dev.causal4j.kernel.PanelFormat;
import dev.causal4j.kernel.Panels;
import dev.causal4j.tensor.DType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A bounded pool of pages for keys and values; a page holds {@value #POSITIONS} positions of all layers of one kind.
 * Layers of one kind have the same window, so layers with a window can return pages while others still need theirs.
 * Beside pages a sequence has one block of fixed size, the state of all recurrent layers, if there are any. Memory is
 * allocated from the arena on first use; returned pages are reused. Thread-safe.
 */
public final class PagePool {
    /** Positions of a page. */
    public static final int POSITIONS = Panels.WIDTH;

    /** Layers with the same window; {@link #state} is the kind of the recurrent layers' block. */
    static final class Kind {
        final int window; // positions that a query sees, its own included; 0 for all
        long bytes; // in a page
        private final Deque<MemorySegment> free = new ArrayDeque<>();

        Kind(int window) {
            this.window = window;
        }

        /** The first page that a query at this position or a later one sees. */
        int first(int position) {
            return window == 0 ? 0 : Math.max(0, position + 1 - window) / POSITIONS;
        }
    }

    /** A layer: bytes from the start of its kind's page to its keys and its values. */
    private record Layer(int kind, long keys, long values) {}

    final Decoder decoder;
    final boolean bidirectional;
    final PanelFormat format;
    final List<Kind> kinds = new ArrayList<>();
    final Kind state = new Kind(0); // 0 bytes without recurrent layers
    final Kind kept = new Kind(0); // the recorded inputs of the recurrences, then the earlier state that they move
    private final Arena arena;
    private final long capacity; // bytes
    private final Map<Integer, Layer> layers = new HashMap<>(); // layers of attention
    private final Map<Integer, Long> states = new HashMap<>(); // the offset of a layer's part of the state
    private final Map<Integer, Long> moves = new HashMap<>(); // the offset of a layer's recorded inputs
    private final Map<MemorySegment, Integer> users = new HashMap<>(); // how many caches hold each page
    private final Collection<BooleanSupplier> keepers = new ConcurrentLinkedQueue<>();
    private long held; // bytes
    private long promised; // bytes

    /**
     * @param dtype the dtype of keys and values: f32 or bf16
     * @param bytes the most bytes; enough for one full context in any case
     */
    PagePool(Decoder decoder, DType dtype, Arena arena, long bytes) {
        if (dtype != DType.F32 && dtype != DType.BF16) {
            throw new IllegalArgumentException("keys and values: expected f32 or bf16, got " + dtype.label());
        }
        this.decoder = decoder;
        this.bidirectional = decoder.config().bidirectional();
        this.format = format(dtype);
        this.arena = arena;
        for (int layer = 0; layer < decoder.config().blocks().size(); layer++) {
            MixerConfig mixer = decoder.config().blocks().get(layer).mixer();
            states.put(layer, state.bytes);
            state.bytes += stateBytes(mixer);
            moves.put(layer, kept.bytes);
            kept.bytes += 4L * KVCache.REPLAYED * Mixer.moveSize(mixer);
            if (mixer instanceof AttentionConfig reader && reader.keysOf() != AttentionConfig.OWN) {
                layers.put(layer, Objects.requireNonNull(layers.get(reader.keysOf()))); // the same bytes
            } else if (mixer instanceof AttentionConfig attention) {
                boolean all = attention.bidirectional()
                        || attention.window() >= decoder.config().contextLength();
                Kind kind = kind(all ? 0 : attention.window());
                long from = kind.bytes;
                long values = from + attention.kvHeads() * Pages.keyBytes(format, attention.headSize());
                kind.bytes = values + attention.kvHeads() * Pages.valueBytes(format, attention.headSize());
                layers.put(layer, new Layer(kinds.indexOf(kind), from, values));
            }
        }
        kept.bytes += state.bytes;
        this.capacity = Math.max(bytes, contextBytes(decoder.config(), dtype));
    }

    private static PanelFormat format(DType dtype) {
        return dtype == DType.F32 ? PanelFormat.F32 : PanelFormat.BF16;
    }

    private static long stateBytes(MixerConfig mixer) {
        return Math.ceilDiv(mixer.stateSize(), 16) * 64L; // whole cache lines
    }

    /** Bytes of one full context: the least capacity of a pool. */
    public static long contextBytes(DecoderConfig config, DType dtype) {
        long page = 0;
        long states = 0;
        for (BlockConfig block : config.blocks()) {
            states += stateBytes(block.mixer());
            if (block.mixer() instanceof AttentionConfig own && own.keysOf() == AttentionConfig.OWN) {
                int size = own.headSize();
                page += own.kvHeads() * (Pages.keyBytes(format(dtype), size) + Pages.valueBytes(format(dtype), size));
            }
        }
        return needed(config.contextLength()) * page + states;
    }

    private Kind kind(int window) {
        return kinds.stream().filter(each -> each.window == window).findFirst().orElseGet(() -> {
            kinds.add(new Kind(window));
            return kinds.getLast();
        });
    }

    /** Pages needed for this many positions. */
    public static int needed(int positions) {
        return Math.ceilDiv(positions, POSITIONS);
    }

    /** Bytes of a page of each kind. */
    public long pageBytes() {
        return kinds.stream().mapToLong(kind -> kind.bytes).sum();
    }

    /** Bytes of the state of a sequence's recurrent layers; 0 without such. */
    public long stateBytes() {
        return state.bytes;
    }

    /** How many pages of each kind there is still room for, neither held nor promised. */
    public synchronized int freePages() {
        return Math.clamp(freeBytes() / Math.max(1, pageBytes()), 0, Integer.MAX_VALUE);
    }

    /**
     * Adds a keeper of pages that no sequence uses. Called on any thread, it returns some pages to the pool, and
     * whether it had any.
     */
    public void addKeeper(BooleanSupplier keeper) {
        keepers.add(keeper);
    }

    /** Removes a keeper that no longer keeps pages. */
    public void removeKeeper(BooleanSupplier keeper) {
        keepers.remove(keeper);
    }

    /** Asks the keepers for pages. Returns whether one had any. */
    public boolean reclaim() {
        return keepers.stream().anyMatch(BooleanSupplier::getAsBoolean);
    }

    private long freeBytes() {
        return capacity - held - promised;
    }

    /** An empty cache for one sequence, to be closed. */
    public KVCache newCache() {
        return new KVCache(this);
    }

    /** Keys and values of some heads in the pages of each kind. */
    Pages pages(MemorySegment[][] memory, int layer, int head, int heads, int headSize) {
        Layer all = Objects.requireNonNull(layers.get(layer));
        long keys = all.keys + head * Pages.keyBytes(format, headSize);
        long values = all.values + head * Pages.valueBytes(format, headSize);
        return new Pages(format, memory[all.kind], keys, values, headSize, heads);
    }

    /** A layer's part of a state. */
    MemorySegment state(MemorySegment memory, int layer) {
        long size = 4L * decoder.config().blocks().get(layer).mixer().stateSize();
        return memory.asSlice(Objects.requireNonNull(states.get(layer)), size);
    }

    /** The recorded inputs of a layer's recurrence. */
    MemorySegment moves(MemorySegment memory, int layer) {
        return memory.asSlice(Objects.requireNonNull(moves.get(layer)));
    }

    /** @param bytes less than 0 to withdraw a promise */
    synchronized boolean promise(long bytes) {
        boolean enough = bytes <= Math.max(0, freeBytes());
        promised += enough ? bytes : 0;
        return enough;
    }

    /** @param wasPromised whether its bytes are promised */
    synchronized MemorySegment take(Kind kind, boolean wasPromised) {
        if (!wasPromised && freeBytes() < kind.bytes) {
            throw new IllegalStateException("key/value pages: expected a free one, got none in " + (capacity >> 20)
                    + " MB; close caches or run fewer sequences at once");
        }
        MemorySegment page = kind.free.isEmpty() ? arena.allocate(kind.bytes, 64) : kind.free.pop();
        users.put(page, 1);
        held += kind.bytes;
        promised -= wasPromised ? kind.bytes : 0;
        return page;
    }

    /** Returns a page from {@link KVCache#share}. */
    public void release(KVCache.Page page) {
        for (int k = 0; k < kinds.size(); k++) {
            give(kinds.get(k), page.ofKinds().get(k), false);
        }
    }

    /** Returns the copy from {@link KVCache#snapshot}. */
    public void release(KVCache.Snapshot snapshot) {
        give(state, snapshot.memory(), false);
    }

    /** Holds a page once more, until it is released. */
    public void share(KVCache.Page page) {
        page.ofKinds().forEach(this::share);
    }

    /** Holds a state once more, until it is released. */
    public void share(KVCache.Snapshot snapshot) {
        share(snapshot.memory());
    }

    /** A page to fill, held until it is released; null if none is free. */
    public KVCache.@Nullable Page takePage() {
        return promise(pageBytes())
                ? new KVCache.Page(kinds.stream().map(kind -> take(kind, true)).toList())
                : null;
    }

    /** A state to fill, held until it is released; null if none is free. */
    public KVCache.@Nullable Snapshot takeState() {
        return promise(state.bytes) ? new KVCache.Snapshot(take(state, true)) : null;
    }

    /** Clears the positions of a page from one on, where nothing was computed: equal pages then have equal bytes. */
    public void clear(KVCache.Page page, int from) {
        MemorySegment[][] memory =
                page.ofKinds().stream().map(kind -> new MemorySegment[] {kind}).toArray(MemorySegment[][]::new);
        for (int layer : layers.keySet()) {
            AttentionConfig attention =
                    (AttentionConfig) decoder.config().blocks().get(layer).mixer();
            Pages pages = pages(memory, layer, 0, attention.kvHeads(), attention.headSize());
            float[] zeros = new float[attention.headSize()];
            for (int head = 0; head < attention.kvHeads(); head++) {
                for (int position = from; position < POSITIONS; position++) {
                    pages.store(head, position, zeros, 0, 0);
                }
            }
        }
    }

    /** Bytes of a page of each kind, then of a state. */
    public List<Long> sizes() {
        return Stream.concat(kinds.stream(), Stream.of(state))
                .map(kind -> kind.bytes)
                .toList();
    }

    synchronized void share(MemorySegment page) {
        users.merge(page, 1, Integer::sum);
    }

    synchronized boolean isShared(MemorySegment page) {
        return users.getOrDefault(page, 0) > 1;
    }

    /**
     * Returns a page from one of its caches.
     *
     * @param promises whether its bytes stay promised if they become free
     * @return whether they are promised
     */
    synchronized boolean give(Kind kind, MemorySegment page, boolean promises) {
        if (isShared(page)) {
            users.merge(page, -1, Integer::sum);
            return false;
        }
        users.remove(page);
        kind.free.push(page);
        held -= kind.bytes;
        promised += promises ? kind.bytes : 0;
        return promises;
    }
}
