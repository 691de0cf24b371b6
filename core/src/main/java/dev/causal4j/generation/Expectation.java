package dev.causal4j.generation;

/** The one form of this package's complaints about arguments: <i>subject: expected E, got G</i>. */
final class Expectation {
    private Expectation() {}

    static IllegalArgumentException failed(String subject, String expected, Object got) {
        return new IllegalArgumentException(subject + ": expected " + expected + ", got " + got);
    }

    static void atLeast(int least, String subject, int got) {
        if (got < least) {
            throw failed(subject, "a whole number >= " + least, got);
        }
    }

    /** A share is a number in (0, 1]; the comparison also refuses NaN. */
    static void share(String subject, double got) {
        if (!(got > 0 && got <= 1)) {
            throw failed(subject, "a number in (0, 1]", got);
        }
    }

    static void tokens(String subject, Iterable<Integer> got) {
        for (int token : got) {
            if (token < 0) {
                throw failed(subject, "token ids >= 0", token);
            }
        }
    }
}
