package dev.causal4j.constraint;

import java.util.BitSet;
import java.util.List;

/** A part of a context-free grammar. */
sealed interface Expression {
    /** A text of a term. */
    record Text(Term term) implements Expression {}

    /** One token, whatever its text. */
    record Tokens(BitSet ids) implements Expression {}

    /** A rule, by its index. */
    record Call(int rule) implements Expression {}

    /** All parts in order; without parts the empty text. */
    record Sequence(List<Expression> parts) implements Expression {}

    /** One of the options; without options nothing. */
    record Choice(List<Expression> options) implements Expression {}

    /** A part {@code least} to {@code most} times. */
    record Repeat(Expression part, int least, int most) implements Expression {}
}
