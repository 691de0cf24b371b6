package dev.causal4j.constraint;

import dev.causal4j.constraint.Term.Node;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Makes terms equal that no text of at most so many bytes tells apart: counts beyond it, and bounds of a length that do
 * not matter before. Not thread-safe.
 */
final class Horizon {
    private static final int FAR = 1 << 29; // bytes; farther is not told apart

    private final Terms terms;
    private final Containment containment;
    private final int bytes;
    private final Map<Term, Term> capped = new HashMap<>();
    private final Map<Term, Integer> farthest = new HashMap<>();

    Horizon(Terms terms, Containment containment, int bytes) {
        this.terms = terms;
        this.containment = containment;
        this.bytes = bytes;
    }

    /** A term that as many bytes do not tell from another. */
    Term capped(Term term) {
        Term known = capped.get(term);
        if (known == null) {
            known = switch (term.node) {
                case Node.Concat(Term head, Term tail) -> terms.concat(capped(head), capped(tail));
                case Node.Or(List<Term> options) ->
                    terms.or(options.stream().map(this::capped).toList());
                case Node.Repeat(Term inner, int least, int most) ->
                    terms.repeat(
                            inner,
                            Math.min(least, bytes + 1),
                            most == Terms.UNBOUNDED ? most : Math.min(most, bytes + 1));
                case Node.And(List<Term> parts)
                when parts.size() == 2 ->
                    unbounded(unbounded(term, parts.get(0), parts.get(1)), parts.get(1), parts.get(0));
                default -> term;
            };
            capped.put(term, known);
        }
        return known;
    }

    /**
     * The part with the least length alone, if the bound is one that no text reaches: behind as many bytes, and behind the
     * least length, there is room for the shortest end of the part.
     */
    private Term unbounded(Term both, Term part, Term bound) {
        if (bound.node instanceof Node.Repeat(Term unit, int least, int most)
                && part.plain
                && most >= Math.max(bytes, least) + farthest(part)
                && containment.contains(terms.repeat(unit, 0, Terms.UNBOUNDED), part)) {
            return terms.and(capped(part), terms.repeat(unit, Math.min(least, bytes + 1), Terms.UNBOUNDED));
        }
        return both;
    }

    /** At least the bytes of the shortest end of any beginning of a text. */
    private int farthest(Term term) {
        Integer known = farthest.get(term);
        if (known == null) {
            known = (int) Math.min(
                    FAR,
                    switch (term.node) {
                        case Node.Empty _ -> 0L;
                        case Node.Set _ -> 1L;
                        case Node.Literals(byte[][] texts, int from, int to, int depth) -> {
                            long longest = 0;
                            for (int i = from; i < to; i++) {
                                longest = Math.max(longest, texts[i].length - depth);
                            }
                            yield longest;
                        }
                        case Node.Concat(Term head, Term tail) -> (long) farthest(head) + farthest(tail);
                        case Node.Or(List<Term> options) ->
                            options.stream().mapToLong(this::farthest).max().orElse(0);
                        case Node.Repeat(Term inner, int least, int _) -> (long) farthest(inner) * Math.max(least, 1);
                        case Node.And _, Node.Not _, Node.Machine _ -> (long) FAR;
                    });
            farthest.put(term, known);
        }
        return known;
    }

    void forget() {
        capped.clear();
        farthest.clear();
    }
}
