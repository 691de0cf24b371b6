package dev.causal4j.cli;

import dev.causal4j.tokenizer.BytePairTrainer;
import dev.causal4j.tokenizer.Tokenizer;
import dev.causal4j.training.Documents;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Trains a byte-pair tokenizer on files of text. */
@Command(name = "train", description = "Trains a byte-pair tokenizer on files of text.")
final class TokenizerTrainCommand extends Subcommand {
    @Mixin
    private DataOptions data;

    @Option(
            names = "--vocabulary-size",
            paramLabel = "N",
            required = true,
            description = "Vocabulary size, including the 256 bytes and the special tokens.")
    private int vocabularySize;

    @Option(
            names = "--out",
            paramLabel = "DIR",
            required = true,
            description = "Folder for tokenizer.json, vocab.json and merges.txt; created if missing.")
    @SuppressWarnings("NullAway.Init")
    private Path out;

    @Option(names = "--overwrite", description = "Replace these files in a folder that is not empty.")
    private boolean overwrite;

    @Option(
            names = "--special-token",
            paramLabel = "TOKEN",
            description = "A special token, with one of the last ids; may be repeated. Default: those of the kind.")
    private List<String> specialTokens = List.of();

    @Option(
            names = "--kind",
            paramLabel = "KIND",
            description = "Splits words as gpt2, llama3 or qwen does, with the special tokens of its conversations;"
                    + " default: gpt2.")
    private BytePairTrainer.Kind kind = BytePairTrainer.Kind.GPT2;

    @Option(
            names = "--min-frequency",
            paramLabel = "N",
            description = "Fewest occurrences of a pair that becomes a token; default: ${DEFAULT-VALUE}.")
    private int minFrequency = BytePairTrainer.MIN_FREQUENCY;

    @Override
    public Integer call() throws IOException {
        long start = System.nanoTime();
        List<String> special = specialTokens.isEmpty() ? kind.specialTokens() : specialTokens;
        BytePairTrainer trainer =
                Usage.of(spec, () -> new BytePairTrainer(kind, vocabularySize, special, minFrequency));
        OutputFolder folder = new OutputFolder(out, overwrite, Set.of());
        Documents documents = data.documents(data.paths());
        long bytes = documents.bytes();
        try (Progress progress = new Progress("reading", Progress.BYTES, bytes)) {
            documents.forEach(trainer::add, progress::at);
        }
        Tokenizer tokenizer;
        try (Progress progress = new Progress("merging", "tokens", vocabularySize)) {
            tokenizer = trainer.train(progress::at);
        }
        tokenizer.save(folder.create());
        print(tokenizer, bytes, (System.nanoTime() - start) / 1e9);
        return 0;
    }

    private void print(Tokenizer tokenizer, long bytes, double seconds) {
        int size = tokenizer.vocabularySize();
        Document document = new Document()
                .put("out", out)
                .put("vocabulary_size", size)
                .put("requested_vocabulary_size", vocabularySize)
                .put("data_bytes", bytes)
                .put("seconds", seconds);
        String told = "%,d tokens from %,d bytes in %.1f s, written to %s";
        print(document, told.formatted(size, bytes, seconds, out));
        if (size < vocabularySize) {
            String few = "vocabulary-size: expected %d, got %d; no other pair occurs %d times, give more data%n";
            stderr().printf(few, vocabularySize, size, minFrequency);
        }
    }
}
