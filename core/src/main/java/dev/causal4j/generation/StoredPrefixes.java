package dev.causal4j.generation;

import dev.causal4j.decoder.Activations;
import dev.causal4j.decoder.Batch;
import dev.causal4j.decoder.KVCache;
import dev.causal4j.decoder.PagePool;
import dev.causal4j.generation.PrefixCache.Root;
import dev.causal4j.generation.PrefixStore.Found;
import dev.causal4j.generation.PrefixStore.Verification;
import dev.causal4j.json.Sha256;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.ModelDigests;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteOrder;
import java.nio.IntBuffer;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.LinkedHashMap;
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
import java.util.function.Consumer;
import java.util.function.Predicate;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The pages of a {@link PrefixStore} for the prefix cache of an engine: a thread reads those of a sequence that waits to
 * begin, and another writes new ones. Both hold at most a page and a state. Nothing that fails here fails a sequence, and
 * nothing that is slow holds sequences up for longer than once for the store's patience. Thread-safe, except {@link
 * #read}.
 */
final class StoredPrefixes {
    /** The shortest prefix that is stored and read; a shorter one is computed. */
    static final int LEAST = 256;

    private static final long MILLI_NANOS = 1_000_000;
    private static final CompletableFuture<?> NOTHING = CompletableFuture.completedFuture(null);

    /** A page to write, with its state if it has one. */
    record Held(StoredPage stored, KVCache.Page page, KVCache.@Nullable Snapshot state) {}

    private final PrefixStore store;
    private final PrefixCache prefixes;
    private final PagePool pool;
    private final String model;
    private final ExecutorService reader = thread("causal4j-prefix-reader");
    private final ExecutorService writer = thread("causal4j-prefix-writer");
    private final AtomicInteger working = new AtomicInteger(); // tasks of them, which may hold memory of the pool
    private final AtomicLong released = new AtomicLong(); // pages and states that they gave back
    private CompletableFuture<?> last = NOTHING; // to be read. Used by the engine's thread alone, like the next
    private CompletableFuture<@Nullable Void> late = new CompletableFuture<>(); // done when a read takes too long
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
    private static String digest(CausalLM model) {
        ModelDigests files = model.digests()
                .orElseThrow(() -> new IllegalStateException(
                        "prefix store: expected a model with the digests of its files, got one without; load it with"
                                + " LoadOptions.withDigests(true)"));
        List<String> parts = new ArrayList<>(List.of("causal4j.pages/1", "arithmetic " + CausalLM.ARITHMETIC));
        files.files().forEach(each -> parts.add("file " + each.sha256()));
        files.adapter().forEach(each -> parts.add((files.merged() ? "merged " : "adapter ") + each.sha256()));
        parts.add(files.dtype() + " " + model.dtype() + " " + model.cachedDtype());
        parts.add(ByteOrder.nativeOrder() + " " + model.decoder().pool().sizes());
        return Sha256.hex(String.join("\n", parts));
    }

    private static String rotated(String model, List<List<Double>> rotations) {
        return StoredPage.hash(HexFormat.of().parseHex(model), StoredPage.bytes(rotations.toString()));
    }

    /** The file of a page after another, or after a beginning. */
    StoredPage page(Object before, IntBuffer tokens) {
        if (before instanceof CachedPage node) {
            return Objects.requireNonNull(node.stored).next(tokens);
        }
        Root root = (Root) before;
        String rotated = rotated(model, root.rotations());
        byte[] salt = StoredPage.bytes(root.salt().map(each -> "salt " + each).orElse(""));
        String beginning =
                StoredPage.hash(StoredPage.bytes("beginning"), HexFormat.of().parseHex(rotated), salt);
        return new StoredPage(rotated, beginning, 0, tokens, false, pool.pageBytes());
    }

    private CompletableFuture<?> start(ExecutorService thread, Runnable work) {
        working.incrementAndGet();
        return CompletableFuture.runAsync(work, thread).whenComplete((_, _) -> working.decrementAndGet());
    }

    /** Waits until a task gives back memory; false if that takes too long, or there is no task. */
    boolean isReleasedWithin(Duration most) {
        long before = released.get();
        for (long i = 0; i < most.toMillis() && working.get() > 0 && released.get() == before; i++) {
            LockSupport.parkNanos(MILLI_NANOS);
        }
        return released.get() != before;
    }

    /** Writes the pages that the cache has for the store. */
    void write() {
        var _ = start(writer, () -> {
            for (Held each = prefixes.nextToStore(); each != null; each = prefixes.nextToStore()) {
                write(each);
            }
        });
    }

    private void write(Held held) {
        try {
            pool.clear(held.page, held.stored.tokens().limit());
            store.write(held.stored, held.page.ofKinds());
            if (held.state != null) {
                store.write(held.stored.state(pool.stateBytes()), List.of(held.state.memory()));
            }
        } finally {
            pool.release(held.page);
            if (held.state != null) {
                pool.release(held.state);
            }
            released.incrementAndGet();
        }
    }

    /**
     * Reads the stored pages of a sequence's first tokens into the cache; then the engine wakes up. Once a read is late,
     * no sequence waits until all reads have ended that were begun before. Called by the engine's thread alone.
     */
    CompletableFuture<?> read(Sequence<?> sequence, Root root) {
        int usable = Math.min(sequence.known, sequence.first);
        if (usable < LEAST || (late.isDone() && !last.isDone())) {
            return NOTHING;
        }
        late = late.isDone() ? new CompletableFuture<>() : late;
        CompletableFuture<@Nullable Void> ofThese = late;
        int[] tokens = Arrays.copyOf(sequence.tokens, usable);
        int most = usable - sequence.wanted(usable - 1, usable);
        CompletableFuture<?> read = start(reader, () -> read(root, tokens, most));
        last = read;
        var _ = read.copy()
                .completeOnTimeout(null, store.patience.toMillis(), TimeUnit.MILLISECONDS)
                .thenApply(_ -> read.isDone() || ofThese.complete(null));
        CompletableFuture<?> done = CompletableFuture.anyOf(read, ofThese);
        var _ = done.whenComplete((_, _) -> sequence.engine.wake());
        return done;
    }

    /** @param most the most positions from which a sequence with recurrent layers can continue */
    private void read(Root root, int[] tokens, int most) {
        List<StoredPage> pages = new ArrayList<>(); // full ones that are in memory or stored
        for (int from = 0; from + PagePool.POSITIONS <= tokens.length; from += PagePool.POSITIONS) {
            StoredPage page = page(root, pages, tokens, from + PagePool.POSITIONS);
            if (!prefixes.has(page) && !page.isThere(store.folder)) {
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
            if (prefixes.hasSnapshot(last)) {
                return List.of();
            }
            if (last.state(pool.stateBytes()).isThere(store.folder)) {
                return Stream.concat(pages.stream().limit(last.index()), Stream.of(last))
                        .toList();
            }
        }
        return List.of();
    }

    /** Reads the pages that are not in memory, the first ones first; before them the state after the last one. */
    private void load(Root root, List<StoredPage> pages) {
        StoredPage last = pages.getLast();
        pages.reversed().stream().filter(prefixes::has).findFirst().ifPresent(prefixes::renew);
        StoredPage end = pool.stateBytes() > 0 ? last.state(pool.stateBytes()) : last;
        Predicate<KVCache.Snapshot> use =
                state -> isRead(end, List.of(state.memory())) && areThere(root, pages) && prefixes.insert(last, state);
        boolean _ = end.isState() ? fill(pool::takeState, pool::release, use) : areThere(root, pages);
        store.renew(end);
    }

    /** Whether all pages are in memory, perhaps read now. */
    private boolean areThere(Root root, List<StoredPage> pages) {
        return pages.stream()
                .allMatch(each -> prefixes.has(each)
                        || fill(
                                pool::takePage,
                                pool::release,
                                page -> isRead(each, page.ofKinds()) && prefixes.insert(root, each, page)));
    }

    /** Nothing is kept that comes after the end: nobody would return it. */
    private boolean isRead(StoredPage page, List<MemorySegment> into) {
        return store.read(page, into) && !closed;
    }

    /**
     * Holds free memory, perhaps of the page that was not used for the longest time, for a moment; false if there is
     * none, or it could not be used. No sequence is set back for it.
     */
    private <T> boolean fill(Supplier<@Nullable T> taking, Consumer<T> giving, Predicate<T> use) {
        T free = closed ? null : taking.get();
        T memory = free == null && !closed && prefixes.evictUnused() ? taking.get() : free;
        if (memory == null) {
            return false;
        }
        try {
            return use.test(memory);
        } finally {
            giving.accept(memory);
            released.incrementAndGet();
        }
    }

    /** Waits until new pages are written, but not for a disk that does not answer. */
    void close() {
        closed = true;
        while (isReleasedWithin(store.patience)) {}
        reader.shutdown();
        writer.shutdown();
    }

    /** See {@link PrefixStore#verify}. */
    static Verification verify(PrefixStore store, CausalLM model, int sample) throws IOException {
        String own = digest(model);
        List<Found> all = store.found();
        Map<String, Found> named = PrefixStore.named(all);
        Map<Found, Boolean> right = new LinkedHashMap<>();
        int others = 0;
        List<Found> chosen = all.stream()
                .sorted(Comparator.comparing(Found::file)) // names are hashes: the first ones are a sample
                .limit(sample == 0 ? all.size() : sample)
                .sorted(Comparator.comparingInt((Found each) -> -each.page().index())) // fewer beginnings
                .toList();
        for (Found last : chosen) {
            List<Found> chain = PrefixStore.chain(last, named, Set.of());
            OptionalInt positions = IntStream.of(chain.size() * PagePool.POSITIONS, model.contextLength())
                    .filter(each -> last.page()
                            .model()
                            .equals(rotated(own, model.decoder().config().rotations(each))))
                    .findFirst();
            if (positions.isEmpty() || chain.getFirst().page().index() > 0) {
                others++;
            } else if (!right.containsKey(last)) {
                verify(store, model, positions.getAsInt(), chain, right);
            }
        }
        List<Path> wrong = right.keySet().stream()
                .filter(each -> !right.getOrDefault(each, true))
                .map(Found::file)
                .toList();
        return new Verification(right.size() - wrong.size(), wrong, others);
    }

    /** Computes a chain, and notes which of its files have these bits; none after one that cannot be there. */
    private static void verify(
            PrefixStore store, CausalLM model, int positions, List<Found> chain, Map<Found, Boolean> right)
            throws IOException {
        PagePool pool = model.decoder().pool();
        Activations activations = new Activations();
        boolean follows = true;
        try (KVCache cache = model.newCache()) {
            while (!cache.reserve(chain.size() * PagePool.POSITIONS) && pool.reclaim()) {}
            cache.declare(positions);
            for (Found each : chain) {
                StoredPage page = each.page();
                follows = follows && follows(page, cache.length(), model);
                if (!follows) {
                    right.putIfAbsent(each, false);
                } else if (page.isState()) {
                    KVCache.Snapshot state = Objects.requireNonNull(cache.snapshot());
                    right.putIfAbsent(each, isEqual(store, page, List.of(state.memory())));
                    pool.release(state);
                } else {
                    int[] tokens = page.tokens().array();
                    model.forward(new Batch(List.of(new Batch.Chunk(cache, tokens, 0))), activations);
                    KVCache.Page computed = cache.share(page.index());
                    pool.clear(computed, tokens.length);
                    right.putIfAbsent(each, isEqual(store, page, computed.ofKinds()));
                    pool.release(computed);
                }
            }
        }
    }

    /** Whether a page can follow a number of positions of a sequence, or its state; a file may say anything. */
    private static boolean follows(StoredPage page, int length, CausalLM model) {
        int size = model.head().vocabularySize();
        int pages = PagePool.needed(length);
        return page.isState()
                ? page.index() == pages - 1
                : page.index() == pages
                        && length % PagePool.POSITIONS == 0
                        && length + page.tokens().limit() <= model.contextLength()
                        && IntStream.of(page.tokens().array()).allMatch(id -> id >= 0 && id < size);
    }

    private static boolean isEqual(PrefixStore store, StoredPage page, List<MemorySegment> computed)
            throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            List<MemorySegment> read = computed.stream()
                    .map(each -> arena.allocate(each.byteSize(), 64))
                    .toList();
            return page.bytes()
                            == read.stream().mapToLong(MemorySegment::byteSize).sum()
                    && page.read(store.folder, read)
                    && IntStream.range(0, read.size()).allMatch(i -> read.get(i).mismatch(computed.get(i)) == -1);
        }
    }
}
