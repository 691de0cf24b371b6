package dev.causal4j.constraint;

import dev.causal4j.constraint.Configuration.Member;
import dev.causal4j.constraint.Term.Node;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Finds the tokens that can follow, by a walk of the vocabulary. Slices of the vocabulary of which every token can
 * follow are added whole. Not thread-safe.
 */
final class Masks {
    private static final int PAIR_NODES = 20; // trie nodes that cost as much as one pair in follows
    private static final int PAIR_STEPS = 2;
    private static final int STEP_NODES = 32; // of a walk through known transitions

    private final Automaton automaton;
    private final Terms terms;
    private final Lexicon lexicon;
    private final Term character; // of slices
    private final Horizon horizon;
    private final List<Part> parts = new ArrayList<>(); // of the vocabulary: the slices, then the rest
    private final Configuration[] path;

    private volatile @Nullable Allowed first;

    /**
     * Tokens that can follow. Not changed, so that many sequences read them.
     *
     * @param slices those that are added whole, as bits
     * @param tokens others; as a mask if they are many
     */
    record Allowed(int slices, int[] tokens, long[] mask) {}

    /**
     * A part of the vocabulary.
     *
     * @param horizon of its tokens
     * @param covered whether all its tokens can follow, by term
     */
    private record Part(Trie trie, Horizon horizon, Memo<Term, Boolean> covered) {}

    Masks(Automaton automaton, Lexicon lexicon) {
        this.automaton = automaton;
        this.terms = automaton.terms;
        this.lexicon = lexicon;
        this.character = terms.characters(Lexicon.CONTENT, Spelling.RAW);
        this.horizon = new Horizon(terms, lexicon.longest);
        int deepest = Math.max(lexicon.longest, lexicon.first == null ? 0 : lexicon.first.height);
        this.path = new Configuration[1 + deepest];
        for (Lexicon.Slice slice : lexicon.slices) {
            parts.add(
                    new Part(slice.trie(), new Horizon(terms, slice.most()), new Memo<>(term -> covers(term, slice))));
        }
        parts.add(new Part(lexicon.rest, new Horizon(terms, lexicon.rest.height), new Memo<>(unused -> false)));
    }

    /** The tokens that can follow, as far as they were found; null if not. Thread-safe. */
    @Nullable
    Allowed known(Configuration configuration, boolean begins) {
        return begins && lexicon.first != null ? first : configuration.allowed;
    }

    /** The tokens that can follow. */
    Allowed find(Configuration configuration, boolean begins) {
        Allowed found = known(configuration, begins);
        if (found == null && begins && lexicon.first != null) {
            long[] mask = new long[Math.ceilDiv(lexicon.size, Long.SIZE)];
            walk(lexicon.first, configuration, mask);
            found = allowed(configuration, 0, mask);
            first = found;
        } else if (found == null) {
            Configuration capped = capped(configuration, horizon); // has the same mask: no token exceeds its counts
            found = capped.allowed == null ? compute(capped) : capped.allowed;
            capped.allowed = found;
            configuration.allowed = found;
        }
        return found;
    }

    /** Sets the bits of tokens. Thread-safe. */
    void set(Allowed tokens, long[] allowed) {
        for (int i = 0; i < lexicon.slices.size(); i++) {
            if ((tokens.slices >> i & 1) != 0) {
                add(lexicon.slices.get(i).allowed(), allowed);
            }
        }
        for (int id : tokens.tokens) {
            if (id >> 6 < allowed.length) {
                allowed[id >> 6] |= 1L << id;
            }
        }
        add(tokens.mask, allowed);
    }

    private static void add(long[] mask, long[] allowed) {
        for (int i = Math.min(mask.length, allowed.length) - 1; i >= 0; i--) {
            allowed[i] |= mask[i];
        }
    }

    private Configuration capped(Configuration configuration, Horizon horizon) {
        List<Member> members = new ArrayList<>();
        for (Member member : configuration.members) {
            members.add(new Member(horizon.capped(member.term()), member.tokens(), member.then()));
        }
        return automaton.of(members, configuration.accepts);
    }

    private Allowed compute(Configuration configuration) {
        long[] mask = new long[Math.ceilDiv(lexicon.size, Long.SIZE)];
        int slices = 0;
        boolean whole = true;
        for (Part part : parts) {
            Configuration from = capped(configuration, part.horizon);
            // Later slices have longer texts.
            whole = whole && Arrays.stream(from.members).anyMatch(member -> part.covered.of(member.term()));
            if (whole) {
                slices = slices << 1 | 1;
            } else {
                walk(part.trie, from, mask);
            }
        }
        return allowed(configuration, slices, mask);
    }

    private Allowed allowed(Configuration configuration, int slices, long[] mask) {
        BitSet tokens = BitSet.valueOf(mask);
        for (Member member : configuration.members) {
            if (member.tokens() != null) {
                tokens.or(member.tokens().ids());
            }
        }
        int count = tokens.cardinality();
        terms.budget().keep(100 + Math.min(4L * count, 8L * mask.length));
        return count > mask.length
                ? new Allowed(slices, new int[0], tokens.toLongArray())
                : new Allowed(slices, tokens.stream().toArray(), new long[0]);
    }

    private void walk(Trie trie, Configuration start, long[] mask) {
        trie.add(0, mask);
        path[0] = start;
        byte[] label = trie.label;
        int[] depth = trie.depth;
        int[] token = trie.token;
        for (int node = 1, visited = 0; node < label.length; visited++) {
            if (visited % STEP_NODES == 0) {
                terms.budget().spend(1);
            }
            int at = depth[node];
            Configuration from = path[at - 1];
            int b = label[node] & 255;
            Configuration to = automaton.next(from, b);
            if (to.isDead()) {
                node = trie.end[node];
                continue;
            }
            path[at] = to;
            if (token[node] >= 0) {
                trie.add(node, mask);
            }
            node++;
        }
    }

    /** Whether every text of a slice begins a text of a term. */
    private boolean covers(Term term, Lexicon.Slice slice) {
        Term head = withoutExceptions(term.node instanceof Node.Concat(Term begin, Term unused) ? begin : term);
        boolean free = head.node instanceof Node.Repeat(Term unit, int unused, int most)
                && most >= slice.most()
                && terms.within(character, unit);
        return free || follows(term, slice.most(), slice.trie().label.length / PAIR_NODES);
    }

    /** Strips a finite exclusion from a star: it stops no prefix. */
    private static Term withoutExceptions(Term term) {
        if (term.node instanceof Node.And(List<Term> parts)) {
            List<Term> others = parts.stream()
                    .filter(part -> !(part.node instanceof Node.Not(Term not) && not.node instanceof Node.Literals))
                    .toList();
            return others.size() == 1 && Terms.isStar(others.getFirst()) ? others.getFirst() : term;
        }
        return term;
    }

    /**
     * Whether every text of some characters begins a text of a term, found by a walk of both at once. It gives up
     * early: its answer only saves work.
     *
     * @param most how many there are
     * @param pairs of known terms, or work for new ones, before it gives up
     */
    private boolean follows(Term term, int most, int pairs) {
        record Pair(Term from, Term of) {}
        Map<Pair, Integer> left = new HashMap<>(Map.of(new Pair(term, character), most)); // characters, at most
        Deque<Pair> open = new ArrayDeque<>(left.keySet());
        long before = terms.budget().spent();
        while (!open.isEmpty()) {
            Pair pair = open.remove();
            int count = left.getOrDefault(pair, 0);
            ByteClasses classes = terms.and(pair.from.classes, pair.of.classes);
            for (int i = 0; i < classes.count(); i++) {
                Term text = terms.derivative(pair.of, classes.first(i));
                if (text != terms.never) {
                    Term rest = terms.derivative(pair.from, classes.first(i));
                    if (!terms.live(rest) || left.size() + (terms.budget().spent() - before) / PAIR_STEPS > pairs) {
                        return false;
                    }
                    boolean ends = text == terms.empty; // no character begins another
                    Pair next = new Pair(rest, ends ? character : text);
                    int more = ends ? count - 1 : count;
                    if (more > left.getOrDefault(next, 0)) {
                        left.put(next, more);
                        open.add(next);
                    }
                }
            }
        }
        return true;
    }
}
