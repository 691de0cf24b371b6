package dev.causal4j.cli;

import java.io.IOException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** A text, or many, that a command reads. */
final class GivenText {
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
    @Nullable
    String lines;

    /** The number of ways in which texts were given. */
    int ways() {
        return (text == null ? 0 : 1) + (file == null ? 0 : 1) + (lines == null ? 0 : 1);
    }

    /** The text that is not in lines. */
    String read() throws IOException {
        return text != null ? TextInput.argument(text) : file != null ? TextInput.file(file) : "";
    }
}
