package dev.causal4j.constraint;

import static dev.causal4j.constraint.Grammar.EMPTY;
import static dev.causal4j.constraint.Grammar.choice;

import dev.causal4j.constraint.Expression.Call;
import dev.causal4j.constraint.Expression.Choice;
import dev.causal4j.constraint.Expression.Repeat;
import dev.causal4j.constraint.Expression.Sequence;
import dev.causal4j.constraint.Expression.Text;
import dev.causal4j.constraint.Expression.Tokens;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Deque;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.function.BiPredicate;
import java.util.function.Predicate;
import java.util.stream.Stream;

/**
 * Drops the parts of a grammar that never end, gives repetitions of what may be empty no least count, and refuses rules
 * that begin with themselves, also after parts that may be empty. Not thread-safe.
 */
final class Rewriting {
    private final Terms terms;
    private final String subject;
    private final List<Expression> rules;
    private final List<String> names;
    private final BitSet ending;
    private final BitSet nullable;

    private Rewriting(Grammar grammar, Terms terms, String subject) {
        this.rules = new ArrayList<>(grammar.rules());
        this.names = grammar.names();
        this.terms = terms;
        this.subject = subject;
        this.ending = least(this::ends);
        this.nullable = least(this::nullable);
    }

    /** @throws ConstraintException if no text belongs to the grammar, or a rule begins with itself */
    static Grammar of(Grammar grammar, Terms terms, String subject) {
        Rewriting rewriting = new Rewriting(grammar, terms, subject);
        if (!rewriting.ending.get(0)) {
            throw new ConstraintException(subject, "one that some text fits", "one that nothing fits", "correct it");
        }
        rewriting.rules.replaceAll(rewriting::kept);
        rewriting.refuseLeftRecursion();
        return new Grammar(rewriting.rules, grammar.names());
    }

    private boolean ends(Expression part, BitSet known) {
        return holds(part, known, terms::live, ids -> !ids.isEmpty());
    }

    private boolean nullable(Expression part, BitSet known) {
        return holds(part, known, term -> term.nullable, unused -> false);
    }

    private boolean holds(Expression part, BitSet known, Predicate<Term> text, Predicate<BitSet> tokens) {
        terms.budget().spend(1);
        return switch (part) {
            case Text(Term term) -> text.test(term);
            case Tokens(BitSet ids) -> tokens.test(ids);
            case Call(int rule) -> known.get(rule);
            case Sequence(List<Expression> parts) -> parts.stream().allMatch(each -> holds(each, known, text, tokens));
            case Choice(List<Expression> options) ->
                options.stream().anyMatch(each -> holds(each, known, text, tokens));
            case Repeat(Expression inner, int least, int unused) -> least == 0 || holds(inner, known, text, tokens);
        };
    }

    private Expression kept(Expression part) {
        return switch (part) {
            case Choice(List<Expression> options) ->
                choice(options.stream()
                        .filter(each -> ends(each, ending))
                        .map(this::kept)
                        .toList());
            case Repeat(Expression inner, int least, int most)
            when least == 0 && (most == 0 || !ends(inner, ending)) -> EMPTY;
            case Repeat(Expression inner, int unused, int most)
            when nullable(inner, nullable) -> new Repeat(kept(inner), 0, most);
            default -> ends(part, ending) ? part.with(this::kept) : new Choice();
        };
    }

    /** The rules of which something holds: a rule is asked again when it holds of one that it calls. */
    private BitSet least(BiPredicate<Expression, BitSet> holds) {
        List<List<Integer>> callers = new ArrayList<>();
        rules.forEach(unused -> callers.add(new ArrayList<>()));
        Deque<Integer> asked = new ArrayDeque<>();
        for (int rule = rules.size() - 1; rule >= 0; rule--) {
            for (int called : calls(rules.get(rule), false, new LinkedHashSet<>())) {
                callers.get(called).add(rule);
            }
            asked.add(rule);
        }
        BitSet found = new BitSet();
        while (!asked.isEmpty()) {
            int rule = asked.poll();
            if (!found.get(rule) && holds.test(rules.get(rule), found)) {
                found.set(rule);
                asked.addAll(callers.get(rule));
            }
        }
        return found;
    }

    /** The rules that a part calls, or may begin with. */
    private Set<Integer> calls(Expression part, boolean first, Set<Integer> calls) {
        terms.budget().spend(1);
        if (part instanceof Call(int rule)) {
            calls.add(rule);
        }
        for (Expression each : part.parts()) {
            calls(each, first, calls);
            if (first && part instanceof Sequence && !nullable(each, nullable)) {
                break;
            }
        }
        return calls;
    }

    /** A rule that begins with sound rules alone is sound; the others begin with one another without end. */
    private void refuseLeftRecursion() {
        BitSet sound = least((part, known) -> beginnings(part).allMatch(known::get));
        Set<Integer> path = new HashSet<>();
        int rule = sound.nextClearBit(0);
        while (rule < rules.size() && path.add(rule)) {
            rule = beginnings(rules.get(rule))
                    .filter(each -> !sound.get(each))
                    .findFirst()
                    .orElseThrow();
        }
        if (rule < rules.size()) {
            String got = names.get(rule) + ", which does";
            String remedy = "write a repetition, as sum ::= number (\"+\" number)*";
            throw new ConstraintException(subject, "rules that do not begin with themselves", got, remedy);
        }
    }

    private Stream<Integer> beginnings(Expression part) {
        return calls(part, true, new LinkedHashSet<>()).stream();
    }
}
