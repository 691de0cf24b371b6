package dev.causal4j.constraint;

import dev.causal4j.FormatException;

/** A constraint cannot be held exactly, or exceeds a limit. The message is one line. */
public sealed class ConstraintException extends IllegalArgumentException permits SchemaRefusal {
    /**
     * @param subject the kind of the constraint and the place in it
     * @param expected what should be there
     * @param got what is there
     * @param remedy what to do about it
     */
    public ConstraintException(String subject, String expected, String got, String remedy) {
        super(new FormatException(subject, expected, got, remedy).getMessage());
    }

    ConstraintException(FormatException cause) {
        super(cause.getMessage(), cause);
    }

    /** An error in a part of something larger. */
    ConstraintException(String part, ConstraintException error) {
        super(part + ", " + error.getMessage(), error);
    }
}
