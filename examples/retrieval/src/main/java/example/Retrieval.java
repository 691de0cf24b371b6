package example;

import dev.causal4j.austen.AustenModel;
import dev.causal4j.generation.Embedder;
import dev.causal4j.generation.Engine;
import dev.causal4j.langchain4j.Causal4jEmbeddingModel;
import dev.causal4j.langchain4j.Causal4jLanguageModel;
import dev.causal4j.model.CausalLM;
import dev.langchain4j.data.embedding.Embedding;
import dev.langchain4j.data.segment.TextSegment;
import dev.langchain4j.model.embedding.EmbeddingModel;
import dev.langchain4j.model.embedding.onnx.allminilml6v2q.AllMiniLmL6V2QuantizedEmbeddingModel;
import dev.langchain4j.model.language.LanguageModel;
import dev.langchain4j.store.embedding.EmbeddingSearchRequest;
import dev.langchain4j.store.embedding.inmemory.InMemoryEmbeddingStore;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/** Finds the passage that a question is about, and continues from it, in one process. */
public final class Retrieval {
    private final EmbeddingModel embeddings;
    private final LanguageModel writer;
    private final InMemoryEmbeddingStore<TextSegment> store = new InMemoryEmbeddingStore<>();

    Retrieval(EmbeddingModel embeddings, CausalLM model) {
        this.embeddings = embeddings;
        writer = Causal4jLanguageModel.builder()
                .model(model)
                .temperature(0.0)
                .maxOutputTokens(20)
                .build();
    }

    void add(List<String> passages) {
        List<TextSegment> segments = passages.stream().map(TextSegment::from).toList();
        List<Embedding> vectors = embeddings.embedAll(segments).content();
        store.addAll(vectors, segments);
    }

    String find(String question) {
        Embedding vector = embeddings.embed(question).content();
        EmbeddingSearchRequest request =
                EmbeddingSearchRequest.builder().queryEmbedding(vector).maxResults(1).build();
        return store.search(request).matches().getFirst().embedded().text();
    }

    String goesOn(String passage) {
        return passage + writer.generate(passage).content();
    }

    /** @param arguments the folder or GGUF file of an embedding model, such as Qwen3-Embedding; MiniLM without */
    public static void main(String[] arguments) throws IOException {
        try (CausalLM model = AustenModel.load();
                CausalLM embeds = arguments.length > 0 ? CausalLM.load(Path.of(arguments[0])) : AustenModel.load()) {
            EmbeddingModel embeddings = arguments.length > 0
                    ? new Causal4jEmbeddingModel(Embedder.of(embeds), Engine.shared(embeds))
                    : new AllMiniLmL6V2QuantizedEmbeddingModel();
            Retrieval retrieval = new Retrieval(embeddings, model);
            retrieval.add(List.of(
                    "The carriage was at the door, and the horses were tired.",
                    "At the ball Mr. Bingley danced with Jane twice.",
                    "Mr. Woodhouse was afraid of the rain."));
            String passage = retrieval.find("Who danced with whom?");
            System.out.println(passage);
            System.out.println(retrieval.goesOn(passage));
        }
    }
}
