package dev.causal4j.cli;

import dev.causal4j.generation.Mark;
import dev.causal4j.tokenizer.Tokenizer;
import java.io.IOException;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Looks for a mark in texts. */
@Command(
        name = "detect",
        description = "Looks for the mark of a key in a text: prints the probability p that a text without the mark"
                + " scores as high. It needs the model's tokenizer and no weights.")
final class DetectCommand extends Subcommand {
    @Option(names = "--tokens", paramLabel = "IDS", description = "The text as token ids, for instance 1028,363.")
    private @Nullable String tokens;

    @Mixin
    private GivenText text;

    @Mixin
    private MarkOption key;

    @Mixin
    private TokenizerOptions tokenizers;

    @Override
    public Integer call() throws IOException {
        refuse(
                text.ways() + (tokens == null ? 0 : 1) != 1,
                "text: expected one of TEXT, --file, --jsonl and --tokens, got none or several");
        Mark mark = key.read().orElseThrow(() -> wrong("mark-key: expected a file with the key, got none"));
        if (text.lines != null) {
            Tokenizer tokenizer = tokenizers.load();
            answerTexts(text.lines, given -> document(mark.detect(tokenizer.encode(given))));
            return 0;
        }
        Mark.Detection found = mark.detect(
                tokens != null
                        ? TokenIds.parse(spec, "tokens", tokens)
                        : tokenizers.load().encode(text.read()));
        String meaning = "p %.2g: the chance that a text without this mark scores %.2f or more in %d groups";
        print(document(found), meaning.formatted(found.p(), found.score(), found.scored()));
        return 0;
    }

    private static Document document(Mark.Detection found) {
        return new Document()
                .put("tokens", found.tokens())
                .put("scored", found.scored())
                .put("score", found.score())
                .put("p", found.p());
    }
}
