package dev.causal4j.constraint;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;

/**
 * A context-free grammar. Each rule has a text, and none begins with itself.
 *
 * @param rules the first is the root
 * @param names of the rules in errors; empty for none
 */
record Grammar(List<Expression> rules, List<String> names) {
    /** The empty text. */
    static final Expression EMPTY = new Expression.Sequence(List.of());

    static Grammar of(Term term) {
        return new Grammar(List.of(new Expression.Text(term)), List.of(""));
    }

    /** A grammar whose root is made of the roots of others. */
    static Grammar join(List<Grammar> parts, Function<List<Expression>, Expression> root) {
        List<Expression> roots = new ArrayList<>();
        List<Expression> rules = new ArrayList<>();
        List<String> names = new ArrayList<>(List.of(""));
        for (Grammar part : parts) {
            int shift = 1 + rules.size();
            roots.add(new Expression.Call(shift));
            part.rules.forEach(rule -> rules.add(rule.renumbered(number -> number + shift)));
            names.addAll(part.names);
        }
        rules.addFirst(root.apply(roots));
        return new Grammar(rules, names);
    }

    static Expression choice(List<Expression> options) {
        return options.size() == 1 ? options.getFirst() : new Expression.Choice(options);
    }

    static Expression optional(Expression expression) {
        return new Expression.Choice(List.of(expression, EMPTY));
    }
}
