package dev.causal4j.cli;

import dev.causal4j.json.WholeFile;
import dev.causal4j.model.Checkpoint;
import dev.causal4j.scoring.LlamaPerplexity;
import dev.causal4j.scoring.LlamaPerplexity.Result;
import dev.causal4j.scoring.LlamaPerplexity.Task;
import dev.causal4j.scoring.ScoringListener;
import java.io.IOException;
import java.lang.reflect.Field;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Option;

/** Options of {@code eval --protocol llama-perplexity}, and what it prints. */
final class LlamaPerplexityOptions extends SharedOptions {
    static final String NAME = "llama-perplexity";

    @Option(names = "--file", paramLabel = "F", description = NAME + ": the text, or the tasks of --hellaswag.")
    private @Nullable Path file;

    @Option(names = "--context", paramLabel = "N", description = NAME + ": tokens of a chunk; default: 512.")
    private int context = 512;

    @Option(names = "--chunks", paramLabel = "N", description = NAME + ": the first N chunks; default: all.")
    private int chunks = Integer.MAX_VALUE;

    @Option(names = "--save-base", paramLabel = "F", description = NAME + ": write the distributions, a large KL base file.")
    private @Nullable Path saved;

    @Option(names = "--base", paramLabel = "F", description = NAME + ": compare with a KL base file, on its text.")
    private @Nullable Path base;

    @Option(names = "--hellaswag", description = NAME + ": the accuracy on HellaSwag in its six-line form.")
    private boolean hellaSwag;

    /** The options and parameters that are given of these classes. */
    private Stream<ArgSpec> given(Class<?>... owners) {
        return spec.commandLine().getParseResult().matchedArgs().stream()
                .filter(each -> each.userObject() instanceof Field field
                        && List.of(owners).contains(field.getDeclaringClass()));
    }

    /** Refuses the options of other protocols. */
    void refuseIn(String protocol, Class<?>... others) {
        given(others).filter(each -> !each.toString().contains("--protocol")).findFirst().ifPresent(each -> refuse(
                true, "protocol: expected another one with " + each + ", got " + protocol));
    }

    /** Evaluates a model and prints the figures. */
    int run(RunOptions model, Subcommand command) throws IOException {
        refuse(file == null && (base == null || hellaSwag), "file: expected --file with the text, got none");
        refuse(base != null && saved != null, "base: expected one of --base and --save-base, got both");
        refuse(hellaSwag && given(getClass()).count() > 2, "hellaswag: expected --file alone beside it, got more");
        refuse(chunks < 1, "chunks: expected at least 1, got " + chunks);
        String text = file == null || base != null ? "" : text(file);
        if (saved != null) {
            WholeFile.check(saved);
        }
        Checkpoint opened = model.open();
        opened.requireTokenizer();
        int longest = opened.config().decoder().contextLength();
        refuse(
                context < 3 || (context > longest && base == null && !hellaSwag),
                "context: expected 3 to the context length " + longest + ", got " + context);
        if (base != null) {
            LlamaPerplexity.check(base, opened.config());
        }
        LlamaPerplexity figures = new LlamaPerplexity(model.load(opened));
        try (Progress progress = Progress.late("scoring", hellaSwag ? "tasks" : "tokens")) {
            ScoringListener listener = (done, total) -> {
                progress.at(done, total);
                return true;
            };
            Result made = hellaSwag
                    ? figures.hellaSwag(text, listener)
                    : base != null
                            ? figures.compare(base, chunks, listener)
                            : figures.perplexity(text, context, chunks, saved, listener);
            print(command, made);
        }
        return 0;
    }

    /** The text of a file without one final line feed; a byte order mark is a part of it. */
    private static String text(Path file) throws IOException {
        TextInput.requireRegular(file);
        try (var in = Files.newInputStream(file)) {
            String text = TextInput.decode(file.toString(), in.readNBytes(TextInput.MOST_BYTES + 1));
            return text.endsWith("\n") ? text.substring(0, text.length() - 1) : text;
        }
    }

    private static void print(Subcommand command, Result made) {
        Document document = new Document().put("protocol", NAME);
        StringBuilder lines = new StringBuilder();
        made.figures().forEach((name, value) -> {
            document.put(name, value);
            lines.append(String.format(value instanceof Double ? "%-22s%.6f%n" : "%-22s%d%n", name, value));
        });
        if (!made.tasks().isEmpty()) {
            document.put("samples", made.tasks().stream().map(LlamaPerplexityOptions::sample).toList());
        }
        command.print(document.put("bits", made.bits()), lines + "bits " + made.bits());
    }

    private static Document sample(Task task) {
        return new Document().put("common", task.common()).put("means", task.means()).put("gold", task.gold());
    }
}
