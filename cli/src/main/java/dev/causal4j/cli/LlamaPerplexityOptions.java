package dev.causal4j.cli;

import dev.causal4j.json.WholeFile;
import dev.causal4j.model.Checkpoint;
import dev.causal4j.scoring.LlamaPerplexity;
import dev.causal4j.scoring.LlamaPerplexity.Result;
import dev.causal4j.scoring.LlamaPerplexity.Task;
import dev.causal4j.scoring.ScoringListener;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Options of {@code eval --protocol llama-perplexity}, and what it prints. */
final class LlamaPerplexityOptions extends SharedOptions {
    static final String NAME = "llama-perplexity";

    private static final int CONTEXT = 512;

    @Option(
            names = "--file",
            paramLabel = "F",
            description = "llama-perplexity: the text, or the tasks of --hellaswag.")
    private @Nullable Path file;

    @Option(names = "--context", paramLabel = "N", description = "llama-perplexity: tokens of a chunk; default: 512.")
    private @Nullable Integer context;

    @Option(names = "--chunks", paramLabel = "N", description = "llama-perplexity: the first N chunks; default: all.")
    private @Nullable Integer chunks;

    @Option(
            names = "--save-base",
            paramLabel = "F",
            description = "llama-perplexity: write the distributions to a KL base file; it has 2 bytes for each token"
                    + " of the vocabulary at each second token of the text.")
    private @Nullable Path saved;

    @Option(
            names = "--base",
            paramLabel = "F",
            description =
                    "llama-perplexity: compare with the distributions in a KL base file; text and context are those"
                            + " of that file.")
    private @Nullable Path base;

    @Option(names = "--hellaswag", description = "llama-perplexity: the accuracy on HellaSwag in its six-line form.")
    private boolean hellaSwag;

    /** Whether any of them is given. */
    boolean isGiven() {
        return hellaSwag || Stream.of(file, context, chunks, saved, base).anyMatch(Objects::nonNull);
    }

    /** Evaluates a model and prints the figures. */
    int run(RunOptions model, Subcommand command) throws IOException {
        refuse(file == null && (base == null || hellaSwag), "file: expected --file with the text, got none");
        refuse(base != null && saved != null, "base: expected one of --base and --save-base, got both");
        refuse(
                hellaSwag && Stream.of(context, chunks, saved, base).anyMatch(Objects::nonNull),
                "hellaswag: expected no other option of llama-perplexity than --file, got more");
        int tokens = Objects.requireNonNullElse(context, CONTEXT);
        int most = Objects.requireNonNullElse(chunks, Integer.MAX_VALUE);
        refuse(most < 1, "chunks: expected at least 1, got " + most);
        String text = file == null || base != null ? "" : text(file);
        if (saved != null) {
            WholeFile.check(saved);
        }
        Checkpoint opened = model.open();
        int longest = opened.config().decoder().contextLength();
        refuse(
                base == null && !hellaSwag && (tokens < 3 || tokens > longest),
                "context: expected 3 to the context length " + longest + ", got " + tokens);
        opened.requireTokenizer();
        LlamaPerplexity figures = new LlamaPerplexity(model.load(opened));
        try (Progress progress = Progress.late("scoring", "tokens")) {
            ScoringListener listener = (done, total) -> {
                progress.at(done, total);
                return true;
            };
            print(
                    command,
                    hellaSwag
                            ? figures.hellaSwag(text, listener)
                            : base != null
                                    ? figures.compare(base, most, listener)
                                    : figures.perplexity(text, tokens, most, saved, listener));
            return 0;
        }
    }

    /** The text of a file without one final line feed; a byte order mark is a part of it. */
    private static String text(Path file) throws IOException {
        TextInput.requireRegular(file);
        try (var in = Files.newInputStream(file)) {
            String text = TextInput.decode(file.toString(), in.readNBytes(TextInput.MOST_BYTES + 1));
            return text.endsWith("\n") ? text.substring(0, text.length() - 1) : text;
        }
    }

    private void print(Subcommand command, Result made) {
        Document document = new Document().put("protocol", NAME);
        StringBuilder lines = new StringBuilder();
        made.figures().forEach((name, value) -> {
            document.put(name, value);
            String shown = value instanceof Double real ? String.format("%.6f", real) : value.toString();
            lines.append(String.format("%-22s%s%n", name, shown));
        });
        if (hellaSwag) {
            document.put("tasks", made.tasks().size());
            document.put(
                    "samples",
                    made.tasks().stream().map(LlamaPerplexityOptions::sample).toList());
        }
        command.print(document.put("bits", made.bits()), lines + "bits " + made.bits());
    }

    private static Document sample(Task task) {
        return new Document()
                .put("common", task.common())
                .put("means", task.means())
                .put("gold", task.gold());
    }
}
