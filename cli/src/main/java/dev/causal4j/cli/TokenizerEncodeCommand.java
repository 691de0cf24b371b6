package dev.causal4j.cli;

import dev.causal4j.json.Json;
import dev.causal4j.tokenizer.Tokenizer;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Shows the tokens of texts. */
@Command(
        name = "encode",
        description =
                "Prints the tokens of a text: id, piece, and the first byte in the text and the one after the last.")
final class TokenizerEncodeCommand extends Subcommand {
    @Parameters(arity = "0..1", paramLabel = "TEXT", description = "The text; - reads standard input.")
    private @Nullable String text;

    @Option(names = "--file", paramLabel = "F", description = "File with the text.")
    private @Nullable Path file;

    @Option(
            names = "--jsonl",
            paramLabel = "IN",
            description =
                    "Many texts: a JSON object a line with a field \"text\", an object a line out; - reads standard"
                            + " input.")
    private @Nullable String lines;

    @Mixin
    private TextOptions texts;

    @Mixin
    private TokenizerOptions tokenizers;

    @Override
    public Integer call() throws IOException {
        refuse(
                (text == null ? 0 : 1) + (file == null ? 0 : 1) + (lines == null ? 0 : 1) != 1,
                "text: expected one of TEXT, --file and --jsonl, got none or several");
        Tokenizer tokenizer = tokenizers.load();
        if (lines != null) {
            answerLines(lines, (subject, line) -> encoded(tokenizer, subject, line));
            return 0;
        }
        String given = text != null ? TextInput.argument(text) : file != null ? TextInput.file(file) : "";
        Encoded encoded = encode(tokenizer, given);
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

    private Document encoded(Tokenizer tokenizer, String subject, byte[] line) throws IOException {
        Object value = Json.value(subject, line);
        if (!(value instanceof Map<?, ?> object && object.get("text") instanceof String given)) {
            throw new IOException(subject + ": expected an object with a string \"text\", got something else");
        }
        return encode(tokenizer, given).document();
    }
}
