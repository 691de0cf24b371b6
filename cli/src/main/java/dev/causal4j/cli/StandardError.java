package dev.causal4j.cli;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * Gives the process its standard error back. The JVM writes a warning about the vector module there before any of our
 * code runs, and no flag prevents it. So the launcher starts the JVM with standard error through a filter and the real
 * one on another descriptor; the first thing we do is to put it back.
 */
final class StandardError {
    private static final String DESCRIPTOR = "causal4j.stderr";
    private static final String TERMINAL = "causal4j.terminal";

    private StandardError() {}

    /** Whether somebody watches, which the launcher knows. */
    static boolean isTerminal() {
        return Boolean.getBoolean(TERMINAL);
    }

    /** Does nothing unless the launcher says where standard error is. */
    static void restore() {
        Integer real = Integer.getInteger(DESCRIPTOR);
        if (real == null) {
            return;
        }
        Linker linker = Linker.nativeLinker();
        MethodHandle dup2 = linker.downcallHandle(
                linker.defaultLookup().findOrThrow("dup2"),
                FunctionDescriptor.of(ValueLayout.JAVA_INT, ValueLayout.JAVA_INT, ValueLayout.JAVA_INT));
        try {
            int result = (int) dup2.invokeExact((int) real, 2);
            if (result != 2) {
                throw new IllegalStateException("standard error: expected descriptor " + real + " to be open");
            }
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException(e);
        }
    }
}
