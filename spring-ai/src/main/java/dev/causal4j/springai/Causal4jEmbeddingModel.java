package dev.causal4j.springai;

import dev.causal4j.generation.Embedder;
import dev.causal4j.generation.Engine;
import dev.causal4j.generation.Engine.Requester;
import io.micrometer.observation.ObservationRegistry;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.springframework.ai.chat.metadata.DefaultUsage;
import org.springframework.ai.document.Document;
import org.springframework.ai.document.MetadataMode;
import org.springframework.ai.embedding.Embedding;
import org.springframework.ai.embedding.EmbeddingModel;
import org.springframework.ai.embedding.EmbeddingOptions;
import org.springframework.ai.embedding.EmbeddingRequest;
import org.springframework.ai.embedding.EmbeddingResponse;
import org.springframework.ai.embedding.EmbeddingResponseMetadata;
import org.springframework.ai.embedding.observation.DefaultEmbeddingModelObservationConvention;
import org.springframework.ai.embedding.observation.EmbeddingModelObservationContext;
import org.springframework.ai.embedding.observation.EmbeddingModelObservationConvention;
import org.springframework.ai.embedding.observation.EmbeddingModelObservationDocumentation;

/**
 * Turns texts into vectors by a model in this process. Immutable and thread-safe; callers at once are computed together. Owns
 * nothing: its engine's owner closes that.
 */
public final class Causal4jEmbeddingModel implements EmbeddingModel {
    private static final EmbeddingModelObservationConvention CONVENTION =
            new DefaultEmbeddingModelObservationConvention();

    private final Embedder embedder;
    private final Engine engine;
    private final MetadataMode mode;
    private final ObservationRegistry observations;
    private final @Nullable EmbeddingModelObservationConvention convention;

    private Causal4jEmbeddingModel(Builder builder) {
        engine = builder.engine();
        engine.model().requireTokenizer();
        embedder = builder.embedder == null ? Embedder.of(engine.model()) : builder.embedder;
        mode = builder.mode;
        observations = builder.observations;
        convention = builder.convention;
    }

    /** A builder. */
    public static Builder builder() {
        return new Builder();
    }

    /**
     * Embeds texts, several at once.
     *
     * @return a vector for each, in their order; none for no texts
     * @throws IllegalArgumentException if the options ask for another model or other dimensions than these, before
     *     anything is computed
     * @throws dev.causal4j.InputException if a text has no token or does not fit the context
     */
    @Override
    public EmbeddingResponse call(EmbeddingRequest request) {
        EmbeddingOptions own = EmbeddingOptions.builder()
                .model(embedder.model().name())
                .dimensions(embedder.size())
                .build();
        EmbeddingModelObservationContext context = EmbeddingModelObservationContext.builder()
                .embeddingRequest(new EmbeddingRequest(request.getInstructions(), own))
                .provider(Translation.PROVIDER)
                .build();
        return EmbeddingModelObservationDocumentation.EMBEDDING_MODEL_OPERATION
                .observation(convention, CONVENTION, () -> context, observations)
                .observe(() -> {
                    EmbeddingOptions asked = request.getOptions();
                    if (asked != null) {
                        Translation.require("model", own.getModel(), asked.getModel());
                        Translation.require("dimensions", own.getDimensions(), asked.getDimensions());
                    }
                    EmbeddingResponse response = embedded(request.getInstructions());
                    context.setResponse(response);
                    return response;
                });
    }

    private EmbeddingResponse embedded(List<String> texts) {
        List<int[]> tokens = texts.stream().map(embedder::tokens).toList();
        List<float[]> vectors = embedder.embed(tokens, engine, Requester.of(""));
        int sum = tokens.stream().mapToInt(each -> each.length).sum();
        return new EmbeddingResponse(
                IntStream.range(0, vectors.size())
                        .mapToObj(i -> new Embedding(vectors.get(i), i))
                        .toList(),
                new EmbeddingResponseMetadata(embedder.model().name(), new DefaultUsage(sum, 0)));
    }

    /** Embeds {@link #getEmbeddingContent}. Errors as of {@link #call(EmbeddingRequest)}. */
    @Override
    public float[] embed(Document document) {
        return embed(getEmbeddingContent(document));
    }

    /**
     * The text of a document, with its metadata in the mode of this model.
     *
     * @throws IllegalArgumentException if it has no text
     */
    @Override
    public String getEmbeddingContent(Document document) {
        return Translation.text(document, mode);
    }

    @Override
    public int dimensions() {
        return embedder.size();
    }

    /** Collects the settings; not thread-safe. */
    public static final class Builder extends Settings<Builder> {
        private @Nullable Embedder embedder;
        private MetadataMode mode = MetadataMode.NONE;
        private ObservationRegistry observations = ObservationRegistry.NOOP;
        private @Nullable EmbeddingModelObservationConvention convention;

        private Builder() {}

        /** An embedder of the engine's model; without it {@link Embedder#of} that. */
        public Builder embedder(@Nullable Embedder embedder) {
            this.embedder = embedder;
            return this;
        }

        /** Which metadata stand before a document's text: none without this, so that a document equals its text. */
        public Builder metadataMode(MetadataMode mode) {
            this.mode = mode;
            return this;
        }

        /** Where calls are observed; nowhere without it. */
        public Builder observationRegistry(ObservationRegistry observations) {
            this.observations = observations;
            return this;
        }

        /** Names and tags of observations; without it Spring AI's. */
        public Builder observationConvention(@Nullable EmbeddingModelObservationConvention convention) {
            this.convention = convention;
            return this;
        }

        /**
         * The model.
         *
         * @throws IllegalArgumentException if there is no engine
         * @throws IllegalStateException if its model has no tokenizer
         */
        public Causal4jEmbeddingModel build() {
            return new Causal4jEmbeddingModel(this);
        }
    }
}
