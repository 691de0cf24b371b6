package dev.causal4j.springai;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.InputException;
import dev.causal4j.austen.AustenModel;
import dev.causal4j.model.CausalLM;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.springframework.ai.document.Document;
import org.springframework.ai.rag.Query;

class Causal4jDocumentRankerTest {
    private static final CausalLM AUSTEN = AustenModel.load();
    private static final Query QUERY = new Query("At the ball Mr. Bingley danced with Jane once more.");
    private static final List<Document> DOCUMENTS = List.of(
            new Document("The carriage was at the door, and the horses were tired."),
            new Document("b", "At the ball Mr. Bingley danced with Jane twice.", Map.of("page", 3)),
            new Document("Mr. Woodhouse was afraid of the rain."));

    private static Causal4jDocumentRanker.Builder builder() {
        return Causal4jDocumentRanker.builder().model(AUSTEN);
    }

    @Test
    void theDocumentThatFitsTheQueryComesFirst() {
        List<Document> ranked = builder().build().process(QUERY, DOCUMENTS);
        assertThat(ranked).hasSize(3);
        assertThat(ranked.getFirst().getId()).isEqualTo("b");
        assertThat(ranked.getFirst().getMetadata()).containsEntry("page", 3);
        assertThat(ranked).extracting(Document::getScore).allMatch(score -> score < 0);
        assertThat(ranked.get(0).getScore()).isGreaterThan(ranked.get(1).getScore());
        assertThat(ranked.get(1).getScore()).isGreaterThan(ranked.get(2).getScore());
        assertThat(builder().topN(1).build().process(QUERY, DOCUMENTS)).containsExactly(ranked.getFirst());
        assertThat(builder().build().process(QUERY, List.of())).isEmpty();
    }

    @Test
    void aDocumentHasTheSameScoreAloneAndInCompany() {
        for (Document each : builder().build().process(QUERY, DOCUMENTS)) {
            assertThat(builder().build().process(QUERY, List.of(each))).containsExactly(each);
        }
    }

    @Test
    void whatCannotBeRankedIsNamed() {
        Document longer = new Document("word ".repeat(400));
        assertThatThrownBy(() -> builder().build().process(QUERY, List.of(DOCUMENTS.getFirst(), longer)))
                .isInstanceOf(InputException.class)
                .hasMessageStartingWith("text 2: expected at most 257 tokens with the query, got 4");
        assertThatThrownBy(() -> builder().topN(0))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("topN: expected a whole number > 0, got 0");
        assertThatThrownBy(() -> Causal4jDocumentRanker.builder().build())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("engine: expected one, got none; call engine(...) or model(...)");
    }
}
