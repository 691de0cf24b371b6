package dev.causal4j.langchain4j;

import dev.causal4j.generation.Embedder;
import dev.causal4j.generation.Engine;
import dev.causal4j.generation.Engine.Requester;
import dev.langchain4j.data.embedding.Embedding;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.model.embedding.EmbeddingModel;
import dev.langchain4j.model.embedding.request.EmbeddingParameter;
import dev.langchain4j.model.embedding.request.EmbeddingRequest;
import dev.langchain4j.model.embedding.request.EmbeddingRequestParameters;
import dev.langchain4j.model.embedding.response.EmbeddingResponse;
import dev.langchain4j.model.output.TokenUsage;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/**
 * Turns texts into vectors. A request's type of input puts the prompt of the model's files before each text, if they
 * have one. Immutable and thread-safe. Owns nothing: its engine's owner closes that.
 */
public final class Causal4jEmbeddingModel implements EmbeddingModel {
    private final Embedder embedder;
    private final Engine engine;

    /**
     * A model that an engine computes; {@link Engine#shared} for one that all callers share.
     *
     * @param embedder of the engine's model, for instance {@link Embedder#of}
     * @throws IllegalStateException if the model has no tokenizer
     */
    public Causal4jEmbeddingModel(Embedder embedder, Engine engine) {
        embedder.model().requireTokenizer();
        this.embedder = embedder;
        this.engine = engine;
    }

    /**
     * Embeds texts, several at once.
     *
     * @throws InvalidRequestException if a text has no token or does not fit the context, naming the text, from 1
     */
    @Override
    public EmbeddingResponse doEmbed(EmbeddingRequest request) {
        return Sampling.translating(() -> {
            Embedder asked = request.dimensions() == null ? embedder : embedder.withDimensions(request.dimensions());
            String type = request.inputType() == null ? "" : request.inputType().name();
            List<int[]> texts = request.inputs().stream()
                    .map(input -> asked.tokens(asked.prompted(type.toLowerCase(Locale.ROOT), input.text())))
                    .toList();
            List<Embedding> vectors = asked.embed(texts, engine, Requester.of("")).stream()
                    .map(Embedding::from)
                    .toList();
            int tokens = texts.stream().mapToInt(text -> text.length).sum();
            return EmbeddingResponse.builder()
                    .embeddings(vectors)
                    .modelName(modelName())
                    .tokenUsage(new TokenUsage(tokens, 0))
                    .build();
        });
    }

    @Override
    public Set<EmbeddingParameter<?>> supportedParameters() {
        return Set.of(EmbeddingRequestParameters.DIMENSIONS, EmbeddingRequestParameters.INPUT_TYPE);
    }

    @Override
    public int dimension() {
        return embedder.size();
    }

    @Override
    public String modelName() {
        return embedder.model().name();
    }
}
