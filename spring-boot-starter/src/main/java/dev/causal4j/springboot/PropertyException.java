package dev.causal4j.springboot;

import java.nio.file.NoSuchFileException;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;

/** A property that cannot be used. The message is one line, <em>property=value: expected E, got G; remedy</em>. */
final class PropertyException extends RuntimeException {
    private PropertyException(String message, Throwable cause) {
        super(message, cause);
    }

    /**
     * Runs a step; its failure names the property.
     *
     * @param value not repeated if the failure's message begins with it; null for none, or for a group of properties
     */
    static <T> T naming(String property, @Nullable String value, Callable<T> step) {
        try {
            return step.call();
        } catch (PropertyException e) {
            throw e; // of another property
        } catch (Exception e) {
            if (e instanceof InterruptedException) {
                Thread.currentThread().interrupt();
            }
            boolean isNone = e instanceof NoSuchFileException; // its message is the path alone
            String said = isNone ? "expected a file, got none; check the path" : String.valueOf(e.getMessage());
            String rest = said.startsWith(value + ": ") ? said.substring((value + ": ").length()) : said;
            throw new PropertyException(property + (value == null ? "" : "=" + value) + ": " + rest, e);
        }
    }
}
