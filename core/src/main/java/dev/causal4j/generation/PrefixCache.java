package dev.causal4j.generation;

import dev.causal4j.decoder.KVCache;
import dev.causal4j.decoder.PagePool;
import dev.causal4j.head.Prediction;
import java.nio.IntBuffer;
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
import java.util.Optional;
import java.util.SequencedSet;
import java.util.TreeMap;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Pages of keys and values by the tokens that made them, so that sequences with a common beginning compute it once: full
 * pages, and the last page of a sequence that has ended. A sequence that goes on like a part of a page takes that part. A
 * page depends on all tokens before it, so pages form chains; tokens are compared, not hashed. With a page are the
 * predictions of its tokens, once they were scored. Exact, since keys, values and predictions have the same bits however
 * they were computed. Not thread-safe.
 */
final class PrefixCache {
    private static final int POSITIONS = PagePool.POSITIONS;

    /** Fewest tokens for which a page is copied. */
    static final int LEAST = 8;

    /** Most alternatives of a prediction that is kept. */
    static final int MOST_ALTERNATIVES = 20;

    /** Most bytes of a page's predictions: for each position 20 candidates of 32, the prediction 32, its list 120. */
    static final int PREDICTION_BYTES = POSITIONS * (32 * MOST_ALTERNATIVES + 32 + 120);

    /** A page in a chain. */
    static final class Node {
        private final Object before; // the page before, or a sequence's root
        private final IntBuffer tokens;
        private final KVCache.Page page;
        private final @Nullable Prediction[] predictions = new Prediction[POSITIONS]; // of its tokens
        private int users; // sequences that have it in their chain

        private Node(Object before, IntBuffer tokens, KVCache.Page page) {
            this.before = before;
            this.tokens = tokens;
            this.page = page;
        }

        /** How many tokens a sequence has in common, from one of them on, with the predictions that it wants. */
        private int common(Sequence<?> sequence, int from) {
            int most = Math.min(sequence.known - from, tokens.limit());
            int differs = IntBuffer.wrap(sequence.tokens, from, most).mismatch(tokens.slice(0, most));
            int equal = differs < 0 ? most : differs;
            return IntStream.range(0, equal)
                    .filter(i -> !sequence.takes(from + i, predictions[i]))
                    .findFirst()
                    .orElse(equal);
        }

        private void keepPredictions(Sequence<?> sequence, int from) {
            for (int i = 0; i < tokens.limit(); i++) {
                Prediction made = sequence.prediction(from + i);
                Prediction known = predictions[i];
                if (made != null
                        && made.alternatives().size() <= MOST_ALTERNATIVES
                        && (known == null
                                || made.alternatives().size()
                                        > known.alternatives().size())) {
                    predictions[i] = made;
                }
            }
        }
    }

    private final PagePool pool;
    private volatile long most; // unused pages
    private final Map<Object, NavigableMap<IntBuffer, Node>> pages = new HashMap<>(); // behind a page or root
    private final SequencedSet<Node> unused = new LinkedHashSet<>(); // without users, the least recently used first
    private final Deque<Sequence<?>> pinned = new ArrayDeque<>(); // ended, but others still continue them

    PrefixCache(PagePool pool, long bytes) {
        this.pool = pool;
        this.most = bytes / (pool.pageBytes() + PREDICTION_BYTES);
    }

    /** Keeps at least so many pages from now on. May be called by any thread. */
    synchronized void keep(long pages) {
        most = Math.max(most, pages);
    }

    /** Whether it keeps the pages of a sequence that begins now; not those of recurrent layers, whose states they lack. */
    boolean keeps(Sequence<?> sequence) {
        return pool.stateBytes() == 0 && keepsPages(sequence);
    }

    private boolean keepsPages(Sequence<?> sequence) {
        return sequence.continued != null || sequence.followers >= 0 || (most > 0 && sequence.salt.isPresent());
    }

    /** Gives a sequence, whose cache is empty, the known pages and predictions of its beginning. */
    void begin(Sequence<?> sequence) {
        List<Node> found = new ArrayList<>();
        int common = 0;
        for (Optional<Node> next = next(sequence, sequence.root, 0); next.isPresent(); ) {
            Node node = next.get();
            int more = node.common(sequence, common);
            for (int i = 0; i < more; i++) {
                sequence.take(common + i, node.predictions[i]);
            }
            found.add(node);
            common += more;
            next = more < POSITIONS ? Optional.empty() : next(sequence, node, common);
        }
        // The prediction behind the last row is not known: if it is wanted, the row is computed again.
        int length = common == 0 ? 0 : common - sequence.wanted(common - 1, common);
        int full = length / POSITIONS;
        found.stream().skip(full).filter(unused::remove).forEach(unused::add); // used just now, the last page in part
        found.stream().limit(full).forEach(node -> use(sequence, node));
        sequence.cache.adopt(
                found.stream()
                        .limit(PagePool.needed(length))
                        .map(node -> node.page)
                        .toList(),
                length);
    }

    /** The page behind another whose tokens are most like a sequence's next ones: a neighbour in their order. */
    private Optional<Node> next(Sequence<?> sequence, Object before, int from) {
        IntBuffer tokens = tokens(sequence, from, Math.min(POSITIONS, sequence.known - from));
        NavigableMap<IntBuffer, Node> behind = pages.getOrDefault(before, new TreeMap<>());
        int least = sequence.continued == null ? LEAST : 1;
        return Stream.concat(
                        behind.headMap(tokens, true).descendingMap().values().stream()
                                .limit(1),
                        behind.tailMap(tokens).values().stream().limit(1))
                .max(Comparator.comparingInt(node -> node.common(sequence, from)))
                .filter(node -> node.common(sequence, from) >= least);
    }

    private void use(Sequence<?> sequence, Node node) {
        node.users++;
        unused.remove(node);
        sequence.chain.add(node);
    }

    /** Adds the full pages of a sequence that are not in its chain yet. */
    void add(Sequence<?> sequence) {
        while (sequence.shares && (sequence.chain.size() + 1) * POSITIONS <= sequence.cache.length()) {
            keep(sequence, POSITIONS);
        }
    }

    /** Keeps the first page of a sequence that is not in its chain yet, of which so many positions are computed. */
    private void keep(Sequence<?> sequence, int positions) {
        int page = sequence.chain.size();
        Object before = page == 0 ? sequence.root : sequence.chain.getLast();
        IntBuffer tokens = tokens(sequence, page * POSITIONS, positions);
        Node node = pages.computeIfAbsent(before, _ -> new TreeMap<>())
                .computeIfAbsent(tokens, _ -> new Node(before, tokens, sequence.cache.share(page)));
        node.keepPredictions(sequence, page * POSITIONS);
        use(sequence, node);
    }

    /** Adds the last page of a sequence that has ended, and releases its pages unless others still continue it. */
    void end(Sequence<?> sequence) {
        int rest = sequence.cache.length() - sequence.chain.size() * POSITIONS;
        boolean leads = sequence.followers > 0 && sequence.finished();
        if (sequence.shares && sequence.failure == null && rest >= (leads ? 1 : LEAST)) {
            keep(sequence, rest);
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

    /** Ends a sequence's use of its pages, the last first: an unused page is always older than those before it. */
    void release(Sequence<?> sequence) {
        for (Node node : sequence.chain.reversed()) {
            if (--node.users == 0) {
                unused.add(node);
            }
        }
        sequence.chain.clear();
        while (unused.size() > most) {
            evict();
        }
    }

    /** Gives the oldest unused page back, or releases those of a sequence that has ended; false if there is none. */
    boolean evict() {
        if (unused.isEmpty()) {
            Optional<Sequence<?>> oldest = Optional.ofNullable(pinned.poll());
            oldest.ifPresent(this::release);
            return oldest.isPresent();
        }
        Node oldest = unused.removeFirst();
        pages.computeIfPresent(oldest.before, (_, behind) -> {
            behind.remove(oldest.tokens);
            return behind.isEmpty() ? null : behind;
        });
        pool.release(oldest.page);
        return true;
    }

    private static IntBuffer tokens(Sequence<?> sequence, int from, int count) {
        return IntBuffer.wrap(Arrays.copyOfRange(sequence.tokens, from, from + count));
    }
}
