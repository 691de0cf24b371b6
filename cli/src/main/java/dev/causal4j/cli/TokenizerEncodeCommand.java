package dev.causal4j.cli;

import dev.causal4j.tokenizer.Tokenizer;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** Shows the tokens of texts. */
@Command(
        name = "encode",
        description =
                "Prints the tokens of a text: id, piece, and the first byte in the text and the one behind the last.")
final class TokenizerEncodeCommand extends Subcommand {
    @Parameters(
            arity = "0..1",
            paramLabel = "TEXT",
            description = "The text; - reads standard input, without its last line end.")
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
        if ((text == null ? 0 : 1) + (file == null ? 0 : 1) + (lines == null ? 0 : 1) != 1) {
            throw wrong("text: expected one of TEXT, --file and --jsonl, got none or several");
        }
        Tokenizer tokenizer = tokenizers.load();
        PrintWriter out = stdout();
        if (lines != null) {
            encodeLines(tokenizer, lines, out);
            return 0;
        }
        String given = text != null ? TextInput.argument(text) : file != null ? TextInput.file(file) : "";
        ObjectNode document = encode(tokenizer, given);
        if (json) {
            Json.print(out, document);
            return 0;
        }
        for (int i = 0; i < document.get("tokens").size(); i++) {
            String piece = Visible.quoted(document.get("pieces").get(i).asString());
            out.println(document.get("tokens").get(i) + " " + piece + " "
                    + document.get("offsets").get(i));
        }
        return 0;
    }

    private ObjectNode encode(Tokenizer tokenizer, String given) {
        Tokenizer.Encoding encoding = tokenizer.encodeWithOffsets(given, texts.specialTokens());
        int[] tokens = tokenizer.withPrefix(encoding.tokens());
        int before = tokens.length - encoding.tokens().length;
        ObjectNode document = Json.object();
        document.set("tokens", Json.array(tokens));
        ArrayNode pieces = document.putArray("pieces");
        ArrayNode offsets = document.putArray("offsets");
        for (int i = 0; i < tokens.length; i++) {
            pieces.add(tokenizer.piece(tokens[i]));
            offsets.addArray()
                    .add(i < before ? 0 : encoding.starts()[i - before])
                    .add(i < before ? 0 : encoding.ends()[i - before]);
        }
        return document;
    }

    private void encodeLines(Tokenizer tokenizer, String in, PrintWriter out) throws IOException {
        try (InputStream bytes = TextInput.open(in)) {
            LineReader reader = new LineReader(bytes, TextInput.MOST_BYTES);
            for (Optional<byte[]> line = reader.next(); line.isPresent() && !out.checkError(); line = reader.next()) {
                String subject = TextInput.name(in) + " line " + reader.number();
                String given = TextInput.decode(subject, line.get());
                if (!given.isBlank()) {
                    Json.print(out, encode(tokenizer, text(subject, given)));
                }
            }
        }
    }

    private static String text(String subject, String line) throws IOException {
        try {
            return Json.parse(line).path("text").stringValue();
        } catch (JacksonException e) {
            throw new IOException(subject + ": expected an object with a string \"text\", got something else", e);
        }
    }
}
