package dev.causal4j.constraint;

import dev.causal4j.constraint.Term.Life;
import dev.causal4j.constraint.Term.Node;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Decides which terms have a text: by their parts if these show it, else by their derivatives. Not thread-safe. */
record Liveness(Terms terms) {
    private static final int NEAR = 64; // bytes of a text that is looked for first

    /** Whether any text belongs to a term. */
    boolean of(Term term) {
        if (term.life == Life.UNKNOWN) {
            boolean live = isPlainlyLive(term)
                    || switch (term.node) {
                        case Node.Or(List<Term> options) -> options.stream().anyMatch(this::of);
                        case Node.Concat unused -> ofSequence(term);
                        case Node.Repeat(Term inner, int least, int most) -> of(inner);
                        default -> search(term);
                    };
            term.life = live ? Life.LIVE : Life.DEAD;
        }
        return term.life == Life.LIVE;
    }

    private boolean ofSequence(Term sequence) {
        Term rest = sequence;
        while (rest.life == Life.UNKNOWN && rest.node instanceof Node.Concat(Term head, Term tail) && of(head)) {
            terms.budget().spend(1);
            rest = tail;
        }
        return rest.node instanceof Node.Concat ? rest.life == Life.LIVE : of(rest);
    }

    /** Looks for a derivative that has a text; the result holds for all on the way. */
    private boolean search(Term start) {
        Map<Term, @Nullable Term> before = new HashMap<>();
        Term found = search(start, NEAR, before);
        if (found == null) {
            before.clear();
            found = search(start, Integer.MAX_VALUE, before);
        }
        if (found == null) {
            before.keySet().forEach(term -> term.life = Life.DEAD);
        }
        for (Term on = found; on != null; on = before.get(on)) {
            on.life = Life.LIVE;
        }
        return found != null;
    }

    /** Depth first, at most so deep: counts up to some thousands would lead far away from a text that is near. */
    private @Nullable Term search(Term start, int deepest, Map<Term, @Nullable Term> before) {
        Deque<Term> open = new ArrayDeque<>(List.of(start));
        Deque<Integer> depths = new ArrayDeque<>(List.of(0));
        before.put(start, null);
        while (!open.isEmpty()) {
            Term term = open.pop();
            int depth = depths.pop() + 1;
            for (int i = 0; i < term.classes.count() && depth <= deepest; i++) {
                terms.budget().spend(1);
                Term next = terms.derivative(term, term.classes.first(i));
                if (next.life != Life.DEAD && next != terms.never && !before.containsKey(next)) {
                    before.put(next, term);
                    if (isPlainlyLive(next)) {
                        return next;
                    }
                    open.push(next);
                    depths.push(depth);
                }
            }
        }
        return null;
    }

    private boolean isPlainlyLive(Term term) {
        return term.nullable
                || term.life == Life.LIVE
                || (term.plain && term != terms.never)
                || (term.node instanceof Node.Or(List<Term> options)
                        && options.stream().anyMatch(this::isPlainlyLive));
    }
}
