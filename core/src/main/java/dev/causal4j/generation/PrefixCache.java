package dev.causal4j.generation;

import dev.causal4j.decoder.KVCache;
import dev.causal4j.decoder.PagePool;
import dev.causal4j.head.Prediction;
import java.nio.IntBuffer;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Pages of keys and values by the tokens that made them, so that sequences with a common beginning compute it once: full
 * ones, and the last of a sequence that has ended. Where a page begins as a sequence goes on, that takes the part. A page
 * depends on all tokens before it: its key is the page before and its own tokens, which are compared, not only hashed.
 * With a page are the predictions of its tokens, once they were scored. Exact, since all these have the same bits however
 * they were computed. Not thread-safe.
 */
final class PrefixCache {
    private static final int POSITIONS = PagePool.POSITIONS;

    /** Fewest tokens for which a page is copied. */
    static final int LEAST = 8;

    /** Most alternatives of a prediction that is kept. */
    static final int MOST_ALTERNATIVES = 20;

    /** Of the predictions of a page at most: 32 for a candidate and for a prediction, 120 for a list. */
    static final int PREDICTION_BYTES = POSITIONS * (32 * MOST_ALTERNATIVES + 32 + 120);

    /** @param before the node of the page before, or what all pages of a chain have in common */
    private record Key(Object before, IntBuffer tokens) {}

    /** A page in a chain; equal to itself alone. */
    static final class Node {
        private final Key key;
        private final KVCache.Page page;
        private final @Nullable Prediction[] predictions = new Prediction[POSITIONS]; // of its tokens
        private boolean isKept = true;

        private Node(Key key, KVCache.Page page) {
            this.key = key;
            this.page = page;
        }

        /** How many tokens of a sequence it has, from one of them on, with the predictions that it wants; 0 for a few. */
        private int common(Sequence<?> sequence, int from) {
            int most = Math.min(sequence.known() - from, key.tokens.limit());
            if (most < LEAST || key.tokens.get(LEAST - 1) != sequence.tokens()[from + LEAST - 1]) {
                return 0; // as most nodes, which are many
            }
            int differs = IntBuffer.wrap(sequence.tokens(), from, most).mismatch(key.tokens.slice(0, most));
            int equal = differs < 0 ? most : differs;
            return IntStream.range(0, equal)
                    .filter(i -> !sequence.takes(from + i, predictions[i]))
                    .findFirst()
                    .orElse(equal);
        }

        private static boolean isMore(Prediction made, @Nullable Prediction known) {
            return known == null
                    || made.alternatives().size() > known.alternatives().size();
        }

        private void keepPredictions(Sequence<?> sequence, int from) {
            for (int i = 0; i < key.tokens.limit(); i++) {
                Prediction made = sequence.prediction(from + i);
                if (made != null && made.alternatives().size() <= MOST_ALTERNATIVES && isMore(made, predictions[i])) {
                    predictions[i] = made;
                }
            }
        }
    }

    private final PagePool pool;
    private volatile long most; // pages
    private final Map<Key, Node> nodes = new LinkedHashMap<>(16, 0.75f, true); // the least recently used first

    PrefixCache(PagePool pool, long bytes) {
        this.pool = pool;
        this.most = bytes / (pool.pageBytes() + PREDICTION_BYTES);
    }

    /** Keeps at least so many pages from now on. May be called by any thread. */
    synchronized void keep(long pages) {
        most = Math.max(most, pages);
    }

    /** Gives a sequence, whose cache is empty, what is known of its beginning. */
    void begin(Sequence<?> sequence) {
        List<Node> chain = sequence.shared;
        Object before = sequence.root;
        int full = 0; // tokens
        for (Node node; full + POSITIONS <= sequence.known(); before = node, full += POSITIONS) {
            node = nodes.get(new Key(before, tokens(sequence, full, POSITIONS)));
            if (node == null || node.common(sequence, full) < POSITIONS) {
                break;
            }
            chain.add(node);
        }
        Object last = before;
        int from = full;
        int part = nodes.values().stream()
                .filter(node -> node.common(sequence, from) >= LEAST && node.key.before.equals(last))
                .max(Comparator.comparingInt(node -> node.common(sequence, from)))
                .map(node -> {
                    chain.add(node);
                    return node.common(sequence, from);
                })
                .orElse(0);
        int common = full + part;
        for (int i = 0; i < common; i++) {
            sequence.take(i, chain.get(i / POSITIONS).predictions[i % POSITIONS]);
        }
        touch(chain);
        // What the last row predicts is not known; if it is wanted, the row is computed again.
        int length = common == 0 ? 0 : common - sequence.wanted(common - 1, common);
        sequence.cache.adopt(
                chain.stream()
                        .limit(PagePool.needed(length))
                        .map(node -> node.page)
                        .toList(),
                length);
        chain.subList(length / POSITIONS, chain.size()).clear();
    }

    /** Adds the last page of a sequence that has ended, if it is not full. */
    void addRest(Sequence<?> sequence) {
        int rest = sequence.cache.length() - sequence.shared.size() * POSITIONS;
        if (keeps(sequence) && rest >= LEAST && rest < POSITIONS && isKept(sequence.shared)) {
            keep(sequence, rest);
            touch(sequence.shared);
            shrink();
        }
    }

    /** Keeps the first page of a sequence that is not in its chain yet, of which so many positions are computed. */
    private Node keep(Sequence<?> sequence, int positions) {
        int page = sequence.shared.size();
        Object before = page == 0 ? sequence.root : sequence.shared.getLast();
        Key key = new Key(before, tokens(sequence, page * POSITIONS, positions));
        Node node = nodes.computeIfAbsent(key, _ -> new Node(key, sequence.cache.share(page)));
        node.keepPredictions(sequence, page * POSITIONS);
        return node;
    }

    /** Whether all pages of a chain are still there. Looking them up would make them the newest. */
    private static boolean isKept(List<Node> chain) {
        return chain.stream().allMatch(node -> node.isKept);
    }

    private void shrink() {
        while (nodes.size() > most) {
            evict(nodes.values().iterator().next());
        }
    }

    /** Adds the full pages of a cache that are not in its chain yet. */
    void add(Sequence<?> sequence) {
        List<Node> chain = sequence.shared;
        int known = chain.size();
        while ((chain.size() + 1) * POSITIONS <= sequence.cache.length() && keeps(sequence) && isKept(chain)) {
            chain.add(keep(sequence, POSITIONS));
        }
        if (chain.size() > known) {
            touch(chain);
        }
        shrink();
    }

    /** The last first, so that a page is always older than the one before it, and the oldest has none after it. */
    private void touch(List<Node> chain) {
        chain.reversed().forEach(node -> nodes.get(node.key));
    }

    /** Gives the oldest page back that no sequence holds; false if there is none. */
    boolean evict() {
        Optional<Node> oldest =
                nodes.values().stream().filter(node -> !pool.isHeld(node.page)).findFirst();
        oldest.ifPresent(this::evict);
        return oldest.isPresent();
    }

    private void evict(Node node) {
        nodes.remove(node.key);
        node.isKept = false;
        pool.release(node.page);
    }

    /** Whether it keeps the pages of a sequence. */
    boolean keeps(Sequence<?> sequence) {
        return most > 0 && sequence.salt.isPresent();
    }

    private static IntBuffer tokens(Sequence<?> sequence, int from, int count) {
        return IntBuffer.wrap(Arrays.copyOfRange(sequence.tokens(), from, from + count));
    }
}
