package dev.causal4j.constraint;

import dev.causal4j.constraint.Term.Life;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Finds out which terms have a text, by a search over their derivatives. Not thread-safe. */
final class Liveness {
    private static final int NEAR = 64; // bytes of a text that is looked for first

    private final Terms terms;

    Liveness(Terms terms) {
        this.terms = terms;
    }

    /** Whether any text belongs to a term. */
    boolean of(Term term) {
        if (term.plain) {
            return term != terms.never;
        }
        if (term.life == Life.UNKNOWN) {
            search(term);
        }
        return term.life == Life.LIVE;
    }

    /** Looks for a derivative that has a text; what it finds holds for all on the way. */
    private void search(Term start) {
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
    }

    /** Depth first, at most so deep: counts up to some thousands would lead far away from a text that is near. */
    private @Nullable Term search(Term start, int deepest, Map<Term, @Nullable Term> before) {
        Deque<Term> open = new ArrayDeque<>();
        Deque<Integer> depths = new ArrayDeque<>();
        before.put(start, null);
        open.push(start);
        depths.push(0);
        Term found = isPlainlyLive(start) ? start : null;
        while (found == null && !open.isEmpty()) {
            Term term = open.pop();
            int depth = depths.pop() + 1;
            for (int i = 0; i < term.classes.count() && found == null && depth <= deepest; i++) {
                Term next = terms.derivative(term, term.classes.first(i));
                if (next != terms.never && next.life != Life.DEAD && !before.containsKey(next)) {
                    before.put(next, term);
                    open.push(next);
                    depths.push(depth);
                    found = isPlainlyLive(next) ? next : null;
                }
            }
        }
        return found;
    }

    private boolean isPlainlyLive(Term term) {
        return term.nullable || term.life == Life.LIVE || (term.plain && term != terms.never);
    }
}
