package dev.causal4j.generation;

import dev.causal4j.decoder.KVCache;
import dev.causal4j.decoder.PagePool;
import java.nio.IntBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Pages of keys and values by the tokens that made them, so that sequences with a common beginning compute it once: full
 * ones, and the last of a sequence that has ended. Where a page begins as a sequence goes on, that takes the part. A page depends on all tokens before it: its key is the page before and its own tokens, which are compared, not
 * only hashed. Exact, since keys and values have the same bits however they were computed. Not thread-safe.
 */
final class PrefixCache {
    private static final int POSITIONS = PagePool.POSITIONS;

    /** Fewest tokens for which a page is copied. */
    private static final int LEAST = 8;

    /** @param before the node of the page before, or what all pages of a chain have in common */
    private record Key(Object before, IntBuffer tokens) {}

    /** A page in a chain; equal to itself alone. */
    static final class Node {
        private final Key key;
        final KVCache.Page page;

        private Node(Key key, KVCache.Page page) {
            this.key = key;
            this.page = page;
        }

        /** How many tokens of a sequence it has, from a page on. */
        int common(Sequence<?> sequence, int page, int length) {
            int most = Math.min(length - page * POSITIONS, key.tokens.limit());
            int differs = tokens(sequence.tokens(), page, most).mismatch(key.tokens.slice(0, most));
            return differs < 0 ? most : differs;
        }
    }

    private final PagePool pool;
    private final long most; // pages
    private final Map<Key, Node> nodes = new LinkedHashMap<>(16, 0.75f, true); // the least recently used first

    PrefixCache(PagePool pool, long bytes) {
        this.pool = pool;
        this.most = bytes / pool.pageBytes();
    }

    /** Gives a sequence, whose cache is empty, what is known of its beginning but for its wanted rows. */
    void begin(Sequence<?> sequence) {
        int usable = sequence.known() - sequence.wanted(0, sequence.known());
        List<Node> chain = sequence.shared;
        Object before = sequence.root;
        for (Node node; (chain.size() + 1) * POSITIONS <= usable; before = node) {
            node = nodes.get(key(before, sequence.tokens(), chain.size()));
            if (node == null) {
                break;
            }
            chain.add(node);
        }
        int full = chain.size();
        List<KVCache.Page> pages =
                new ArrayList<>(chain.stream().map(node -> node.page).toList());
        int more = 0;
        Node part = null;
        for (Node node : nodes.values()) {
            int common = node.key.before.equals(before) ? node.common(sequence, full, usable) : 0;
            if (common >= Math.max(LEAST, more + 1)) {
                more = common;
                part = node;
            }
        }
        if (part != null) {
            pages.add(part.page);
            nodes.get(part.key);
        }
        touch(chain);
        sequence.cache.adopt(pages, full * POSITIONS + more);
    }

    /** Adds the last page of a sequence that has ended, if it is not full. */
    void addRest(Sequence<?> sequence) {
        int known = sequence.shared.size();
        int rest = sequence.cache.length() - known * POSITIONS;
        if (keeps() && rest >= LEAST && rest < POSITIONS && isKept(sequence.shared)) {
            Object before = known == 0 ? sequence.root : sequence.shared.getLast();
            Key key = new Key(before, tokens(sequence.tokens(), known, rest));
            nodes.computeIfAbsent(key, _ -> new Node(key, sequence.cache.share(known)));
            touch(sequence.shared);
            shrink();
        }
    }

    /** Whether the last page of a chain, and so all, are still there. */
    private boolean isKept(List<Node> chain) {
        return chain.isEmpty() || chain.getLast().equals(nodes.get(chain.getLast().key));
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
        while (keeps() && isKept(chain) && (chain.size() + 1) * POSITIONS <= sequence.cache.length()) {
            Object before = chain.isEmpty() ? sequence.root : chain.getLast();
            Key key = key(before, sequence.tokens(), chain.size());
            int page = chain.size();
            chain.add(nodes.computeIfAbsent(key, _ -> new Node(key, sequence.cache.share(page))));
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
        pool.release(node.page);
    }

    /** Whether it keeps any pages. */
    boolean keeps() {
        return most > 0;
    }

    private static Key key(Object before, int[] tokens, int page) {
        return new Key(before, tokens(tokens, page, POSITIONS));
    }

    private static IntBuffer tokens(int[] tokens, int page, int count) {
        int from = page * POSITIONS;
        return IntBuffer.wrap(Arrays.copyOfRange(tokens, from, from + count));
    }
}
