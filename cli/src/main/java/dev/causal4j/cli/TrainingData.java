package dev.causal4j.cli;

import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.head.CausalLMHead;
import dev.causal4j.model.ModelConfig;
import dev.causal4j.tokenizer.Tokenizer;
import dev.causal4j.training.Documents;
import dev.causal4j.training.Example;
import dev.causal4j.training.Examples;
import dev.causal4j.training.Tokens;
import dev.causal4j.training.TrainingOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.OptionalInt;
import java.util.Set;
import java.util.concurrent.CancellationException;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Options of training and held-out data. */
final class TrainingData extends SharedOptions {
    /** Ways to cut the text into examples. */
    enum Cut {
        /** Windows of the text as it is. */
        WINDOWS,
        /** Documents in random order, concatenated and cut into windows. */
        DOCUMENTS
    }

    @Mixin
    private DataOptions data;

    @Option(names = "--held-out-data", paramLabel = "FILE|DIR", arity = "1..*", description = "Texts to evaluate on.")
    private List<Path> heldOutData = List.of();

    @Option(
            names = "--held-out",
            paramLabel = "FRACTION",
            description = "Share of the data to hold out at its end, 0 for none; default: 0.05.")
    private @Nullable Double heldOut;

    @Option(names = "--context-length", paramLabel = "T", description = "Tokens of an example; default: the context.")
    private @Nullable Integer contextLength;

    @Option(
            names = "--cut",
            paramLabel = "HOW",
            defaultValue = "windows",
            description = "Cut examples from the text as it is, or from its documents in random order:"
                    + " windows or documents; default: ${DEFAULT-VALUE}.")
    private Cut cut = Cut.WINDOWS;

    @Option(
            names = "--eval-tokens",
            paramLabel = "N",
            description = "Most tokens of an evaluation, spread evenly over the held-out text; 0 for all;"
                    + " default: ${DEFAULT-VALUE}.")
    private long evalTokens = 65_536;

    /** Folder of the token files in the run's folder. */
    static final String FOLDER = "data";

    /** Training and held-out examples, and an identity of the data and their cut. */
    record Parts(Examples training, @Nullable Examples heldOut, String identity) {
        private static final int LEAST_PROMPT = 8;

        /** The options of a run with these data. */
        TrainingOptions complete(TrainingOptions options) {
            TrainingOptions named = options.withData(identity);
            return heldOut == null ? named : named.withHeldOut(heldOut);
        }

        /** The beginning of the held-out text, in a conversation up to an answer: samples continue it. */
        int[] prompt() {
            Example first = Objects.requireNonNull(heldOut).example(0);
            int[] targets = first.targets();
            int length = LEAST_PROMPT;
            while (length < targets.length && targets[length - 1] == CausalLMHead.IGNORED) {
                length++;
            }
            return Arrays.copyOf(first.tokens(), Math.min(length, targets.length));
        }
    }

    void check() {
        refuse(heldOut != null && !heldOutData.isEmpty(), "held-out: expected --held-out or --held-out-data, got both");
        refuse(
                heldOut != null && !(heldOut >= 0 && heldOut < 1),
                "held-out: expected a fraction from 0 to below 1, got " + heldOut);
        refuse(contextLength != null && contextLength < 1, "context-length: expected at least 1, got " + contextLength);
        refuse(evalTokens < 0, "eval-tokens: expected at least 0, got " + evalTokens);
    }

    /** Above 0 if there are evaluations: with data of their own it is the default. */
    double share() {
        return heldOut == null ? 0.05 : heldOut;
    }

    /**
     * Tokenizes the data, or opens the existing token files.
     *
     * @param out the folder of the run
     */
    Parts parts(
            Path out,
            Tokenizer tokenizer,
            @Nullable ChatTemplate template,
            ModelConfig config,
            long seed,
            Interruption interruption)
            throws IOException {
        int positions = config.decoder().contextLength();
        int length = contextLength == null ? positions : contextLength;
        if (length > positions) {
            throw new IllegalArgumentException(
                    "context-length: expected at most the model's " + positions + " positions, got " + length);
        }
        int end = Tokens.endOfText(config.eos(), tokenizer)
                .orElseThrow(() -> new IllegalArgumentException("tokenizer: expected a token " + Tokenizer.END_OF_TEXT
                        + ", or a model with an end-of-sequence id, got neither; documents need an end"));
        requireOutside(out, data.paths());
        requireOutside(out, heldOutData);
        Path folder = Files.createDirectories(out.resolve(FOLDER));
        Documents documents = data.documents(data.paths()).withTemplate(template);
        Tokens tokens = tokens(folder.resolve("training.tokens"), documents, tokenizer, end, interruption);
        String identity = cut + " of " + length + " from " + tokens.fingerprint();
        Tokens measured = null;
        if (!heldOutData.isEmpty()) {
            Documents texts = data.documents(heldOutData).withTemplate(template);
            measured = tokens(folder.resolve("held-out.tokens"), texts, tokenizer, end, interruption);
            identity += ", held out " + measured.fingerprint();
        } else if (share() > 0) {
            Tokens.Split split = tokens.split(share());
            tokens = split.training();
            measured = split.heldOut();
            identity += ", held out " + share();
        }
        Examples training = cut == Cut.WINDOWS
                ? Examples.windows(tokens, length, seed)
                : Examples.packedDocuments(tokens, length, seed);
        long most = evalTokens == 0 ? Long.MAX_VALUE : Math.ceilDiv(evalTokens, length);
        Examples evaluated =
                measured == null ? null : Examples.inOrder(measured, length).evenly(most);
        return new Parts(training, evaluated, identity);
    }

    /** Refuses a run inside its own data: resumed, it would read its own files. */
    private static void requireOutside(Path out, List<Path> data) throws IOException {
        for (Path path : data) {
            if (Files.isDirectory(path) && out.toRealPath().startsWith(path.toRealPath())) {
                throw new IOException(
                        out + ": expected a folder outside the data, got one in " + path + "; name another");
            }
        }
    }

    private static Tokens tokens(
            Path file, Documents documents, Tokenizer tokenizer, int end, Interruption interruption)
            throws IOException {
        try (Progress progress = new Progress("tokenizing", Progress.BYTES, documents.bytes())) {
            return Tokens.prepare(file, documents, tokenizer, end, bytes -> {
                if (interruption.requested()) {
                    throw new CancellationException();
                }
                progress.at(bytes);
            });
        }
    }

    /** The configuration, with the tokenizer's end of text if it has none. */
    static ModelConfig withEnd(ModelConfig config, Tokenizer tokenizer) {
        OptionalInt end = Tokens.endOfText(config.eos(), tokenizer);
        if (!config.eos().isEmpty() || end.isEmpty() || end.getAsInt() >= config.vocabularySize()) {
            return config;
        }
        return config.withSpecialIds(config.bos().isPresent() ? config.bos() : end, Set.of(end.getAsInt()));
    }
}
