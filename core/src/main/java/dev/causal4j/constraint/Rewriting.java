package dev.causal4j.constraint;

import static dev.causal4j.constraint.Grammar.EMPTY;
import static dev.causal4j.constraint.Grammar.choice;

import dev.causal4j.constraint.Expression.Call;
import dev.causal4j.constraint.Expression.Choice;
import dev.causal4j.constraint.Expression.Repeat;
import dev.causal4j.constraint.Expression.Sequence;
import dev.causal4j.constraint.Expression.Text;
import dev.causal4j.constraint.Expression.Tokens;
import dev.causal4j.constraint.Expression.Unique;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Deque;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.BiPredicate;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Rewrites a grammar into one of the same language in which every rule can end and none begins with itself. What never ends
 * is dropped. Left recursion becomes right recursion by left corners (Johnson 1998), for rules on a circle only. Corners
 * are the first parts that are not empty, so that recursion behind what may be empty goes too, and a repetition has no
 * empty turns. Not thread-safe.
 */
final class Rewriting {
    /** A first part, where a call means the rule's texts but the empty one, and what follows it. */
    private record Corner(Expression first, Expression rest) {}

    /** To finish a rule of which a corner is written: a text of another rule. */
    private record Goal(int rule, int corner) {}

    private final Terms terms;
    private final String subject;

    /** As they come; new ones are put behind them. */
    private final List<Expression> rules;

    private final List<String> names;

    /** The bodies that corners are taken of. */
    private List<Expression> bodies = List.of();

    private BitSet nullable = new BitSet();
    private BitSet circular = new BitSet();
    private final Map<Integer, Call> nonempty = new HashMap<>();
    private final Map<Goal, Call> goals = new HashMap<>();
    private final Deque<Runnable> open = new ArrayDeque<>();

    private Rewriting(Grammar grammar, Terms terms, String subject) {
        this.rules = new ArrayList<>(grammar.rules());
        this.names = new ArrayList<>(grammar.names());
        this.terms = terms;
        this.subject = subject;
    }

    /** @throws ConstraintException if no text belongs to the grammar */
    static Grammar of(Grammar grammar, Terms terms, String subject) {
        Rewriting rewriting = new Rewriting(grammar, terms, subject);
        rewriting.dropEndless();
        rewriting.turnRecursion();
        return rewriting.reachable();
    }

    private void dropEndless() {
        BitSet ending = least(this::ends);
        if (!ending.get(0)) {
            throw new ConstraintException(subject, "one that some text fits", "one that nothing fits", "correct it");
        }
        rules.replaceAll(rule -> kept(rule, ending));
    }

    private boolean ends(Expression part, BitSet ending) {
        return holds(part, ending, term -> terms.live(term), ids -> !ids.isEmpty());
    }

    private boolean nullable(Expression part, BitSet known) {
        return holds(part, known, term -> term.nullable, _ -> false);
    }

    private static boolean holds(Expression part, BitSet rules, Predicate<Term> text, Predicate<BitSet> tokens) {
        return switch (part) {
            case Text(Term term) -> text.test(term);
            case Tokens(BitSet ids) -> tokens.test(ids);
            case Unique list -> text.test(list.item());
            case Call(int rule) -> rules.get(rule);
            case Sequence(List<Expression> parts) -> parts.stream().allMatch(each -> holds(each, rules, text, tokens));
            case Choice(List<Expression> options) ->
                options.stream().anyMatch(each -> holds(each, rules, text, tokens));
            case Repeat(Expression inner, int least, int _) -> least == 0 || holds(inner, rules, text, tokens);
        };
    }

    private Expression kept(Expression part, BitSet ending) {
        return switch (part) {
            case Choice(List<Expression> options) ->
                choice(options.stream()
                        .filter(each -> ends(each, ending))
                        .map(each -> kept(each, ending))
                        .toList());
            case Repeat(Expression inner, int least, int _) when least == 0 && !ends(inner, ending) -> EMPTY;
            default -> ends(part, ending) ? part.with(each -> kept(each, ending)) : new Choice();
        };
    }

    private static Expression sequence(Expression... parts) {
        List<Expression> all = new ArrayList<>();
        for (Expression part : parts) {
            all.addAll(part instanceof Sequence(List<Expression> inner) ? inner : List.of(part));
        }
        return all.size() == 1 ? all.getFirst() : new Sequence(all);
    }

    /** The rules of which something holds: a rule is asked again when it holds of one that it calls. */
    private BitSet least(BiPredicate<Expression, BitSet> holds) {
        List<List<Integer>> callers = callers(part -> calls(part, false, new LinkedHashSet<>()));
        Deque<Integer> asked = new ArrayDeque<>();
        for (int rule = rules.size() - 1; rule >= 0; rule--) {
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

    private List<List<Integer>> callers(Function<Expression, Set<Integer>> calls) {
        List<List<Integer>> callers = new ArrayList<>();
        rules.forEach(_ -> callers.add(new ArrayList<>()));
        for (int rule = 0; rule < rules.size(); rule++) {
            for (int called : calls.apply(rules.get(rule))) {
                callers.get(called).add(rule);
            }
        }
        return callers;
    }

    /** The rules that a part calls, or may begin with. */
    private Set<Integer> calls(Expression part, boolean first, Set<Integer> calls) {
        switch (part) {
            case Text _, Tokens _, Unique _ -> {}
            case Call(int rule) -> calls.add(rule);
            case Choice(List<Expression> options) -> options.forEach(each -> calls(each, first, calls));
            case Repeat(Expression inner, int _, int _) -> calls(inner, first, calls);
            case Sequence(List<Expression> parts) -> {
                for (Expression each : parts) {
                    calls(each, first, calls);
                    if (first && !nullable(each, nullable)) {
                        break;
                    }
                }
            }
        }
        return calls;
    }

    private void turnRecursion() {
        nullable = least(this::nullable);
        circular = circular();
        bodies = List.copyOf(rules);
        for (int rule = 0; rule < bodies.size(); rule++) {
            if (circular.get(rule)) {
                Call body = nonempty(rule);
                rules.set(rule, nullable.get(rule) ? new Choice(EMPTY, body) : body);
            } else {
                rules.set(rule, turned(bodies.get(rule)));
            }
        }
        while (!open.isEmpty()) {
            open.pop().run();
        }
    }

    /** The rules that begin with themselves, and those between them. */
    private BitSet circular() {
        List<Set<Integer>> begins = rules.stream()
                .map(rule -> calls(rule, true, new LinkedHashSet<>()))
                .toList();
        List<List<Integer>> callers = callers(part -> calls(part, true, new LinkedHashSet<>()));
        BitSet all = new BitSet();
        all.set(0, rules.size());
        peel(all, begins, callers);
        peel(all, callers, begins);
        return all;
    }

    /** Takes away what leads to nothing that is left. */
    private static void peel(
            BitSet left, List<? extends Iterable<Integer>> to, List<? extends Iterable<Integer>> from) {
        int[] degree = new int[to.size()];
        Deque<Integer> loose = new ArrayDeque<>();
        left.stream().forEach(rule -> {
            to.get(rule).forEach(next -> degree[rule] += left.get(next) ? 1 : 0);
            if (degree[rule] == 0) {
                loose.add(rule);
            }
        });
        while (!loose.isEmpty()) {
            int rule = loose.poll();
            left.clear(rule);
            for (int before : from.get(rule)) {
                if (left.get(before) && --degree[before] == 0) {
                    loose.add(before);
                }
            }
        }
    }

    /** A part in which repetitions have no empty turns. */
    private Expression turned(Expression part) {
        return part instanceof Repeat(Expression inner, int _, int most) && nullable(inner, nullable)
                ? new Repeat(withoutEmpty(inner), 0, most)
                : part.with(this::turned);
    }

    private Expression withoutEmpty(Expression part) {
        return choice(corners(part).stream()
                .map(corner -> sequence(begun(corner.first), turned(corner.rest)))
                .toList());
    }

    private Expression begun(Expression first) {
        return first instanceof Call(int rule) ? nonempty(rule) : first;
    }

    private List<Corner> corners(Expression part) {
        terms.budget().spend(1);
        List<Corner> corners = new ArrayList<>();
        switch (part) {
            case Text(Term term) -> {
                Term texts = term.nullable ? terms.and(term, terms.not(terms.empty)) : term;
                if (terms.live(texts)) {
                    corners.add(new Corner(new Text(texts), EMPTY));
                }
            }
            case Tokens _, Unique _, Call _ -> corners.add(new Corner(part, EMPTY));
            case Choice(List<Expression> options) -> options.forEach(each -> corners.addAll(corners(each)));
            case Sequence(List<Expression> parts) -> {
                for (int i = 0; i < parts.size() && (i == 0 || nullable(parts.get(i - 1), nullable)); i++) {
                    addFollowed(corners(parts.get(i)), new Sequence(parts.subList(i + 1, parts.size())), corners);
                }
            }
            case Repeat(Expression inner, int least, int most) -> {
                int others = nullable(inner, nullable) ? 0 : Math.max(least - 1, 0);
                Expression rest =
                        most == 1 ? EMPTY : new Repeat(inner, others, most == Terms.UNBOUNDED ? most : most - 1);
                addFollowed(most == 0 ? List.of() : corners(inner), rest, corners);
            }
        }
        return corners;
    }

    private static void addFollowed(List<Corner> first, Expression rest, List<Corner> to) {
        first.forEach(corner -> to.add(new Corner(corner.first, sequence(corner.rest, rest))));
    }

    /** A rule's texts but the empty one. */
    private Call nonempty(int rule) {
        if (!circular.get(rule) && !nullable.get(rule)) {
            return new Call(rule);
        }
        return create(nonempty, rule, rule, () -> circular.get(rule) ? begin(rule) : withoutEmpty(bodies.get(rule)));
    }

    private <K> Call create(Map<K, Call> known, K key, int of, Supplier<Expression> body) {
        Call call = known.get(key);
        if (call == null) {
            int rule = rules.size();
            Limits.check(subject, rule, Limits.SYMBOLS, "rules");
            rules.add(EMPTY);
            names.add(names.get(of));
            call = new Call(rule);
            known.put(key, call);
            open.push(() -> rules.set(rule, body.get()));
        }
        return call;
    }

    /** A corner of a rule, or of a rule that it may begin with, and what makes the rule of it. */
    private Expression begin(int rule) {
        List<Expression> options = new ArrayList<>();
        for (int corner : reached(rule)) {
            for (Corner each : corners(bodies.get(corner))) {
                if (circularCall(each.first) == null) {
                    options.add(sequence(begun(each.first), turned(each.rest), goal(rule, corner)));
                }
            }
        }
        return choice(options);
    }

    private Call goal(int rule, int corner) {
        return create(goals, new Goal(rule, corner), rule, () -> {
            List<Expression> options = new ArrayList<>();
            if (rule == corner) {
                options.add(EMPTY);
            }
            for (int next : reached(rule)) {
                for (Corner each : corners(bodies.get(next))) {
                    Integer called = circularCall(each.first);
                    boolean idle = next == corner && each.rest.equals(EMPTY);
                    if (called != null && called == corner && !idle) {
                        options.add(sequence(turned(each.rest), goal(rule, next)));
                    }
                }
            }
            return choice(options);
        });
    }

    private @Nullable Integer circularCall(Expression first) {
        return first instanceof Call(int rule) && circular.get(rule) ? rule : null;
    }

    /** The circular rules that a rule may begin with, and itself. */
    private Set<Integer> reached(int rule) {
        Set<Integer> reached = new LinkedHashSet<>(Set.of(rule));
        Deque<Integer> asked = new ArrayDeque<>(reached);
        while (!asked.isEmpty()) {
            for (int next : calls(bodies.get(asked.poll()), true, new LinkedHashSet<>())) {
                if (circular.get(next) && reached.add(next)) {
                    asked.add(next);
                }
            }
        }
        return reached;
    }

    /** The rules that the first one needs, numbered anew. */
    private Grammar reachable() {
        Map<Integer, Integer> numbers = new HashMap<>(Map.of(0, 0));
        List<Integer> order = new ArrayList<>(List.of(0));
        List<Expression> kept = new ArrayList<>();
        for (int i = 0; i < order.size(); i++) {
            for (int called : calls(rules.get(order.get(i)), false, new LinkedHashSet<>())) {
                if (numbers.putIfAbsent(called, order.size()) == null) {
                    order.add(called);
                }
            }
            kept.add(rules.get(order.get(i)).renumbered(rule -> numbers.getOrDefault(rule, rule)));
        }
        return new Grammar(kept, order.stream().map(names::get).toList());
    }
}
