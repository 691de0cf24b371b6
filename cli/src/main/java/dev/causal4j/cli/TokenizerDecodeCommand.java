package dev.causal4j.cli;

import dev.causal4j.tokenizer.Tokenizer;
import java.io.IOException;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Shows the text of tokens. */
@Command(name = "decode", description = "Prints the text of tokens.")
final class TokenizerDecodeCommand extends Subcommand {
    @Option(names = "--tokens", paramLabel = "IDS", required = true, description = "Token ids, for instance 1028,363.")
    private String tokens = "";

    @Option(names = "--skip-special", description = "Leave special tokens out.")
    private boolean skipSpecial;

    @Mixin
    private TokenizerOptions tokenizers;

    @Override
    public Integer call() throws IOException {
        int[] ids = TokenIds.parse(spec, "tokens", tokens);
        Tokenizer tokenizer = tokenizers.load();
        String text = skipSpecial ? tokenizer.decodeWithoutSpecial(ids) : tokenizer.decode(ids);
        print(new Document().put("text", text), Streaming.shown(text));
        return 0;
    }
}
