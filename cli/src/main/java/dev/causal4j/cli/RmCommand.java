package dev.causal4j.cli;

import dev.causal4j.hub.Hub;
import dev.causal4j.hub.ModelName;
import java.io.IOException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Deletes what was pulled. */
@Command(
        name = "rm",
        description =
                "Deletes a model from the Hugging Face cache, and with it the files that no other revision needs.")
final class RmCommand extends Subcommand {
    @Parameters(paramLabel = "NAME", description = "org/name or org/name@revision, as list shows it.")
    @SuppressWarnings("NullAway.Init")
    private String name;

    @Option(names = "--yes", description = "Do not ask.")
    private boolean yes;

    @Override
    public Integer call() throws IOException {
        ModelName wanted = Usage.of(spec, () -> ModelName.of(name));
        Hub hub = Hub.fromEnvironment();
        boolean known =
                hub.list().stream().anyMatch(each -> each.name().repository().equals(wanted.repository()));
        if (known && !yes && !isConfirmed(wanted)) {
            stderr().println(wanted + ": kept");
            return 1;
        }
        hub.remove(wanted); // fails if there is no such model
        print(new Document().put("deleted", wanted.toString()), wanted + ": deleted");
        return 0;
    }

    private boolean isConfirmed(ModelName wanted) {
        String answer = terminal()
                .orElseThrow(() -> wrong("yes: expected --yes where no terminal can be asked, got none"))
                .readLine("Delete %s? [y/N] ", wanted);
        return answer != null && answer.strip().equalsIgnoreCase("y");
    }
}
