package dev.causal4j.springai;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.InputException;
import dev.causal4j.generation.Embedder;
import dev.causal4j.generation.Engine;
import dev.causal4j.model.CausalLM;
import io.micrometer.observation.ObservationRegistry;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.springframework.ai.content.Media;
import org.springframework.ai.document.Document;
import org.springframework.ai.document.MetadataMode;
import org.springframework.ai.embedding.EmbeddingModel;
import org.springframework.core.io.ByteArrayResource;
import org.springframework.util.MimeTypeUtils;

class Causal4jEmbeddingModelTest {
    private static final CausalLM TOOLS = SmallModels.ENGINE.model();
    private static final EmbeddingModel MODEL = Subject.IT.embedding(ObservationRegistry.NOOP);
    private static final Document DOCUMENT = new Document("a letter to Emma", Map.of("year", 1814));

    @Test
    void aDocumentEqualsItsTextUnlessMetadataAreAskedFor() {
        assertThat(MODEL.embed(DOCUMENT))
                .isEqualTo(MODEL.embed("a letter to Emma"))
                .isEqualTo(MODEL.embed(List.of(DOCUMENT), null, List::of).getFirst());
        EmbeddingModel more = Causal4jEmbeddingModel.builder()
                .model(TOOLS)
                .metadataMode(MetadataMode.EMBED)
                .build();
        assertThat(more.embed(DOCUMENT))
                .isEqualTo(MODEL.embed("year: 1814\n\na letter to Emma"))
                .isEqualTo(more.embed(List.of(DOCUMENT), null, List::of).getFirst())
                .isNotEqualTo(MODEL.embed(DOCUMENT));
    }

    @Test
    void whatHasNoTextIsRefused() {
        Media image = new Media(MimeTypeUtils.IMAGE_PNG, new ByteArrayResource(new byte[8]));
        assertThatThrownBy(() -> MODEL.embed(new Document(image, Map.of())))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("document: expected text, since media are not supported, got none");
        assertThatThrownBy(() -> MODEL.embed(List.of("a", "")))
                .isInstanceOf(InputException.class)
                .hasMessageStartingWith("input 2: text: expected 1 to 16384 tokens");
    }

    @Test
    void dimensionsAndEngineAreThoseOfTheBuilder() {
        try (Engine engine = new Engine(TOOLS, dev.causal4j.generation.EngineOptions.DEFAULT)) {
            EmbeddingModel few = Causal4jEmbeddingModel.builder()
                    .embedder(Embedder.of(TOOLS).withDimensions(8))
                    .engine(engine)
                    .build();
            assertThat(few.dimensions()).isEqualTo(8);
            assertThat(few.embed("a")).hasSize(8);
        }
        assertThatThrownBy(() -> Causal4jEmbeddingModel.builder().build())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("engine: expected one, got none; call engine(...) or model(...)");
    }
}
