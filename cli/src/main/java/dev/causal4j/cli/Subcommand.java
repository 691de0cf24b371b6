package dev.causal4j.cli;

import java.io.PrintWriter;
import java.util.concurrent.Callable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** What the commands share. */
abstract class Subcommand implements Callable<Integer> {
    @Spec
    @SuppressWarnings("NullAway.Init") // picocli injects it
    CommandSpec spec;

    /** Standard output. */
    final PrintWriter stdout() {
        return spec.commandLine().getOut();
    }

    /** Standard error. */
    final PrintWriter stderr() {
        return spec.commandLine().getErr();
    }

    /** An error to throw. */
    final ParameterException wrong(String message) {
        return Usage.wrong(spec, message);
    }
}
