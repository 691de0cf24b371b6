package dev.causal4j.cli;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.PrintStream;
import java.lang.reflect.Constructor;

/**
 * Gives the program its standard error back. The JVM writes a warning about the vector module there before any of our
 * code runs, and no flag prevents it. So the launcher starts the JVM with standard error through a filter and the real
 * one on another descriptor; the first thing we do is to write to that one.
 */
final class StandardError {
    private static final String DESCRIPTOR = "causal4j.stderr";
    private static final String TERMINAL = "causal4j.terminal";

    private StandardError() {}

    /** Whether somebody watches, which the launcher knows. */
    static boolean isTerminal() {
        return Boolean.getBoolean(TERMINAL);
    }

    /**
     * Does nothing unless the launcher says where standard error is; it opens {@code java.io} for this. Calling dup2
     * would need nobody's leave, but makes a start wait 50 ms for the foreign linker. Opening the descriptor's path again
     * would lose the position it shares with standard output where both are one file.
     */
    static void restore() {
        Integer real = Integer.getInteger(DESCRIPTOR);
        if (real == null) {
            return;
        }
        try {
            Constructor<FileDescriptor> descriptor = FileDescriptor.class.getDeclaredConstructor(int.class);
            descriptor.setAccessible(true);
            FileOutputStream stream = new FileOutputStream(descriptor.newInstance((int) real));
            System.setErr(new PrintStream(stream, true, System.err.charset()));
        } catch (ReflectiveOperationException | RuntimeException e) {
            throw new IllegalStateException(
                    "standard error: expected Java with --add-opens=java.base/java.io=ALL-UNNAMED, got " + e, e);
        }
    }
}
