package dev.causal4j.cli;

import dev.causal4j.tokenizer.Tokenizer;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** Shows the tokens of texts. */
@Command(
        name = "encode",
        description =
                "Prints the tokens of a text: id, piece, and the first byte in the text and the one after the last.")
final class TokenizerEncodeCommand extends Subcommand {
    @Mixin
    private GivenText text;

    @Mixin
    private TextOptions texts;

    @Mixin
    private TokenizerOptions tokenizers;

    @Override
    public Integer call() throws IOException {
        refuse(text.ways() != 1, "text: expected one of TEXT, --file and --jsonl, got none or several");
        Tokenizer tokenizer = tokenizers.load();
        if (text.lines != null) {
            answerTexts(text.lines, given -> encode(tokenizer, given).document());
            return 0;
        }
        Encoded encoded = encode(tokenizer, text.read());
        PrintWriter out = stdout();
        if (json) {
            out.println(encoded.document());
            return 0;
        }
        for (int i = 0; i < encoded.tokens.length; i++) {
            String offsets = Arrays.toString(encoded.offsets.get(i)).replace(" ", "");
            out.println(encoded.tokens[i] + " " + Visible.quoted(encoded.pieces.get(i)) + " " + offsets);
        }
        return 0;
    }

    private record Encoded(int[] tokens, List<String> pieces, List<int[]> offsets) {
        Document document() {
            return new Document().put("tokens", tokens).put("pieces", pieces).put("offsets", offsets);
        }
    }

    private Encoded encode(Tokenizer tokenizer, String given) {
        Tokenizer.Encoding encoding = tokenizer.encodeWithOffsets(given, texts.specialTokens());
        int[] tokens = tokenizer.withPrefix(encoding.tokens());
        int before = tokens.length - encoding.tokens().length;
        List<int[]> offsets = new ArrayList<>(Collections.nCopies(before, new int[2]));
        for (int i = 0; i < encoding.tokens().length; i++) {
            offsets.add(new int[] {encoding.starts()[i], encoding.ends()[i]});
        }
        return new Encoded(
                tokens, IntStream.of(tokens).mapToObj(tokenizer::piece).toList(), offsets);
    }
}
