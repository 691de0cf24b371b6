package dev.causal4j.constraint;

import dev.causal4j.constraint.Term.Node;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** Compares the texts of terms by walking both at once. Gives up early: its answers only save work. Not thread-safe. */
final class Containment {
    private static final int MOST_PAIRS = 1000;

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
            answer = (!part.nullable || term.nullable)
                    && ((Terms.isStar(term) && holds(term, part)) || follows(term, part, same));
            known.put(part, answer);
            if (answer) {
                same.forEach(each -> known.put(each, true));
            }
        }
        return answer;
    }

    /** Whether the parts of a term are texts of another, which texts of it one behind the other are. */
    private boolean holds(Term star, Term term) {
        return switch (term.node) {
            case Node.Concat(Term head, Term tail) -> contains(star, head) && contains(star, tail);
            case Node.Or(List<Term> options) -> options.stream().allMatch(each -> contains(star, each));
            case Node.Repeat(Term inner, int _, int _) -> contains(star, inner);
            default -> false;
        };
    }

    /** @param same receives parts behind which the term is the same again */
    private boolean follows(Term term, Term part, Set<Term> same) {
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
                    boolean ends = !terms.live(rest) || (text.nullable && !rest.nullable);
                    if (ends || seen.size() > MOST_PAIRS) {
                        return false;
                    }
                    if (seen.add(pair(rest, text))) {
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

    private static long pair(Term a, Term b) {
        return (long) a.id << 32 | b.id;
    }

    /**
     * Whether every text of some characters begins a text of a term.
     *
     * @param character any of the characters, of which none begins another
     * @param most how many there are
     * @param pairs that are looked at before it gives up
     */
    boolean follows(Term term, Term character, int most, int pairs) {
        Map<Long, Integer> left = new HashMap<>(Map.of(pair(term, character), most)); // characters, at most
        Deque<Term> open = new ArrayDeque<>(List.of(term, character)); // pairs
        while (!open.isEmpty()) {
            Term from = open.remove();
            Term of = open.remove();
            int count = left.getOrDefault(pair(from, of), 0);
            ByteClasses classes = terms.and(from.classes, of.classes);
            for (int i = 0; i < classes.count(); i++) {
                Term text = terms.derivative(of, classes.first(i));
                if (text != terms.never) {
                    Term rest = terms.derivative(from, classes.first(i));
                    if (!terms.live(rest) || left.size() > pairs) {
                        return false;
                    }
                    Term then = text == terms.empty ? character : text;
                    int more = text == terms.empty ? count - 1 : count;
                    if (more > left.getOrDefault(pair(rest, then), 0)) {
                        left.put(pair(rest, then), more);
                        open.add(rest);
                        open.add(then);
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
