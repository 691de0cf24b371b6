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
 * Full pages of keys and values by the tokens that made them, so that sequences with a common beginning compute it
 * once. A page depends on all tokens before it: its key is the page before and its own tokens, which are compared, not
 * only hashed. Exact, since keys and values have the same bits however they were computed. Not thread-safe.
 */
final class PrefixCache {
    private static final int POSITIONS = PagePool.POSITIONS;

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
    }

    private final PagePool pool;
    private final long most; // pages
    private final Map<Key, Node> nodes = new LinkedHashMap<>(16, 0.75f, true); // the least recently used first

    PrefixCache(PagePool pool, long bytes) {
        this.pool = pool;
        this.most = bytes / pool.pageBytes();
    }

    /**
     * The known pages at the beginning of a sequence.
     *
     * @param length of the tokens that may come from them
     */
    List<Node> find(Sequence<?> sequence, int length) {
        List<Node> chain = new ArrayList<>();
        for (Object before = sequence.root; (chain.size() + 1) * POSITIONS <= length; before = chain.getLast()) {
            Node node = nodes.get(key(before, sequence.tokens(), chain.size()));
            if (node == null) {
                break;
            }
            chain.add(node);
        }
        touch(chain);
        return chain;
    }

    /** Adds the full pages of a cache that are not in its chain yet. */
    void add(Sequence<?> sequence) {
        List<Node> chain = sequence.shared;
        int known = chain.size();
        while (keeps()
                && (chain.isEmpty() || chain.getLast().equals(nodes.get(chain.getLast().key)))
                && (chain.size() + 1) * POSITIONS <= sequence.cache.length()) {
            Object before = chain.isEmpty() ? sequence.root : chain.getLast();
            Key key = key(before, sequence.tokens(), chain.size());
            int page = chain.size();
            chain.add(nodes.computeIfAbsent(key, _ -> new Node(key, sequence.cache.share(page))));
        }
        if (chain.size() > known) {
            touch(chain);
        }
        while (nodes.size() > most) {
            evict(nodes.values().iterator().next());
        }
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
        int from = page * POSITIONS;
        return new Key(before, IntBuffer.wrap(Arrays.copyOfRange(tokens, from, from + POSITIONS)));
    }
}
