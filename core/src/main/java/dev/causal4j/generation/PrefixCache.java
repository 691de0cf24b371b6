package dev.causal4j.generation;

import dev.causal4j.decoder.KVCache;
import dev.causal4j.decoder.PagePool;
import dev.causal4j.generation.StoredPrefixes.Held;
import dev.causal4j.model.CausalLM;
import java.nio.IntBuffer;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Deque;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Objects;
import java.util.Optional;
import java.util.SequencedSet;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.function.Predicate;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Pages of keys and values by the tokens that made them, so that sequences with a common prefix compute it once. It
 * keeps full pages, and the last page of a sequence that has ended. A sequence that matches only a page's first tokens
 * copies those. A page depends on all tokens before it, so pages form chains; tokens are compared, not hashed. A page
 * also has the predictions of its tokens, once they were scored. The cache changes no result, since keys, values and
 * predictions have the same bits however they were computed. Not thread-safe.
 *
 * <p>In a model with recurrent layers a sequence can continue only from a snapshot of their state. A snapshot is as
 * large as many pages, so only some pages have one: every {@value #DISTANCE} positions, the last full page of a prompt,
 * and the end of a sequence. Positions after the last snapshot are computed again. A page without a snapshot, on it or
 * on a page after it, is useless and is returned to the pool.
 *
 * <p>There may be a {@linkplain StoredPrefixes store}, where kept pages are written, and from which pages are read that
 * become unused ones here.
 */
final class PrefixCache {
    static final int POSITIONS = PagePool.POSITIONS;

    /** Positions from a snapshot to the next. */
    static final int DISTANCE = 512;

    private static final Duration SETTLING = Duration.ofSeconds(1);

    /** Fewest tokens for which a page is copied. */
    static final int LEAST = 8;

    /** Most alternatives of a kept prediction. */
    static final int MOST_ALTERNATIVES = 20;

    /**
     * Most bytes of a page's predictions: for each position 20 candidates of 32 bytes, the prediction (32) and its list
     * (120).
     */
    static final int PREDICTION_BYTES = POSITIONS * (32 * MOST_ALTERNATIVES + 32 + 120);

    /** States of recurrent layers beside the pages of a context: after the last turns, and where one may be changed. */
    private static final int STATES = 4;

    /** The beginning of a chain: with the tokens it determines keys and values, and which sequences share them. */
    record Root(Optional<String> salt, List<List<Double>> rotations) {}

    private final PagePool pool;
    private final @Nullable StoredPrefixes store;
    private final long pageBytes; // bytes of a page with its predictions
    private final long most; // bytes of unused pages and of snapshots
    // the pages after a page or root
    private final Map<Object, NavigableMap<IntBuffer, CachedPage>> pages = new HashMap<>();
    // pages without users, the least recently used first
    private final SequencedSet<CachedPage> unused = new LinkedHashSet<>();
    // pages with a snapshot, the least recently used first
    private final SequencedSet<CachedPage> snapshots = new LinkedHashSet<>();
    // sequences that have ended, but that others still continue
    private final Deque<Sequence<?>> pinned = new ArrayDeque<>();
    // if there is a store, all pages by the names of their files
    private final Map<String, CachedPage> named = new HashMap<>();
    // pages that are to be written, each after the one before it
    private final SequencedSet<CachedPage> unstored = new LinkedHashSet<>();

    PrefixCache(CausalLM model, long bytes, @Nullable PrefixStore store) {
        this.pool = model.decoder().pool();
        this.store = store == null ? null : new StoredPrefixes(store, model, this);
        this.pageBytes = pool.pageBytes() + PREDICTION_BYTES;
        this.most = bytes;
    }

    /** Bytes of the kept pages of one context. */
    static long contextBytes(CausalLM model) {
        PagePool pool = model.decoder().pool();
        int pages = PagePool.needed(model.contextLength());
        return pages * (pool.pageBytes() + PREDICTION_BYTES) + STATES * pool.stateBytes();
    }

    /** Whether it keeps the pages of a sequence that begins now. */
    boolean keeps(Sequence<?> sequence) {
        boolean asked = most >= pageBytes + pool.stateBytes() && sequence.salt.isPresent();
        return sequence.continued != null || sequence.followers >= 0 || asked;
    }

    private boolean isRecurrent() {
        return pool.stateBytes() > 0;
    }

    /** Gives a sequence, whose cache is empty, the known pages and predictions of its first tokens. */
    synchronized void begin(Sequence<?> sequence) {
        List<CachedPage> found = new ArrayList<>();
        int common = 0;
        for (Optional<CachedPage> next = next(sequence, sequence.root, 0); next.isPresent(); ) {
            CachedPage node = next.get();
            int more = node.common(sequence, common);
            found.add(node);
            common += more;
            next = more < POSITIONS ? Optional.empty() : next(sequence, node, common);
        }
        // The prediction after the last row is not known: if it is wanted, the row is computed again.
        int length = common == 0 ? 0 : common - sequence.wanted(common - 1, common);
        boolean hasRoom = isRecurrent() && sequence.cache.reserveState();
        List<CachedPage> adopted = hasRoom
                ? withSnapshot(sequence, found, length)
                : found.subList(0, isRecurrent() ? 0 : PagePool.needed(length));
        if (isRecurrent()) {
            length = adopted.isEmpty()
                    ? 0
                    : (adopted.size() - 1) * POSITIONS
                            + adopted.getLast().tokens.limit();
        }
        for (int token = 0; token < Math.min(length + 1, common); token++) {
            sequence.take(token, found.get(token / POSITIONS).predictions[token % POSITIONS]);
        }
        int full = length / POSITIONS;
        // Most recently used now; children before parents, so that eviction takes leaves first.
        found.subList(full, found.size()).reversed().stream()
                .filter(unused::contains)
                .forEach(unused::addLast);
        adopted.stream().limit(full).forEach(node -> use(sequence, node));
        List<KVCache.Page> known = adopted.stream().map(node -> node.page).toList();
        KVCache.Snapshot snapshot = adopted.isEmpty() ? null : adopted.getLast().snapshot;
        if (hasRoom && snapshot != null) {
            snapshots.addLast(adopted.getLast()); // used just now
            sequence.cache.adopt(known, length, snapshot);
        } else {
            sequence.cache.adopt(known, length);
        }
    }

    /** The pages of at most {@code most} positions that end with a snapshot, as many as possible. */
    private List<CachedPage> withSnapshot(Sequence<?> sequence, List<CachedPage> found, int most) {
        for (int page = most / POSITIONS; page >= 0; page--) {
            Object before = page == 0 ? sequence.root : found.get(page - 1);
            Map<IntBuffer, CachedPage> after = pages.getOrDefault(before, new TreeMap<>());
            int from = page * POSITIONS;
            for (int count = Math.min(POSITIONS, most - from); count > 0; count--) {
                CachedPage node = after.get(tokens(sequence, from, count));
                if (node != null && node.snapshot != null) {
                    List<CachedPage> adopted = new ArrayList<>(found.subList(0, page));
                    adopted.add(node);
                    return adopted;
                }
            }
        }
        return List.of();
    }

    /**
     * The page after {@code before} that has the most of a sequence's next tokens: a neighbour in the order of tokens.
     */
    private Optional<CachedPage> next(Sequence<?> sequence, Object before, int from) {
        IntBuffer tokens = tokens(sequence, from, Math.min(POSITIONS, sequence.known - from));
        NavigableMap<IntBuffer, CachedPage> after = pages.getOrDefault(before, new TreeMap<>());
        // recurrent: only pages with a snapshot are copied
        int least = sequence.continued == null && !isRecurrent() ? LEAST : 1;
        return Stream.concat(
                        after.headMap(tokens, true).descendingMap().values().stream()
                                .limit(1),
                        after.tailMap(tokens).values().stream().limit(1))
                .max(Comparator.comparingInt(node -> node.common(sequence, from)))
                .filter(node -> node.common(sequence, from) >= least);
    }

    private void use(Sequence<?> sequence, CachedPage node) {
        node.users++;
        unused.remove(node);
        sequence.chain.add(node);
    }

    /** Adds the full pages of a sequence that are not in its chain yet, and a snapshot if one is due. */
    synchronized void add(Sequence<?> sequence) {
        while (sequence.shares && (sequence.chain.size() + 1) * POSITIONS <= sequence.cache.length()) {
            keep(sequence, POSITIONS);
            if (!isRecurrent()) {
                offer(sequence);
            }
        }
        boolean isThere = sequence.shares && sequence.failure == null && !sequence.chain.isEmpty();
        if (isRecurrent()
                && isThere
                && sequence.cache.length() == sequence.snapshotAfter(sequence.cache.length() - 1)) {
            addSnapshot(sequence, false);
        }
    }

    /** Keeps the recurrent state at the end of a sequence's last page, and lets the store write it. */
    private void addSnapshot(Sequence<?> sequence, boolean always) {
        CachedPage last = sequence.chain.getLast();
        addSnapshot(last, always, sequence.cache::snapshot);
        if (last.snapshot != null) {
            offer(sequence);
        }
    }

    /**
     * Adds the recurrent state at this page's end; evicts older snapshots.
     *
     * @param always whether to do so even if there is no room for snapshots
     */
    private void addSnapshot(CachedPage node, boolean always, Supplier<KVCache.@Nullable Snapshot> state) {
        boolean fits = pool.stateBytes() <= most;
        while (fits && !snapshots.isEmpty() && (snapshots.size() + 1) * pool.stateBytes() > most) {
            removeSnapshot(_ -> true);
        }
        if (node.snapshot == null && (fits || always)) {
            node.snapshot = state.get();
        }
        if (node.snapshot != null) {
            snapshots.addLast(node);
        }
    }

    /** Lets the store write the pages of a sequence that it had not yet, if they are enough to be read again. */
    private void offer(Sequence<?> sequence) {
        CachedPage last = sequence.chain.getLast();
        int positions = (sequence.chain.size() - 1) * POSITIONS + last.tokens.limit();
        if (store == null || sequence.salt.isEmpty() || positions < StoredPrefixes.LEAST) {
            return;
        }
        for (CachedPage node : sequence.chain) {
            if (!node.isOffered || (node == last && node.snapshot != null)) {
                node.isOffered = true;
                unstored.add(node);
            }
        }
        store.write();
    }

    /** Keeps the first page of a sequence that is not in its chain yet, with its first {@code positions} positions. */
    private void keep(Sequence<?> sequence, int positions) {
        int page = sequence.chain.size();
        Object before = page == 0 ? sequence.root : sequence.chain.getLast();
        IntBuffer tokens = tokens(sequence, page * POSITIONS, positions);
        CachedPage node = pages.computeIfAbsent(before, _ -> new TreeMap<>()).computeIfAbsent(tokens, _ -> {
            StoredPage file = store == null ? null : store.page(before, tokens);
            return node(before, tokens, sequence.cache.share(page), file);
        });
        node.keepPredictions(sequence, page * POSITIONS);
        use(sequence, node);
    }

    private CachedPage node(Object before, IntBuffer tokens, KVCache.Page page, @Nullable StoredPage stored) {
        CachedPage node = new CachedPage(before, tokens, page, stored);
        if (stored != null) {
            named.put(stored.name(), node);
        }
        return node;
    }

    /** Adds the last page of a sequence that has ended, and releases its pages unless others still continue it. */
    synchronized void end(Sequence<?> sequence) {
        int rest = sequence.cache.length() - sequence.chain.size() * POSITIONS;
        boolean leads = sequence.followers > 0 && sequence.finished();
        if (sequence.shares && sequence.failure == null && rest >= (leads || isRecurrent() ? 1 : LEAST)) {
            keep(sequence, rest);
            rest = 0;
        }
        if (isRecurrent() && sequence.shares && sequence.failure == null && rest == 0 && !sequence.chain.isEmpty()) {
            addSnapshot(sequence, leads);
        }
        if (leads) {
            pinned.add(sequence);
        } else {
            release(sequence);
        }
        Sequence<?> before = sequence.continued;
        if (before != null && --before.followers == 0 && pinned.remove(before)) {
            release(before);
        }
    }

    /** Ends a sequence's use of its pages, the last first, so that eviction takes leaves first. */
    synchronized void release(Sequence<?> sequence) {
        List<CachedPage> chain = List.copyOf(sequence.chain);
        sequence.chain.clear();
        for (CachedPage node : chain.reversed()) {
            if (--node.users == 0) {
                unused.add(node);
            }
        }
        if (!chain.isEmpty()) {
            removeUseless(chain.getLast());
        }
        trim();
    }

    private void trim() {
        while (bytes() > most && evictUnused()) {}
    }

    private long bytes() {
        return unused.size() * pageBytes + snapshots.size() * pool.stateBytes();
    }

    /**
     * Evicts the least recently used page or snapshot, or releases the pages of a sequence that has ended. Returns
     * false if there is nothing to evict.
     */
    synchronized boolean evict() {
        if (evictUnused() || removeSnapshot(_ -> true)) {
            return true;
        }
        Optional<Sequence<?>> oldest = Optional.ofNullable(pinned.poll());
        oldest.ifPresent(this::release);
        return oldest.isPresent();
    }

    /**
     * Evicts a page or a snapshot that no sequence uses, the least recently used one. Returns false if all are in use.
     * Any thread may call it.
     */
    synchronized boolean evictUnused() {
        if (removeSnapshot(node -> node.users == 0)) {
            return true;
        }
        // A page after an evicted one could not be found, and would still be taken for one that is there.
        Optional<CachedPage> leaf =
                unused.stream().filter(node -> !pages.containsKey(node)).findFirst();
        leaf.ifPresent(this::remove);
        return leaf.isPresent();
    }

    /**
     * Evicts the oldest snapshot of some pages, and the pages that are useless without it. Returns false if there is
     * none.
     */
    private boolean removeSnapshot(Predicate<CachedPage> which) {
        Optional<CachedPage> oldest = snapshots.stream().filter(which).findFirst();
        oldest.ifPresent(node -> {
            snapshots.remove(node);
            pool.release(Objects.requireNonNull(node.snapshot));
            node.snapshot = null;
            removeUseless(node);
        });
        return oldest.isPresent();
    }

    /** Evicts a page and the pages before it, as far as no sequence can continue from them. */
    private void removeUseless(CachedPage last) {
        for (Object at = last; isRecurrent() && at instanceof CachedPage node; at = node.before) {
            if (node.users > 0 || node.snapshot != null || pages.containsKey(node)) {
                return;
            }
            remove(node);
        }
    }

    /** Evicts an unused page without a snapshot. */
    private void remove(CachedPage node) {
        if (!unused.remove(node)) {
            return; // it is gone: its pages are released once
        }
        unstored.remove(node);
        if (node.stored != null) {
            named.remove(node.stored.name(), node);
        }
        pages.computeIfPresent(node.before, (_, after) -> {
            after.remove(node.tokens, node);
            return after.isEmpty() ? null : after;
        });
        pool.release(node.page);
    }

    private static IntBuffer tokens(Sequence<?> sequence, int from, int count) {
        return IntBuffer.wrap(Arrays.copyOfRange(sequence.tokens, from, from + count));
    }

    /**
     * Begins to read the stored pages of a sequence that waits to begin; done if there is nothing to read.
     *
     * @param root the beginning of the sequence's chain
     */
    CompletableFuture<?> read(Sequence<?> sequence, Supplier<Root> root) {
        return store == null || sequence.salt.isEmpty() || sequence.continued != null
                ? CompletableFuture.completedFuture(null)
                : store.read(sequence, root.get());
    }

    /** Whether a page is in memory. */
    synchronized boolean has(StoredPage page) {
        return named.containsKey(page.name());
    }

    /** Whether a page is in memory, with a snapshot. */
    synchronized boolean hasSnapshot(StoredPage page) {
        CachedPage node = named.get(page.name());
        return node != null && node.snapshot != null;
    }

    /** Uses a page and those before it now, children before parents, so that eviction takes leaves first. */
    synchronized void renew(StoredPage last) {
        for (Object at = named.get(last.name()); at instanceof CachedPage node; at = node.before) {
            if (unused.contains(node)) {
                unused.addLast(node);
            }
        }
    }

    /** The next page to write, perhaps with a state. The caller releases both. Null if there is none. */
    synchronized @Nullable Held nextToStore() {
        if (unstored.isEmpty()) {
            return null;
        }
        CachedPage node = unstored.removeFirst();
        pool.share(node.page);
        if (node.snapshot != null) {
            pool.share(node.snapshot);
        }
        return new Held(Objects.requireNonNull(node.stored), node.page, node.snapshot);
    }

    /** Adds a page that was read, as an unused one; false if the page before it is no longer there. */
    synchronized boolean insert(Root root, StoredPage stored, KVCache.Page page) {
        Object before = stored.index() == 0 ? root : named.get(stored.before());
        if (before != null && !has(stored)) {
            pool.share(page);
            CachedPage made = node(before, stored.tokens(), page, stored);
            made.isOffered = true;
            pages.computeIfAbsent(before, _ -> new TreeMap<>()).put(stored.tokens(), made);
            unused.add(made);
            renew(stored); // a page is older than those before it
            trim();
        }
        return has(stored);
    }

    /** Adds a state that was read after the last token of a page; false if the page is no longer there. */
    synchronized boolean insert(StoredPage last, KVCache.Snapshot state) {
        CachedPage node = named.get(last.name());
        if (node != null) {
            node.users++; // else it might be evicted as useless to make room for its own state
            addSnapshot(node, false, () -> {
                pool.share(state);
                return state;
            });
            node.users--;
            trim();
        }
        return node != null;
    }

    /** Waits a moment for memory that the store holds; false if it gives none back. */
    boolean settle() {
        return store != null && store.isReleasedWithin(SETTLING);
    }

    /** Waits until the store has written new pages, and returns all pages. No sequence may run. */
    void close() {
        if (store != null) {
            store.close();
        }
        while (evict()) {}
    }
}
