package dev.causal4j.springboot;

import java.util.concurrent.Callable;

/** A property that cannot be used. The message is one line, <em>property=value: expected E, got G; remedy</em>. */
final class PropertyException extends RuntimeException {
    private PropertyException(String message, Throwable cause) {
        super(message, cause);
    }

    /**
     * Runs a step; its failure names the property.
     *
     * @param value not repeated if the failure's message begins with it; empty for a group of properties
     */
    static <T> T naming(String property, String value, Callable<T> step) {
        try {
            return step.call();
        } catch (Exception e) {
            String said = String.valueOf(e.getMessage());
            String rest = said.startsWith(value + ": ") ? said.substring(value.length() + 2) : said;
            throw new PropertyException(property + (value.isEmpty() ? "" : "=" + value) + ": " + rest, e);
        }
    }
}
