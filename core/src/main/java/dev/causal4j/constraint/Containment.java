package dev.causal4j.constraint;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Compares the texts of terms by walking both at once. Gives up early: its answers only save work. Not thread-safe. */
final class Containment {
    private static final int MOST_PAIRS = 1000; // more take longer than a walk of the vocabulary

    private final Terms terms;
    private final Map<Term, Map<Term, Boolean>> answers = new HashMap<>(); // by both terms

    Containment(Terms terms) {
        this.terms = terms;
    }

    /** Whether all texts of a term are texts of another; what it finds holds for what can follow their beginnings. */
    boolean contains(Term term, Term part) {
        Map<Term, Boolean> known = answers.computeIfAbsent(term, _ -> new HashMap<>());
        Boolean answer = known.get(part);
        if (answer == null) {
            Set<Term> same = new HashSet<>();
            answer = (!part.nullable || term.nullable) && follows(term, part, true, same);
            known.put(part, answer);
            if (answer) {
                same.forEach(each -> known.put(each, true));
            }
        }
        return answer;
    }

    /**
     * Whether every beginning of a text of {@code part} begins a text of a term.
     *
     * @param whole whether every whole text must be a text of the term too
     */
    boolean follows(Term term, Term part, boolean whole) {
        return follows(term, part, whole, new HashSet<>());
    }

    /** @param same receives parts behind which the term is the same again */
    private boolean follows(Term term, Term part, boolean whole, Set<Term> same) {
        Set<Long> seen = new HashSet<>();
        Deque<Term> open = new ArrayDeque<>(List.of(term, part)); // pairs
        while (!open.isEmpty()) {
            Term from = open.pop();
            Term of = open.pop();
            ByteClasses classes = terms.and(from.classes, of.classes);
            for (int i = 0; i < classes.count(); i++) {
                Term text = terms.derivative(of, classes.first(i));
                if (text != terms.never) {
                    Term rest = terms.derivative(from, classes.first(i));
                    boolean ends = !terms.live(rest) || (whole && text.nullable && !rest.nullable);
                    if (ends || seen.size() > MOST_PAIRS) {
                        return false;
                    }
                    if (seen.add((long) rest.id << 32 | text.id)) {
                        open.push(text);
                        open.push(rest);
                        if (rest == term) {
                            same.add(text);
                        }
                    }
                }
            }
        }
        return true;
    }

    void forget() {
        answers.clear();
    }
}
