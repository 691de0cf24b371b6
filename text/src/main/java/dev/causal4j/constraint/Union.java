package dev.causal4j.constraint;

import dev.causal4j.constraint.Term.Node;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Stream;

/** Makes unions of terms in simple form: without it the derivatives of a term would be too many. Not thread-safe. */
final class Union {
    private static final int MOST_COMPARED = 64; // options, each with each
    private static final int DEEPEST = 30; // heads that options share and are joined by
    private static final int OPTION_STEPS = 4;
    private static final int PAIR_BYTES = 120;

    private final Terms terms;
    private final Map<Set<Node.Literals>, Term> joined = new HashMap<>(); // as equal lists of texts are not known
    private final Map<Long, Boolean> made = new HashMap<>(); // whether a term is of units, by both
    private int depth;

    Union(Terms terms) {
        this.terms = terms;
    }

    /** Any of the options. Options that begin alike are joined, and options that another contains are dropped. */
    Term of(Collection<Term> options) {
        terms.budget().spend(OPTION_STEPS * (long) options.size());
        Map<Term, Term> tails = new LinkedHashMap<>(); // by head
        List<Node.Literals> lists = new ArrayList<>();
        Bytes bytes = gather(options, tails, lists);
        boolean ends = tails.remove(terms.empty) != null;
        if (!bytes.isEmpty()) {
            tails.merge(terms.set(bytes), terms.empty, this::either);
        }
        if (!lists.isEmpty()) {
            tails.merge(joinLists(lists), terms.empty, this::either);
        }
        List<Term> parts = new ArrayList<>();
        joinRepeats(tails).forEach((head, tail) -> parts.add(terms.concat(head, tail)));
        if (ends && parts.stream().noneMatch(part -> part.nullable)) {
            parts.add(terms.empty);
        }
        if (parts.size() <= MOST_COMPARED) {
            List.copyOf(parts).forEach(part -> dropWhatComesTo(part, parts));
        }
        return parts.contains(terms.all) ? terms.all : terms.unite(parts);
    }

    /** Drops parts, and ends after any number of something, whose texts are all made of it and of another end. */
    private void dropWhatComesTo(Term part, List<Term> parts) {
        Term head = part.node instanceof Node.Concat(Term begin, Term unused) ? begin : part;
        Term tail = part.node instanceof Node.Concat(Term unused, Term end) ? end : terms.empty;
        List<Term> ends = tail.node instanceof Node.Or(List<Term> options) ? options : List.of(tail);
        if (!(Terms.isStar(head) && head.node instanceof Node.Repeat(Term unit, int least, int most))
                || ends.size() > MOST_COMPARED
                || !parts.contains(part)) {
            return;
        }
        terms.budget().spend((long) ends.size() * (parts.size() + ends.size()));
        parts.removeIf(other -> other != part && ends.stream().anyMatch(end -> comesTo(other, unit, end)));
        List<Term> kept = ends.stream()
                .filter(each -> ends.stream().noneMatch(end -> end != each && comesTo(each, unit, end)))
                .toList();
        if (kept.size() < ends.size()) {
            parts.set(parts.indexOf(part), terms.concat(head, terms.unite(kept)));
        }
    }

    /** Either of two tails of one head: so deep they stay as they are, which recursion could not follow. */
    private Term either(Term a, Term b) {
        if (a == b || depth == DEEPEST) {
            return a == b
                    ? a
                    : terms.unite(Stream.of(a, b).flatMap(Union::options).toList());
        }
        depth++;
        try {
            return terms.or(a, b);
        } finally {
            depth--;
        }
    }

    private static Stream<Term> options(Term term) {
        return term.node instanceof Node.Or(List<Term> options) ? options.stream() : Stream.of(term);
    }

    /** Adds options by their heads; returns the bytes that are options themselves. */
    private Bytes gather(Collection<Term> options, Map<Term, Term> tails, List<Node.Literals> lists) {
        Bytes bytes = Bytes.NONE;
        for (Term option : options) {
            switch (option.node) {
                case Node.Or(List<Term> inner) -> {
                    terms.budget().spend(inner.size());
                    bytes = bytes.or(gather(inner, tails, lists));
                }
                case Node.Concat(Term head, Term tail) -> tails.merge(head, tail, this::either);
                case Node.Literals literals -> lists.add(literals);
                case Node.Set(Bytes set) -> bytes = bytes.or(set);
                default -> tails.merge(option, terms.empty, this::either);
            }
        }
        return bytes;
    }

    private Term joinLists(List<Node.Literals> lists) {
        Node.Literals largest = Collections.max(lists, Comparator.comparingInt(Node.Literals::size));
        if (lists.stream().allMatch(list -> has(largest, list))) {
            return terms.of(largest);
        }
        return joined.computeIfAbsent(Set.copyOf(lists), unused -> {
            List<byte[]> texts = new ArrayList<>();
            for (Node.Literals list : lists) {
                for (byte[] text : Arrays.asList(list.texts()).subList(list.from(), list.to())) {
                    texts.add(Arrays.copyOfRange(text, list.depth(), text.length));
                }
            }
            return terms.literals(texts);
        });
    }

    private boolean has(Node.Literals all, Node.Literals some) {
        terms.budget().spend((all.size() + some.size()) / 4);
        return all.has(some);
    }

    /** Makes one repetition of two whose counts touch. */
    private Map<Term, Term> joinRepeats(Map<Term, Term> tails) {
        record Kind(Term unit, Term tail) {}
        Map<Term, Term> joined = new LinkedHashMap<>(tails);
        Map<Kind, Node.Repeat> known = new HashMap<>(); // the one with the highest count so far
        List<Term> heads = new ArrayList<>(tails.keySet());
        heads.removeIf(head -> !(head.node instanceof Node.Repeat));
        heads.sort(Comparator.comparingInt(head -> ((Node.Repeat) head.node).least()));
        for (Term head : heads) {
            Node.Repeat next = (Node.Repeat) head.node;
            Kind kind = new Kind(next.term(), Objects.requireNonNull(tails.get(head)));
            Node.Repeat last = known.put(kind, next);
            if (last != null && next.least() - 1 <= last.most()) {
                Node.Repeat both = new Node.Repeat(kind.unit, last.least(), Math.max(last.most(), next.most()));
                joined.remove(terms.of(last));
                joined.remove(head);
                joined.merge(terms.of(both), kind.tail, this::either);
                known.put(kind, both);
            }
        }
        return joined;
    }

    /** Whether a term is plainly made of the unit, and of a tail after it. */
    private boolean comesTo(Term term, Term unit, Term tail) {
        Term rest = term;
        while (rest != tail && rest.node instanceof Node.Concat(Term head, Term end) && within(head, unit)) {
            terms.budget().spend(1);
            rest = end;
        }
        return rest == tail || (tail == terms.empty && within(rest, unit));
    }

    /** Whether a term is plainly made of the unit alone. */
    boolean within(Term term, Term unit) {
        long pair = Terms.pair(term.id, unit.id);
        Boolean known = made.get(pair);
        if (known == null) {
            terms.budget().keep(PAIR_BYTES);
            known = isPlainlyIn(term, unit)
                    || switch (term.node) {
                        case Node.Empty unused -> true;
                        case Node.Concat(Term head, Term tail) ->
                            within(head, unit) && comesTo(tail, unit, terms.empty);
                        case Node.Or(List<Term> options) -> options.stream().allMatch(each -> within(each, unit));
                        case Node.And(List<Term> parts) -> parts.stream().anyMatch(each -> within(each, unit));
                        case Node.Repeat(Term inner, int least, int most) -> within(inner, unit);
                        default -> false;
                    };
            made.put(pair, known);
        }
        return known;
    }

    /** Whether the texts of a term are some of another's, option by option and part by part. */
    private boolean isPlainlyIn(Term term, Term other) {
        terms.budget().spend(1);
        Term some = term;
        Term all = other;
        while (some != all
                && some.node instanceof Node.Concat(Term first, Term rest)
                && all.node instanceof Node.Concat(Term head, Term tail)) {
            if (!isPlainlyIn(first, head)) {
                return false;
            }
            some = rest;
            all = tail;
        }
        return some == all || isPlainlyOneOf(some, all);
    }

    private boolean isPlainlyOneOf(Term term, Term other) {
        if (term.node instanceof Node.Or(List<Term> options)) {
            return options.stream().allMatch(each -> isPlainlyIn(each, other));
        }
        return switch (other.node) {
            case Node.Or(List<Term> options) -> options.stream().anyMatch(each -> isPlainlyIn(term, each));
            case Node.Set(Bytes all) ->
                term.node instanceof Node.Set(Bytes some) && some.and(all).equals(some);
            case Node.Literals all -> term.node instanceof Node.Literals some && has(all, some);
            default -> false;
        };
    }
}
