package dev.causal4j.cli;

import dev.causal4j.tokenizer.SpecialTokens;
import dev.causal4j.tokenizer.Tokenizer;
import picocli.CommandLine.Option;

/** How texts become tokens. */
final class TextOptions {
    @Option(names = "--special", description = "Special tokens in a text are parsed: <|endoftext|> is one token.")
    private boolean special;

    SpecialTokens specialTokens() {
        return special ? SpecialTokens.PARSE : SpecialTokens.AS_TEXT;
    }

    /** The tokens of a text from its beginning, with BOS if the model's files say so. */
    int[] encode(Tokenizer tokenizer, String text) {
        return tokenizer.withPrefix(tokenizer.encode(text, specialTokens()));
    }
}
