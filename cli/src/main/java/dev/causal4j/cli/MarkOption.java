package dev.causal4j.cli;

import dev.causal4j.generation.Mark;
import dev.causal4j.json.UntrustedInput;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** The key of the mark of generated texts. */
final class MarkOption {
    private static final int MOST_BYTES = 4096;

    @Option(
            names = "--mark-key",
            paramLabel = "FILE",
            description =
                    "File with a secret key, of 16 to 4096 bytes that are best random. Texts that are generated with"
                            + " it are marked, and detect finds them.")
    private @Nullable Path file;

    /** The mark; empty if no key was given. */
    Optional<Mark> read() throws IOException {
        return file == null
                ? Optional.empty()
                : Optional.of(Mark.of(UntrustedInput.readFile(file, "a key", MOST_BYTES)));
    }
}
