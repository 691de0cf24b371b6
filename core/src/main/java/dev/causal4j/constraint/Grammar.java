package dev.causal4j.constraint;

import java.util.BitSet;
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

    /** Roughly its bytes, without terms. */
    long bytes() {
        long named = names.stream().mapToLong(String::length).sum();
        return named + rules.stream().mapToLong(Grammar::bytes).sum();
    }

    private static long bytes(Expression part) {
        long own = part instanceof Expression.Tokens(BitSet ids) ? 60L + ids.size() / 8 : 60;
        return own + part.parts().stream().mapToLong(Grammar::bytes).sum();
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
