package dev.causal4j.generation;

import dev.causal4j.decoder.Activations;
import dev.causal4j.decoder.Batch;
import dev.causal4j.decoder.KVCache;
import dev.causal4j.decoder.PagePool;
import dev.causal4j.generation.PrefixCache.Root;
import dev.causal4j.generation.PrefixStore.Found;
import dev.causal4j.generation.PrefixStore.Verification;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.ModelDigests;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.IntBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.OptionalInt;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BiConsumer;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The pages of a {@link PrefixStore} for the prefix cache of an engine: a thread reads those of a sequence that waits to
 * begin, and another writes new ones. Both hold at most a page and a state. Nothing that fails here fails a sequence.
 * Thread-safe.
 */
final class StoredPrefixes {
    /** The shortest prefix that is stored and read; a shorter one is computed. */
    static final int LEAST = 256;

    private static final long SETTLE_NANOS = 1_000_000;
    private static final int SETTLE_TIMES = 1000;

    /** After which a sequence computes what a slow disk still has. */
    private static final int READ_SECONDS = 10;

    /** A page to write, with its state if it has one. */
    record Held(StoredPage stored, KVCache.Page page, KVCache.@Nullable Snapshot state) {}

    private final PrefixStore store;
    private final PrefixCache prefixes;
    private final PagePool pool;
    private final byte[] model;
    private final ExecutorService reader = thread("causal4j-prefix-reader");
    private final ExecutorService writer = thread("causal4j-prefix-writer");
    private final AtomicInteger working = new AtomicInteger(); // threads that may hold memory of the pool
    private final AtomicLong released = new AtomicLong(); // pages that they gave back
    private volatile boolean closed;

    /** @throws IllegalStateException if it is not known what the model was loaded from */
    StoredPrefixes(PrefixStore store, CausalLM model, PrefixCache prefixes) {
        this.store = store;
        this.prefixes = prefixes;
        this.pool = model.decoder().pool();
        this.model = digest(model);
    }

    private static ExecutorService thread(String name) {
        return Executors.newSingleThreadExecutor(
                Thread.ofPlatform().daemon().name(name).factory());
    }

    /** The digest of all that determines the bytes of pages, besides rotations and tokens. */
    private static byte[] digest(CausalLM model) {
        ModelDigests files = model.digests()
                .orElseThrow(() -> new IllegalStateException(
                        "prefix store: expected a model with the digests of its files, got one without; load it with"
                                + " LoadOptions.withDigests(true)"));
        List<String> parts = new ArrayList<>(List.of("causal4j.pages/1", "arithmetic " + CausalLM.ARITHMETIC));
        files.files().forEach(each -> parts.add("file " + each.sha256()));
        files.adapter().forEach(each -> parts.add((files.merged() ? "merged " : "adapter ") + each.sha256()));
        parts.add(files.dtype() + " " + model.dtype() + " " + model.cachedDtype());
        parts.add(ByteOrder.nativeOrder() + " " + model.decoder().pool().sizes());
        return StoredPage.hash(StoredPage.bytes(String.join("\n", parts)));
    }

    private static byte[] rotated(byte[] model, List<List<Double>> rotations) {
        return StoredPage.hash(model, StoredPage.bytes(rotations.toString()));
    }

    /** The file of a page after another, or after a beginning. */
    StoredPage page(Object before, IntBuffer tokens) {
        if (before instanceof CachedPage node) {
            return node.stored().next(tokens);
        }
        Root root = (Root) before;
        byte[] rotated = rotated(model, root.rotations());
        byte[] salt = StoredPage.bytes(root.salt().map(each -> "salt " + each).orElse(""));
        byte[] beginning = StoredPage.hash(StoredPage.bytes("beginning"), rotated, salt);
        return StoredPage.first(rotated, beginning, tokens, pool.pageBytes());
    }

    /** Does work that holds memory of the pool. */
    private CompletableFuture<?> start(ExecutorService thread, Runnable work) {
        return CompletableFuture.runAsync(
                () -> {
                    working.incrementAndGet();
                    try {
                        work.run();
                    } finally {
                        working.decrementAndGet();
                    }
                },
                thread);
    }

    /** See {@link PrefixCache#settle}. */
    boolean settle() {
        long before = released.get();
        for (int i = 0; i < SETTLE_TIMES && working.get() > 0 && released.get() == before; i++) {
            LockSupport.parkNanos(SETTLE_NANOS);
        }
        return released.get() != before;
    }

    /** Writes the pages that the cache has for the store. */
    void write() {
        var _ = start(writer, () -> {
            for (Held each = prefixes.nextToStore(); each != null; each = prefixes.nextToStore()) {
                Held held = each;
                try {
                    store.attempt(() -> write(held));
                } finally {
                    pool.release(held.page);
                    release(held.state);
                    released.incrementAndGet();
                }
            }
        });
    }

    private boolean write(Held held) throws IOException {
        StoredPage page = held.stored;
        if (!page.isThere(store.folder)) {
            pool.clear(held.page, page.tokens.limit());
            store.write(page, held.page.ofKinds());
        }
        StoredPage state = page.state(pool.stateBytes());
        if (held.state != null && !state.isThere(store.folder)) {
            store.write(state, List.of(held.state.memory()));
        }
        return true;
    }

    private void release(KVCache.@Nullable Snapshot state) {
        if (state != null) {
            pool.release(state);
        }
    }

    /** Reads the stored pages of a sequence's first tokens into the cache; then the engine wakes up. */
    CompletableFuture<?> read(Sequence<?> sequence, Root root) {
        int usable = Math.min(sequence.known, sequence.first);
        if (usable < LEAST) {
            return CompletableFuture.completedFuture(null);
        }
        int[] tokens = Arrays.copyOf(sequence.tokens, usable);
        int most = usable - sequence.wanted(usable - 1, usable);
        CompletableFuture<?> done =
                start(reader, () -> read(root, tokens, most)).completeOnTimeout(null, READ_SECONDS, TimeUnit.SECONDS);
        var _ = done.whenComplete((_, _) -> sequence.engine.wake());
        return done;
    }

    /** @param most the most positions from which a sequence with recurrent layers can continue */
    private void read(Root root, int[] tokens, int most) {
        List<StoredPage> pages = new ArrayList<>(); // full ones that are in memory or stored
        for (int from = 0; from + PagePool.POSITIONS <= tokens.length; from += PagePool.POSITIONS) {
            StoredPage page = page(root, pages, tokens, from + PagePool.POSITIONS);
            if (prefixes.find(page) == null && !page.isThere(store.folder)) {
                break;
            }
            pages.add(page);
        }
        List<StoredPage> wanted = pool.stateBytes() > 0 ? toState(root, pages, tokens, most) : pages;
        if (PagePool.POSITIONS * wanted.size() >= LEAST) {
            load(root, wanted);
        }
    }

    /** The page, perhaps a part of one, that ends at a position. */
    private StoredPage page(Root root, List<StoredPage> pages, int[] tokens, int end) {
        int index = (end - 1) / PagePool.POSITIONS;
        IntBuffer some = IntBuffer.wrap(Arrays.copyOfRange(tokens, index * PagePool.POSITIONS, end));
        return index == 0 ? page(root, some) : pages.get(index - 1).next(some);
    }

    /** The pages up to the deepest state, if that is stored; none if memory has one as deep. */
    private List<StoredPage> toState(Root root, List<StoredPage> pages, int[] tokens, int most) {
        for (int end = Math.min(most, (pages.size() + 1) * PagePool.POSITIONS - 1); end >= LEAST; end--) {
            StoredPage last = page(root, pages, tokens, end);
            CachedPage node = prefixes.find(last);
            if (node != null && prefixes.hasSnapshot(node)) {
                return List.of();
            }
            if (last.state(pool.stateBytes()).isThere(store.folder)) {
                return Stream.concat(pages.stream().limit(last.index), Stream.of(last))
                        .toList();
            }
        }
        return List.of();
    }

    /** Reads the pages that are not in memory, the first ones first; before them the state after the last one. */
    private void load(Root root, List<StoredPage> pages) {
        StoredPage last = pages.getLast();
        pages.reversed().stream()
                .map(prefixes::find)
                .filter(Objects::nonNull)
                .findFirst()
                .ifPresent(prefixes::renew);
        KVCache.Snapshot state = pool.stateBytes() > 0 ? free(pool::takeState) : null;
        boolean begins =
                state == null ? pool.stateBytes() == 0 : isRead(last.state(pool.stateBytes()), List.of(state.memory()));
        boolean isThere = begins && pages.stream().allMatch(each -> prefixes.find(each) != null || isRead(root, each));
        if (isThere && state != null) {
            prefixes.insert(last, state);
        }
        release(state);
        store.attempt(() -> store.renew(pool.stateBytes() > 0 ? last.state(pool.stateBytes()) : last));
    }

    /** Reads a page into the cache; false if it is not as it should be, or there is no memory. */
    private boolean isRead(Root root, StoredPage page) {
        KVCache.Page memory = closed ? null : free(pool::takePage);
        if (memory == null) {
            return false;
        }
        try {
            return isRead(page, memory.ofKinds()) && prefixes.insert(root, page, memory);
        } finally {
            pool.release(memory);
            released.incrementAndGet();
        }
    }

    private boolean isRead(StoredPage page, List<MemorySegment> into) {
        return store.attempt(() -> page.read(store.folder, into));
    }

    /** Free memory, perhaps of the page that was not used for the longest time. No sequence is set back for it. */
    private <T> @Nullable T free(Supplier<@Nullable T> taking) {
        T taken = taking.get();
        return taken == null && prefixes.evictUnused() ? taking.get() : taken;
    }

    /** Waits until new pages are written. */
    void close() {
        closed = true;
        reader.close();
        writer.close();
    }

    /** See {@link PrefixStore#verify}. */
    static Verification verify(PrefixStore store, CausalLM model, int sample) throws IOException {
        byte[] own = digest(model);
        List<Found> all = store.found();
        Map<ByteBuffer, Found> named = PrefixStore.named(all);
        Set<Found> verified = new HashSet<>();
        List<Path> wrong = new ArrayList<>();
        int others = 0;
        List<Found> chosen = all.stream()
                .sorted(Comparator.comparing(Found::file)) // names are hashes: the first ones are a sample
                .limit(sample == 0 ? all.size() : sample)
                .sorted(Comparator.comparingInt((Found each) -> -each.page().index)) // fewer beginnings
                .toList();
        for (Found last : chosen) {
            List<Found> chain = PrefixStore.chain(last, named, Set.of());
            OptionalInt positions = IntStream.of(chain.size() * PagePool.POSITIONS, model.contextLength())
                    .filter(each -> Arrays.equals(
                            last.page().model,
                            rotated(own, model.decoder().config().rotations(each))))
                    .findFirst();
            if (positions.isEmpty() || chain.getFirst().page().index > 0) {
                others++;
            } else if (!isSound(chain, model)) {
                wrong.add(last.file());
            } else if (!verified.contains(last)) {
                verify(store, model, positions.getAsInt(), chain, (file, isRight) -> {
                    if (verified.add(file) && !isRight) {
                        wrong.add(file.file());
                    }
                });
            }
        }
        return new Verification(verified.size() - wrong.size(), wrong, others);
    }

    /** Whether pages can follow each other in a sequence: a file may say anything. */
    private static boolean isSound(List<Found> chain, CausalLM model) {
        int size = model.head().vocabularySize();
        int pages = 0;
        for (Found each : chain) {
            StoredPage page = each.page();
            boolean isFull = page.tokens.limit() == PagePool.POSITIONS;
            boolean isLast = each.equals(chain.getLast()) || chain.getLast().page().isState;
            boolean isInside = IntStream.range(0, page.tokens.limit())
                    .map(page.tokens::get)
                    .allMatch(id -> id >= 0 && id < size);
            if (!isInside || page.index != (page.isState ? pages - 1 : pages) || !(isFull || isLast)) {
                return false;
            }
            pages += page.isState ? 0 : 1;
        }
        return pages * PagePool.POSITIONS < model.contextLength() + PagePool.POSITIONS;
    }

    private static void verify(
            PrefixStore store, CausalLM model, int positions, List<Found> chain, BiConsumer<Found, Boolean> told)
            throws IOException {
        PagePool pool = model.decoder().pool();
        Activations activations = new Activations();
        try (KVCache cache = model.newCache()) {
            while (!cache.reserve(chain.size() * PagePool.POSITIONS) && pool.reclaim()) {}
            cache.declare(positions);
            for (Found each : chain) {
                StoredPage page = each.page();
                if (page.isState) {
                    KVCache.Snapshot state = Objects.requireNonNull(cache.snapshot());
                    told.accept(each, isEqual(store, page, List.of(state.memory())));
                    pool.release(state);
                } else {
                    int[] tokens = new int[page.tokens.limit()];
                    page.tokens.duplicate().get(tokens);
                    model.forward(new Batch(List.of(new Batch.Chunk(cache, tokens, 0))), activations);
                    KVCache.Page computed = cache.share(page.index);
                    pool.clear(computed, tokens.length);
                    told.accept(each, isEqual(store, page, computed.ofKinds()));
                    pool.release(computed);
                }
            }
        }
    }

    private static boolean isEqual(PrefixStore store, StoredPage page, List<MemorySegment> computed)
            throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            List<MemorySegment> read = computed.stream()
                    .map(each -> arena.allocate(each.byteSize(), 64))
                    .toList();
            return page.bytes
                            == read.stream().mapToLong(MemorySegment::byteSize).sum()
                    && page.read(store.folder, read)
                    && IntStream.range(0, read.size()).allMatch(i -> read.get(i).mismatch(computed.get(i)) == -1);
        }
    }
}
