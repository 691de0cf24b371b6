package dev.causal4j.cli;

import dev.causal4j.hub.Hub;
import dev.causal4j.hub.ModelName;
import java.io.Console;
import java.io.IOException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Deletes what was pulled. */
@Command(
        name = "rm",
        description = "Deletes a model from the cache of the hub, and with it the files that no other revision needs.")
final class RmCommand extends Subcommand {
    @Parameters(paramLabel = "NAME", description = "org/name or org/name@revision, as list tells it.")
    @SuppressWarnings("NullAway.Init")
    private String name;

    @Option(names = "--yes", description = "Do not ask.")
    private boolean yes;

    @Option(names = "--json", description = "Print one JSON document and nothing else.")
    private boolean json;

    @Override
    public Integer call() throws IOException {
        ModelName wanted = Usage.of(spec, () -> ModelName.of(name));
        if (!yes && !isConfirmed(wanted)) {
            return 1;
        }
        Hub.fromEnvironment().remove(wanted);
        if (json) {
            Json.print(stdout(), Json.object().put("deleted", wanted.toString()));
        } else {
            stdout().println(wanted + ": deleted");
        }
        return 0;
    }

    @SuppressWarnings("SystemConsoleNull") // null where only one of input and output is a terminal
    private boolean isConfirmed(ModelName wanted) {
        Console console = System.console();
        if (console == null || !console.isTerminal()) {
            throw wrong("yes: expected --yes where no terminal can be asked, got none");
        }
        String answer = console.readLine("Delete %s? [y/N] ", wanted);
        return answer != null && answer.strip().equalsIgnoreCase("y");
    }
}
