package dev.causal4j.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;

/** Complaints about how a command was used: exit status 2, and a hint at its help. */
final class Usage {
    private Usage() {}

    /** To be thrown. */
    static ParameterException wrong(CommandSpec spec, String message) {
        return new ParameterException(spec.commandLine(), message);
    }

    /** What is made of options; its IllegalArgumentException is a complaint about them. */
    static <T> T of(CommandSpec spec, Supplier<T> made) {
        try {
            return made.get();
        } catch (IllegalArgumentException e) {
            throw wrong(spec, String.valueOf(e.getMessage()));
        }
    }

    /** The same for what makes nothing. */
    static void check(CommandSpec spec, Runnable checked) {
        boolean _ = of(spec, () -> {
            checked.run();
            return true;
        });
    }

    /** To be thrown where one of a command's commands should have been named. */
    static ParameterException noCommand(CommandSpec spec) {
        String before = spec.parent() == null ? "" : spec.name() + " ";
        List<String> names = new ArrayList<>();
        spec.subcommands().keySet().forEach(name -> names.add(before + name));
        String last = names.removeLast();
        String expected = names.isEmpty() ? last : String.join(", ", names) + " or " + last;
        return wrong(spec, "command: expected " + expected + ", got none");
    }
}
