package dev.causal4j.cli;

import dev.causal4j.json.UntrustedInput;
import dev.causal4j.json.WholeFile;
import dev.causal4j.model.Checkpoint;
import dev.causal4j.scoring.LlamaPerplexity;
import dev.causal4j.scoring.LlamaPerplexity.Result;
import dev.causal4j.scoring.LlamaPerplexity.Task;
import java.io.IOException;
import java.lang.reflect.Field;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Option;

/** Options of {@code eval --protocol llama-perplexity}, and what it prints. */
final class LlamaPerplexityOptions extends SharedOptions {
    static final String NAME = "llama-perplexity";

    private static final int CONTEXT = 512;

    @Option(names = "--file", paramLabel = "F", description = NAME + ": the text, or the tasks of --hellaswag.")
    private @Nullable Path file;

    @Option(names = "--context", paramLabel = "N", description = NAME + ": tokens of a chunk; default: 512.")
    private int context = CONTEXT;

    @Option(names = "--chunks", paramLabel = "N", description = NAME + ": the first N chunks; default: all.")
    private int chunks = Integer.MAX_VALUE;

    @Option(
            names = "--save-base",
            paramLabel = "F",
            description = NAME + ": write the distributions, a large KL base file.")
    private @Nullable Path saved;

    @Option(names = "--base", paramLabel = "F", description = NAME + ": compare with a KL base file, on its text.")
    private @Nullable Path base;

    @Option(names = "--hellaswag", description = NAME + ": the accuracy on HellaSwag in its six-line form.")
    private boolean hellaSwag;

    /** Refuses options of another protocol, which a class has. */
    void refuseOthers(Class<?> others) {
        for (ArgSpec each : spec.commandLine().getParseResult().matchedArgs()) {
            boolean other = each.userObject() instanceof Field field && field.getDeclaringClass() == others;
            String name = each instanceof OptionSpec option ? option.longestName() : each.paramLabel();
            refuse(other && !name.equals("--protocol"), "protocol: expected another one for " + name);
        }
    }

    /** Evaluates a model and prints the figures. */
    int run(RunOptions model, Subcommand command) throws IOException {
        refuse(file == null && (base == null || hellaSwag), "file: expected --file with the text, got none");
        refuse(base != null && saved != null, "base: expected one of --base and --save-base, got both");
        boolean more = saved != null || base != null || context != CONTEXT || chunks != Integer.MAX_VALUE;
        refuse(hellaSwag && more, "hellaswag: expected --file alone beside it, got more");
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
            Result made = hellaSwag
                    ? figures.hellaSwag(text, progress::at)
                    : base != null
                            ? figures.compare(base, chunks, progress::at)
                            : figures.perplexity(text, context, chunks, saved, progress::at);
            print(command, made);
        }
        return 0;
    }

    /** The text of a file without one final line feed; a byte order mark is a part of it. */
    private static String text(Path file) throws IOException {
        byte[] bytes = UntrustedInput.readFile(file, "a text", TextInput.MOST_BYTES);
        return TextInput.decode(file.toString(), bytes).replaceFirst("\n\\z", "");
    }

    private static void print(Subcommand command, Result made) {
        Document document = new Document().put("protocol", NAME);
        StringBuilder lines = new StringBuilder();
        made.figures().forEach((name, value) -> {
            document.put(name, value);
            String number = value instanceof Double figure ? String.format("%.6f", figure) : value.toString();
            lines.append(String.format("%-22s%s%n", name, number));
        });
        List<Document> samples = new ArrayList<>();
        for (Task each : made.tasks()) {
            Document sample = new Document().put("common", each.common()).put("means", each.means());
            samples.add(sample.put("gold", each.gold()));
        }
        document.put("samples", samples).put("bits", made.bits());
        command.print(document, lines + "bits " + made.bits());
    }
}
