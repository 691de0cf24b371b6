package dev.causal4j.cli;

import dev.causal4j.generation.Embedder;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.Checkpoint;
import dev.causal4j.model.EmbeddingConfig;
import dev.causal4j.model.EmbeddingConfig.Pooling;
import java.io.IOException;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Makes vectors of texts. */
@Command(
        name = "embed",
        description = "Makes a vector of each text, with a model that was trained to, or any with --pooling.")
final class EmbedCommand extends Subcommand {
    private static final String VECTOR = "embedding";

    @Parameters(arity = "0..*", paramLabel = "TEXT", description = "The texts.")
    private List<String> texts = List.of();

    @Option(
            names = "--file",
            paramLabel = "F",
            description = "File with a text a line, spaces included; - reads standard input.")
    private @Nullable String file;

    @Option(
            names = "--prompt",
            paramLabel = "NAME",
            description = "Prompt of the model's files to put before each text, such as query or document.")
    private String prompt = "";

    @Option(names = "--dimensions", paramLabel = "N", description = "First numbers of a vector to keep; default: all.")
    private int dimensions;

    @Option(names = "--no-normalize", description = "Leave vectors as long as they are; default: of length 1.")
    private boolean raw;

    @Mixin
    private PoolingOptions pooling;

    @Mixin
    private LinesOptions lines;

    @Mixin
    private RunOptions model;

    @Mixin
    private AdapterOption adapter;

    @Override
    public Integer call() throws IOException {
        long ways = Stream.of(!texts.isEmpty(), file != null, lines.in != null)
                .filter(is -> is)
                .count();
        refuse(ways != 1, "text: expected one of TEXT, --file and --jsonl, got none or several");
        lines.check(json);
        List<String> given =
                file == null ? texts : TextInput.fileOrInput(file).lines().toList();
        Checkpoint opened = model.open();
        CausalLM loaded = adapter.addTo(model.load(opened, model.options()));
        Optional<EmbeddingConfig> own = loaded.embedding();
        Pooling how = pooling.pooling()
                .or(() -> own.map(EmbeddingConfig::pooling))
                .orElseThrow(() -> wrong("pooling: expected --pooling mean or last for a model whose files do not"
                        + " say how it embeds, got none"));
        Set<String> prompts =
                own.map(EmbeddingConfig::prompts).orElseGet(Map::of).keySet();
        refuse(
                !prompt.isEmpty() && !prompts.contains(prompt),
                "prompt: expected one of the model's files, " + prompts + ", got " + prompt);
        Embedder embedder = Usage.of(spec, () -> new Embedder(loaded, how, !raw, dimensions));
        if (lines.in != null) {
            return new EmbedLines(embedder).run("embedding", json) ? 0 : 1;
        }
        print(embedder, given);
        return 0;
    }

    private void print(Embedder embedder, List<String> given) {
        List<String> prompted =
                given.stream().map(text -> embedder.prompted(prompt, text)).toList();
        List<List<Float>> all =
                embedder.embedAll(prompted).stream().map(EmbedCommand::numbers).toList();
        if (json) {
            stdout().println(new Document()
                    .put("model", embedder.model().name())
                    .put("pooling", embedder.pooling().toString().toLowerCase(Locale.ROOT))
                    .put("dimensions", embedder.size())
                    .put("embeddings", all));
        } else {
            all.forEach(vector ->
                    stdout().println(vector.stream().map(Object::toString).collect(Collectors.joining(" "))));
        }
    }

    private static List<Float> numbers(float[] vector) {
        return IntStream.range(0, vector.length).mapToObj(i -> vector[i]).toList();
    }

    /** Embeds the texts of a JSON Lines file. */
    private final class EmbedLines extends ResultLines<int[], float[]> {
        private final Embedder embedder;

        EmbedLines(Embedder embedder) {
            super(lines, Set.of(VECTOR), VECTOR, spec.commandLine());
            this.embedder = embedder;
        }

        @Override
        int[] request(String text) {
            return embedder.checked(embedder.tokens(embedder.prompted(prompt, text)));
        }

        @Override
        int tokens(int[] request) {
            return request.length;
        }

        @Override
        List<float[]> compute(List<int[]> requests) {
            return embedder.embedTokens(requests);
        }

        @Override
        void add(float[] vector, Document line) {
            line.put(VECTOR, numbers(vector));
        }
    }
}
