package dev.causal4j.model.gguf;

import dev.causal4j.FormatException;
import dev.causal4j.format.Gguf;
import dev.causal4j.format.TensorStore;
import dev.causal4j.model.families.Architecture;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;

/** The model in a GGUF file, from one reading of its header. Immutable and thread-safe. */
public record GgufModel(Architecture architecture, GgufFamily family, GgufVocabulary vocabulary, TensorStore tensors) {
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
        return new GgufModel(architecture, family, vocabulary, gguf.tensors());
    }
}
