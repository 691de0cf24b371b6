package dev.causal4j.cli;

import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** The commands on tokenizers. */
@Command(
        name = "tokenizer",
        description = "Makes tokenizers and shows what they do.",
        subcommands = {
            TokenizerTrainCommand.class,
            TokenizerPrepareCommand.class,
            TokenizerEncodeCommand.class,
            TokenizerDecodeCommand.class,
            TokenizerRenderCommand.class
        })
final class TokenizerCommand implements Callable<Integer> {
    @Spec
    @SuppressWarnings("NullAway.Init") // picocli injects it
    private CommandSpec spec;

    @Override
    public Integer call() {
        throw Usage.noCommand(spec);
    }
}
