package dev.causal4j.constraint;

/** Where JSON has white space: after <code>{ [ , :</code>, before <code>} ]</code>, and once in empty brackets. */
public enum Whitespace {
    /** None, a space, or a line end and at most 32 spaces or tabs. */
    FLEXIBLE,
    /** None. */
    COMPACT,
    /** One space after each comma and colon, as Python writes it. */
    SPACED
}
