package dev.causal4j.constraint;

/** A schema asserts what no mask holds. A lenient reader drops the assertion. */
final class SchemaRefusal extends RuntimeException {
    private static final long serialVersionUID = 1;

    /** The assertion as a JSON pointer. */
    final String pointer;

    /** What users see. */
    final transient ConstraintException error;

    SchemaRefusal(String pointer, String expected, String got) {
        super(null, null, false, false);
        this.pointer = pointer;
        error = new ConstraintException("schema", expected, got, "rewrite it as anyOf or pass lenient");
    }
}
