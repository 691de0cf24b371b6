package dev.causal4j.constraint;

import java.util.List;

/**
 * A context-free grammar. Each rule has a text, and none begins with itself.
 *
 * @param rules the first is the root
 * @param names of the rules in errors; empty for none
 */
record Grammar(List<Expression> rules, List<String> names) {
    /** The empty text. */
    static final Expression EMPTY = new Expression.Sequence(List.of());

    /** Roughly the bytes of a rule, without terms and sets of tokens. The code that makes it counts them. */
    static long bytes(Expression part) {
        return 60 + part.parts().stream().mapToLong(Grammar::bytes).sum();
    }

    static Grammar of(Term term) {
        return new Grammar(List.of(new Expression.Text(term)), List.of(""));
    }

    static Expression choice(List<Expression> options) {
        return options.size() == 1 ? options.getFirst() : new Expression.Choice(options);
    }

    static Expression optional(Expression expression) {
        return new Expression.Choice(List.of(expression, EMPTY));
    }
}
