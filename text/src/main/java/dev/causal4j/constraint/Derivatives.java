package dev.causal4j.constraint;

import dev.causal4j.constraint.Term.Node;
import java.util.ArrayList;
import java.util.List;

/** Finds out what can follow a byte in the texts of a term (Brzozowski 1964). Not thread-safe. */
final class Derivatives {
    private final Terms terms;
    private final Memo<List<Term>, Term> unions; // of derivatives; many are alike
    private final Memo<List<Term>, Term> intersections;

    Derivatives(Terms terms) {
        this.terms = terms;
        unions = new Memo<>(list -> terms.or(kept(list)));
        intersections = new Memo<>(list -> terms.and(kept(list)));
    }

    /** The derivative of a term that is made so. */
    Term of(Node node, int b) {
        return switch (node) {
            case Node.Empty unused -> terms.never;
            case Node.Set(Bytes bytes) -> bytes.has(b) ? terms.empty : terms.never;
            case Node.Literals literals -> following(literals, b);
            case Node.Concat(Term head, Term tail) -> {
                Term rest = terms.concat(terms.derivative(head, b), tail);
                yield head.nullable ? terms.or(following(rest, tail, b)) : rest;
            }
            case Node.Or(List<Term> options) -> unions.of(each(options, b));
            case Node.And(List<Term> parts) -> intersections.of(each(parts, b));
            case Node.Not(Term inner) -> terms.not(terms.derivative(inner, b));
            case Node.Machine(StateMachine state) -> {
                StateMachine next = state.next(b);
                yield next == null ? terms.never : terms.machine(next);
            }
            case Node.Repeat(Term inner, int least, int most) ->
                terms.concat(
                        terms.derivative(inner, b),
                        terms.repeat(inner, Math.max(least - 1, 0), most == Terms.UNBOUNDED ? most : most - 1));
        };
    }

    /** The derivatives of a sequence whose first part may be empty: {@code first}, then those of its later parts. */
    private List<Term> following(Term first, Term after, int b) {
        List<Term> all = new ArrayList<>(List.of(first));
        Term rest = after;
        for (; rest.node instanceof Node.Concat(Term head, Term tail) && head.nullable; rest = tail) {
            all.add(terms.concat(terms.derivative(head, b), tail));
        }
        all.add(terms.derivative(rest, b));
        return all;
    }

    private List<Term> kept(List<Term> list) {
        terms.budget().keep(100 + 4L * list.size());
        return list;
    }

    private List<Term> each(List<Term> all, int b) {
        terms.budget().spend(all.size());
        return all.stream().map(term -> terms.derivative(term, b)).toList();
    }

    private Term following(Node.Literals literals, int b) {
        int from = literals.firstAbove(b - 1, literals.from());
        return terms.literals(literals.texts(), from, literals.firstAbove(b, from), literals.depth() + 1);
    }
}
