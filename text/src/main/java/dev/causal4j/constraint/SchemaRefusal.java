package dev.causal4j.constraint;

/** A well-formed schema asserts what no mask holds. A lenient reader drops the assertion. */
final class SchemaRefusal extends ConstraintException {
    /** The assertion as a JSON pointer. */
    final String pointer;

    /** Whether all that the schema refers to is in it. */
    final boolean whole;

    SchemaRefusal(String pointer, boolean whole, String expected, String got) {
        super("schema", expected, got, "rewrite it as anyOf, or leave it out");
        this.pointer = pointer;
        this.whole = whole;
    }
}
