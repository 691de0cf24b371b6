package dev.causal4j.cli;

import dev.causal4j.tokenizer.Tokenizer;
import java.io.IOException;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** Shows the text of tokens. */
@Command(name = "decode", description = "Prints the text of tokens.", sortOptions = false)
final class TokenizerDecodeCommand implements Callable<Integer> {
    @Option(names = "--tokens", paramLabel = "IDS", required = true, description = "Token ids, for instance 1028,363.")
    private String tokens = "";

    @Option(names = "--skip-special", description = "Leave special tokens out.")
    private boolean skipSpecial;

    @Mixin
    private TokenizerOptions tokenizers;

    @Spec
    private CommandSpec spec;

    @Override
    public Integer call() throws IOException {
        int[] ids = TokenIds.parse(spec, "--tokens", tokens);
        Tokenizer tokenizer = tokenizers.load();
        String text = skipSpecial ? tokenizer.decodeWithoutSpecial(ids) : tokenizer.decode(ids);
        String shown = tokenizers.json() ? Json.write(Json.object().put("text", text)) : text;
        spec.commandLine().getOut().println(shown);
        return 0;
    }
}
