package dev.causal4j.constraint;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;

/**
 * A context-free grammar. Each rule has a text, and none begins with itself.
 *
 * @param rules the first is the root
 */
record Grammar(List<Expression> rules) {
    static Grammar of(Term term) {
        return new Grammar(List.of(new Expression.Text(term)));
    }

    /** A grammar whose root is made of the roots of others. */
    static Grammar join(List<Grammar> parts, Function<List<Expression>, Expression> root) {
        List<Expression> roots = new ArrayList<>();
        List<Expression> rules = new ArrayList<>();
        for (Grammar part : parts) {
            int shift = 1 + rules.size();
            roots.add(new Expression.Call(shift));
            part.rules.forEach(rule -> rules.add(shifted(rule, shift)));
        }
        rules.addFirst(root.apply(roots));
        return new Grammar(rules);
    }

    /** An expression whose rules stand behind others. */
    static Expression shifted(Expression expression, int by) {
        return switch (expression) {
            case Expression.Text _, Expression.Tokens _, Expression.Unique _ -> expression;
            case Expression.Call(int rule) -> new Expression.Call(rule + by);
            case Expression.Sequence(List<Expression> parts) -> new Expression.Sequence(shifted(parts, by));
            case Expression.Choice(List<Expression> options) -> new Expression.Choice(shifted(options, by));
            case Expression.Repeat(Expression part, int least, int most) ->
                new Expression.Repeat(shifted(part, by), least, most);
        };
    }

    private static List<Expression> shifted(List<Expression> expressions, int by) {
        return expressions.stream().map(each -> shifted(each, by)).toList();
    }
}
