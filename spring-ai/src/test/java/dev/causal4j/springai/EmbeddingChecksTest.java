package dev.causal4j.springai;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.NullUnmarked;
import org.junit.jupiter.api.Test;
import org.springframework.ai.document.Document;
import org.springframework.ai.embedding.Embedding;
import org.springframework.ai.embedding.EmbeddingOptions;
import org.springframework.ai.embedding.EmbeddingRequest;
import org.springframework.ai.embedding.EmbeddingResponse;
import org.springframework.ai.embedding.observation.EmbeddingModelObservationContext;
import org.springframework.ai.vectorstore.SearchRequest;
import org.springframework.ai.vectorstore.SimpleVectorStore;

/** Vectors. */
@NullUnmarked // where Spring AI has nothing to give, a check fails
class EmbeddingChecksTest extends SpringChecks {

    @Test
    void vectorsHaveLengthOneAndTheSameBitsInAnyCompany() {
        List<String> texts =
                IntStream.range(0, 20).mapToObj(i -> "text " + "ab".repeat(i)).toList();
        List<float[]> all = EMBED.embed(texts);
        for (int i = 0; i < 20; i++) {
            assertArrayEquals(EMBED.embed(texts.get(i)), all.get(i), 0, texts.get(i));
            double length = 0;
            for (float x : all.get(i)) {
                length += x * x;
            }
            assertEquals(1, length, 1e-5);
        }
        assertEquals(EMBED.dimensions(), all.getFirst().length);
    }

    @Test
    void embeddingsHaveIndexesModelAndUsage() {
        EmbeddingResponse two = EMBED.embedForResponse(List.of("a", "bc"));
        assertEquals(
                List.of(0, 1),
                two.getResults().stream().map(Embedding::getIndex).toList());
        assertEquals("tools", two.getMetadata().getModel());
        assertEquals(
                "abc".getBytes(StandardCharsets.UTF_8).length,
                two.getMetadata().getUsage().getPromptTokens());
        assertEquals(
                0,
                EMBED.call(new EmbeddingRequest(List.of(), null)).getResults().size());
    }

    @Test
    void embeddingsRefuseWhatTheyCannotDo() {
        assertThrows(
                IllegalArgumentException.class,
                () -> EMBED.call(new EmbeddingRequest(
                        List.of("a"), EmbeddingOptions.builder().dimensions(7).build())));
        assertThrows(
                IllegalArgumentException.class,
                () -> EMBED.call(new EmbeddingRequest(
                        List.of("a"), EmbeddingOptions.builder().model("other").build())));
        assertThrows(IllegalArgumentException.class, () -> EMBED.embed("word ".repeat(20_000)));
        assertEquals(
                EMBED.dimensions(),
                EMBED.call(new EmbeddingRequest(
                                List.of("a"),
                                EmbeddingOptions.builder()
                                        .dimensions(EMBED.dimensions())
                                        .build()))
                        .getResult()
                        .getOutput()
                        .length);
    }

    @Test
    void aVectorStoreFindsTheTextItself() {
        SimpleVectorStore store = SimpleVectorStore.builder(EMBED).build();
        List<String> texts = List.of("the cat sat on the mat", "rain in May", "an engine of steam", "letters to Emma");
        store.add(texts.stream().map(Document::new).toList());
        for (String each : texts) {
            List<Document> found = store.similaritySearch(
                    SearchRequest.builder().query(each).topK(1).build());
            assertEquals(each, found.getFirst().getText());
            assertEquals(1.0, found.getFirst().getScore(), 1e-5);
        }
    }

    @Test
    void embeddingsAreObserved() throws Exception {
        Seen seen = new Seen();
        S.embedding(Seen.registry(seen)).embed(List.of("a", "b"));
        EmbeddingModelObservationContext context = (EmbeddingModelObservationContext) seen.only();
        assertEquals("gen_ai.client.operation", context.getName());
        Map<String, String> all =
                context.getAllKeyValues().stream().collect(Collectors.toMap(k -> k.getKey(), v -> v.getValue()));
        assertEquals("tools", all.get("gen_ai.request.model"));
        assertEquals("2", all.get("gen_ai.usage.input_tokens"));
    }
}
