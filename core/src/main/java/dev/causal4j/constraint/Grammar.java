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
        long bytes = 0;
        for (int i = 0; i < rules.size(); i++) {
            bytes += 60 + names.get(i).length() + bytes(rules.get(i));
        }
        return bytes;
    }

    private static long bytes(Expression part) {
        return switch (part) {
            case Expression.Sequence(List<Expression> parts) -> bytes(parts);
            case Expression.Choice(List<Expression> options) -> bytes(options);
            case Expression.Repeat(Expression inner, int _, int _) -> 24 + bytes(inner);
            case Expression.Tokens(BitSet ids) -> 60 + ids.size() / 8;
            case Expression.Text _, Expression.Call _ -> 16;
        };
    }

    private static long bytes(List<Expression> parts) {
        long bytes = 56;
        for (Expression part : parts) {
            bytes += 4 + bytes(part);
        }
        return bytes;
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
