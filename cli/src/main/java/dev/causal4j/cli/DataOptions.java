package dev.causal4j.cli;

import dev.causal4j.training.Documents;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import picocli.CommandLine.Option;

/** Options of commands that read training texts. */
final class DataOptions {
    @Option(
            names = "--data",
            paramLabel = "FILE|DIR",
            arity = "1..*",
            required = true,
            description = "Text files, JSONL files (*.jsonl, a document a line), and folders with them, in UTF-8.")
    private List<Path> data = List.of();

    @Option(names = "--text-field", paramLabel = "NAME", description = "Text field of a JSONL line; default: text.")
    private String textField = Documents.TEXT_FIELD;

    List<Path> paths() {
        return data;
    }

    /** The documents of these or other paths. */
    Documents documents(List<Path> paths) throws IOException {
        return Documents.of(paths.toArray(Path[]::new)).withTextField(textField);
    }
}
