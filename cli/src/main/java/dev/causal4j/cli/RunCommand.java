package dev.causal4j.cli;

import java.io.IOException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** Fetches a model and holds a conversation with it. */
@Command(
        name = "run",
        description =
                "Holds a conversation with a model of the Hugging Face hub, which it fetches unless the cache has it."
                        + " It is pull, then chat.")
final class RunCommand extends ChatCommand {
    @Mixin
    private HubOptions hub;

    @Override
    public Integer call() throws IOException, InterruptedException {
        hub.name();
        refuse(model.isGiven(), "model: expected NAME or --model, got both");
        model.use(hub.model());
        return super.call();
    }
}
