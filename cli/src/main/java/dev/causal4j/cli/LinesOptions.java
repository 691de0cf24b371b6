package dev.causal4j.cli;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Options of scoring or embedding many texts. */
final class LinesOptions extends SharedOptions {
    @Option(
            names = "--jsonl",
            paramLabel = "IN",
            description = "Many texts: a JSON object a line with a field \"text\"; - reads standard input.")
    @Nullable
    String in;

    @Option(names = "--out", paramLabel = "OUT", description = "File for the results; default: standard output.")
    @Nullable
    Path out;

    @Option(names = "--resume", description = "Continue the interrupted run that wrote OUT.")
    boolean resume;

    @Option(names = "--overwrite", description = "Replace OUT.")
    boolean overwrite;

    @Option(names = "--fail-fast", description = "Stop at the first line without a result.")
    boolean failFast;

    /** Refuses what does not go together. */
    void check(boolean json) {
        refuse(
                in == null && (out != null || resume || overwrite || failFast),
                "jsonl: expected --jsonl with --out, --resume, --overwrite or --fail-fast, got none");
        refuse(
                in != null && out == null && (resume || overwrite || json),
                "out: expected --out with --resume, --overwrite or --json, got none");
        refuse(resume && overwrite, "out: expected --resume or --overwrite, got both");
    }
}
