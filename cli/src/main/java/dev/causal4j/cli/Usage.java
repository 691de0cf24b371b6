package dev.causal4j.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;

/** Errors of wrong usage: exit status 2, and a hint at the help. */
final class Usage {
    private Usage() {}

    /** An error to throw. */
    static ParameterException wrong(CommandSpec spec, String message) {
        return new ParameterException(spec.commandLine(), message);
    }

    /** Makes something of options; its IllegalArgumentException becomes a usage error. */
    static <T> T of(CommandSpec spec, Supplier<T> made) {
        try {
            return made.get();
        } catch (IllegalArgumentException e) {
            throw wrong(spec, String.valueOf(e.getMessage()));
        }
    }

    /** The same without a result. */
    static void check(CommandSpec spec, Runnable checked) {
        boolean _ = of(spec, () -> {
            checked.run();
            return true;
        });
    }

    /** An error to throw where a subcommand is missing. */
    static ParameterException noCommand(CommandSpec spec) {
        String before = spec.parent() == null ? "" : spec.name() + " ";
        List<String> names = new ArrayList<>();
        spec.subcommands().keySet().forEach(name -> names.add(before + name));
        String last = names.removeLast();
        String expected = names.isEmpty() ? last : String.join(", ", names) + " or " + last;
        return wrong(spec, "command: expected " + expected + ", got none");
    }
}
