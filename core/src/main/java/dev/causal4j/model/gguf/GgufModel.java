package dev.causal4j.model.gguf;

import dev.causal4j.FormatException;
import dev.causal4j.format.Gguf;
import dev.causal4j.format.TensorStore;
import dev.causal4j.model.families.Architecture;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;

/**
 * The model in a GGUF file, from one reading of its header. Immutable and thread-safe.
 *
 * @param pooling llama.cpp's number of how a model that embeds pools hidden vectors: 1 mean, 3 last; else 0
 */
public record GgufModel(
        Architecture architecture, GgufFamily family, GgufVocabulary vocabulary, TensorStore tensors, int pooling) {
    static final String POOLING = "pooling_type";

    /**
     * Opens a file; see {@link Gguf#open}.
     *
     * @param files holds the data of every tensor
     * @throws FormatException if a file is not valid
     * @throws IOException if reading fails
     */
    public static GgufModel open(Path file, Arena files) throws IOException {
        Gguf gguf = Gguf.open(file, files);
        GgufFamily family = new GgufFamily(gguf.metadata(), gguf.tensors());
        Architecture architecture = family.read();
        GgufVocabulary vocabulary = new GgufVocabulary(gguf.metadata(), architecture.vocabularySize());
        String key = GgufArchitecture.of(gguf.metadata()).key(POOLING);
        int pooling = gguf.metadata().integer(key, 0, 0, Integer.MAX_VALUE);
        boolean known = pooling == 0 || pooling == 1 || pooling == 3;
        gguf.metadata().support(key, known, "1, mean, or 3, last; 2 is cls and 4 rank");
        return new GgufModel(architecture, family, vocabulary, gguf.tensors(), pooling);
    }
}
