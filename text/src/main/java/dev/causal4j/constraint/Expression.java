package dev.causal4j.constraint;

import java.util.BitSet;
import java.util.List;
import java.util.function.IntUnaryOperator;
import java.util.function.UnaryOperator;

/** A part of a context-free grammar. */
sealed interface Expression {
    /** The parts inside. */
    default List<Expression> parts() {
        return switch (this) {
            case Sequence(List<Expression> parts) -> parts;
            case Choice(List<Expression> options) -> options;
            case Repeat(Expression part, int least, int most) -> List.of(part);
            default -> List.of();
        };
    }

    /** The same with other parts inside. */
    default Expression with(UnaryOperator<Expression> to) {
        return switch (this) {
            case Sequence(List<Expression> parts) ->
                new Sequence(parts.stream().map(to).toList());
            case Choice(List<Expression> options) ->
                new Choice(options.stream().map(to).toList());
            case Repeat(Expression part, int least, int most) -> new Repeat(to.apply(part), least, most);
            default -> this;
        };
    }

    /** The same with other numbers of rules. */
    default Expression renumbered(IntUnaryOperator numbers) {
        return this instanceof Call(int rule)
                ? new Call(numbers.applyAsInt(rule))
                : with(each -> each.renumbered(numbers));
    }

    /** A text of a term. */
    record Text(Term term) implements Expression {}

    /** One token, whatever its text. */
    record Tokens(BitSet ids) implements Expression {}

    /** A rule, by its index. */
    record Call(int rule) implements Expression {}

    /** All parts in order; without parts the empty text. */
    record Sequence(List<Expression> parts) implements Expression {
        Sequence(Expression... parts) {
            this(List.of(parts));
        }
    }

    /** One of the options; without options nothing. */
    record Choice(List<Expression> options) implements Expression {
        Choice(Expression... options) {
            this(List.of(options));
        }
    }

    /** A part {@code least} to {@code most} times. */
    record Repeat(Expression part, int least, int most) implements Expression {}
}
