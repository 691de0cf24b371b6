package dev.causal4j.langchain4j;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.generation.Embedder;
import dev.causal4j.generation.Engine;
import dev.causal4j.model.CausalLM;
import dev.langchain4j.data.segment.TextSegment;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.model.embedding.EmbeddingModel;
import dev.langchain4j.model.embedding.common.AbstractEmbeddingModelIT;
import dev.langchain4j.model.embedding.listener.EmbeddingModelListener;
import dev.langchain4j.model.embedding.request.EmbeddingRequest;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;

/** LangChain4j's own suite of embedding models. */
class Causal4jEmbeddingModelIT extends AbstractEmbeddingModelIT {
    private static final List<CausalLM> MODELS = List.of(load("embedding-last"), load("embedding-mean"));

    private static CausalLM load(String name) {
        try {
            return CausalLM.load(Path.of("../core/src/test/resources/dev/causal4j/golden", name));
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private static EmbeddingModel of(CausalLM model) {
        return new Causal4jEmbeddingModel(Embedder.of(model), Engine.shared(model));
    }

    @AfterAll
    static void close() {
        MODELS.forEach(CausalLM::close);
    }

    @Override
    protected List<EmbeddingModel> models() {
        return MODELS.stream().map(Causal4jEmbeddingModelIT::of).toList();
    }

    @Override
    protected EmbeddingModel modelWith(EmbeddingModelListener listener) {
        return models().getFirst().addListener(listener);
    }

    /** Its texts are too long. */
    @Override
    protected EmbeddingModel failingModelWith(EmbeddingModelListener listener) {
        EmbeddingModel model = models().getFirst();
        EmbeddingModel failing = new EmbeddingModel() {
            @Override
            public dev.langchain4j.model.embedding.response.EmbeddingResponse doEmbed(EmbeddingRequest request) {
                return model.embed(
                        EmbeddingRequest.builder().input("long ".repeat(300)).build());
            }
        };
        return failing.addListener(listener);
    }

    @Override
    protected boolean supportsImageInput() {
        return false;
    }

    @Override
    protected int dimensionsParameter() {
        return 16;
    }

    @Test
    void vectorsAreThoseOfTheEmbedder() {
        for (CausalLM model : MODELS) {
            EmbeddingModel embedding = of(model);
            assertThat(embedding.embed("Emma").content().vector())
                    .isEqualTo(Embedder.of(model).embed("Emma"));
            assertThat(embedding.modelName()).isEqualTo(model.name());
        }
    }

    @Test
    void aTextThatDoesNotFitIsNamed() {
        List<TextSegment> texts = List.of(TextSegment.from("a"), TextSegment.from("long ".repeat(300)));
        assertThatThrownBy(() -> models().getFirst().embedAll(texts))
                .isInstanceOf(InvalidRequestException.class)
                .hasMessageStartingWith("input 2: text: expected 1 to 256 tokens");
    }
}
