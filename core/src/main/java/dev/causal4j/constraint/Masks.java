package dev.causal4j.constraint;

import dev.causal4j.constraint.Configuration.Member;
import dev.causal4j.constraint.Term.Node;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;

/**
 * Finds the tokens that can follow, by a walk of the vocabulary. Slices of the vocabulary of which every token can
 * follow are added whole. Not thread-safe.
 */
final class Masks {
    private static final long MOST_BYTES = 16 << 20;
    private static final int PAIR_NODES = 20; // of a walk of a slice, which take as long as a pair of terms

    private final Automaton automaton;
    private final Terms terms;
    private final Lexicon lexicon;
    private final Containment containment;
    private final Horizon horizon;
    private final List<Part> parts = new ArrayList<>(); // of the vocabulary: the slices, then the rest
    private final Map<Configuration, Allowed> known = new LinkedHashMap<>(16, 0.75f, true);
    private final Map<Term, Boolean> contents = new HashMap<>(); // whether all characters of slices belong to it
    private final Configuration[] path;

    /** Bytes that a walk puts behind a text. */
    final int deepest;

    private @Nullable Allowed first;
    private @Nullable Term character;
    private long bytes;

    /**
     * Tokens that can follow.
     *
     * @param slices those that are added whole, as bits
     * @param tokens others; as a mask if they are many
     */
    private record Allowed(int slices, int[] tokens, long[] mask) {
        long bytes() {
            return 100 + 4L * tokens.length + 8L * mask.length;
        }
    }

    /**
     * A part of the vocabulary.
     *
     * @param most characters of a token of a slice; -1 for what is none
     * @param horizon of its tokens
     * @param covered whether all its tokens can follow, by term
     */
    private record Part(Trie trie, int most, Horizon horizon, Map<Term, Boolean> covered) {}

    Masks(Automaton automaton, Lexicon lexicon) {
        this.automaton = automaton;
        this.terms = automaton.terms;
        this.lexicon = lexicon;
        this.containment = new Containment(terms);
        this.horizon = new Horizon(terms, containment, lexicon.longest);
        this.deepest = Math.max(lexicon.longest, lexicon.first == null ? 0 : lexicon.first.height);
        this.path = new Configuration[1 + deepest];
        lexicon.slices.forEach(slice -> parts.add(part(slice.trie(), slice.most())));
        parts.add(part(lexicon.rest, -1));
    }

    private Part part(Trie trie, int most) {
        return new Part(trie, most, new Horizon(terms, containment, trie.height), new HashMap<>());
    }

    /** Sets the bits of the tokens that can follow. */
    void mask(Configuration configuration, boolean begins, long[] allowed) {
        Allowed tokens;
        if (begins && lexicon.first != null) {
            if (first == null) {
                long[] mask = new long[Math.ceilDiv(lexicon.size, Long.SIZE)];
                walk(lexicon.first, configuration, mask);
                first = allowed(configuration, 0, mask);
            }
            tokens = first;
        } else {
            tokens = known(capped(configuration));
        }
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

    private Allowed known(Configuration configuration) {
        Allowed tokens = known.get(configuration);
        if (tokens == null) {
            int looks = automaton.looks;
            tokens = compute(configuration);
            if (looks != automaton.looks) {
                return tokens; // of this text alone
            }
            known.put(configuration, tokens);
            bytes += tokens.bytes();
            for (var eldest = known.values().iterator(); bytes > MOST_BYTES; eldest.remove()) {
                bytes -= eldest.next().bytes();
            }
        }
        return tokens;
    }

    /** The configuration that has the same mask, with counts that no token exceeds. */
    private Configuration capped(Configuration configuration) {
        if (configuration.capped == null) {
            configuration.capped = capped(configuration, horizon);
        }
        return configuration.capped;
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
            whole &= covers(from, part); // those behind it are of longer texts
            if (whole) {
                slices = slices << 1 | 1;
            } else {
                walk(part.trie, from, mask);
            }
        }
        return allowed(configuration, slices, mask);
    }

    private static Allowed allowed(Configuration configuration, int slices, long[] mask) {
        for (Member member : configuration.members) {
            if (member.tokens() != null) {
                add(member.tokens().ids().toLongArray(), mask);
            }
        }
        int count = LongStream.of(mask).mapToInt(Long::bitCount).sum();
        if (count > mask.length) {
            return new Allowed(slices, new int[0], mask);
        }
        int[] tokens = new int[count];
        for (int word = 0, at = 0; at < count; word++) {
            for (long bits = mask[word]; bits != 0; bits &= bits - 1) {
                tokens[at++] = word << 6 | Long.numberOfTrailingZeros(bits);
            }
        }
        return new Allowed(slices, tokens, new long[0]);
    }

    private void walk(Trie trie, Configuration start, long[] mask) {
        trie.add(0, mask);
        path[0] = start;
        int read = automaton.read;
        byte[] text = automaton.text;
        byte[] label = trie.label;
        short[] depth = trie.depth;
        int[] token = trie.token;
        for (int node = 1; node < label.length; ) {
            int at = depth[node];
            Configuration from = path[at - 1];
            int b = label[node] & 255;
            text[read + at - 1] = label[node];
            Configuration to = from.next[from.classes.of(b)];
            if (to == null) {
                automaton.read = read + at;
                to = automaton.next(from, b);
            }
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
        automaton.read = read;
    }

    private boolean covers(Configuration configuration, Part part) {
        for (Member member : configuration.members) {
            Boolean answer = part.covered.get(member.term());
            if (answer == null) {
                answer = covers(member.term(), part);
                part.covered.put(member.term(), answer);
            }
            if (answer) {
                return true;
            }
        }
        return false;
    }

    /** Whether every text of a slice begins a text of a term. */
    private boolean covers(Term term, Part part) {
        if (part.most <= 0) {
            return part.most == 0;
        }
        Term head = term.node instanceof Node.Concat(Term begin, Term _) ? begin : term;
        if (head.node instanceof Node.Repeat(Term unit, int _, int most)
                && most >= part.most
                && contents.computeIfAbsent(unit, each -> containment.contains(each, character()))) {
            return true;
        }
        return containment.follows(term, character(), part.most, part.trie.label.length / PAIR_NODES);
    }

    private Term character() {
        if (character == null) {
            character = terms.characters(Lexicon.CONTENT, Spelling.RAW);
        }
        return character;
    }

    long bytes() {
        return bytes;
    }

    /** Forgets what belongs to configurations. */
    void forget() {
        known.clear();
        parts.forEach(part -> {
            part.horizon.forget();
            part.covered.clear();
        });
        contents.clear();
        containment.forget();
        horizon.forget();
        bytes = 0;
    }
}
