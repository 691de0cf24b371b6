package dev.causal4j.cli;

import dev.causal4j.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Path;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** Lets a tokenizer load faster. */
@Command(
        name = "prepare",
        description = "Writes " + Tokenizer.PREPARED + " beside a tokenizer.json, from which large ones load at once.")
final class TokenizerPrepareCommand extends Subcommand {
    @Option(names = "--model", paramLabel = "DIR", required = true, description = "Folder with a tokenizer.json.")
    @SuppressWarnings("NullAway.Init")
    private Path folder;

    @Override
    public Integer call() throws IOException {
        Path model = ModelPath.of(folder);
        Tokenizer.prepare(model);
        Path made = model.resolve(Tokenizer.PREPARED);
        print(new Document().put("out", made), made + ": written");
        return 0;
    }
}
