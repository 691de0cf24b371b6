package dev.causal4j.langchain4j;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.langchain4j.data.segment.TextSegment;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.model.output.Response;
import dev.langchain4j.model.output.TokenUsage;
import dev.langchain4j.model.scoring.ScoringModel;
import java.util.List;
import org.junit.jupiter.api.Test;

class Causal4jScoringModelTest {
    private static final ScoringModel MODEL = new Causal4jScoringModel(Taught.ENGINE);
    private static final String QUERY = "Who danced with Jane at the ball?";

    private static int count(String text) {
        return Taught.MODEL.requireTokenizer().encode(text).length;
    }

    @Test
    void theTextThatFitsAQueryComesFirst() {
        List<TextSegment> texts = List.of(
                TextSegment.from("The carriage was at the door, and the horses were tired."),
                TextSegment.from("At the ball Mr. Bingley danced with Jane twice."),
                TextSegment.from("Mr. Woodhouse was afraid of the rain."));
        Response<List<Double>> scores = MODEL.scoreAll(texts, QUERY);
        assertThat(scores.content()).hasSize(3).allMatch(score -> score < 0);
        assertThat(scores.content().get(1))
                .isGreaterThan(scores.content().get(0))
                .isGreaterThan(scores.content().get(2))
                .isEqualTo(MODEL.score(texts.get(1), QUERY).content());
        int tokens = texts.stream()
                .mapToInt(text -> count(text.text() + "\n") + count(QUERY))
                .sum();
        assertThat(scores.tokenUsage()).isEqualTo(new TokenUsage(tokens, 0));
        assertThat(MODEL.scoreAll(List.of(), QUERY).content()).isEmpty();
    }

    @Test
    void whatCannotBeScoredIsAnInvalidRequest() {
        assertThatThrownBy(() -> MODEL.score("A text.", ""))
                .isExactlyInstanceOf(InvalidRequestException.class)
                .hasMessageStartingWith("text: expected at least one token, got none");
        assertThatThrownBy(() -> MODEL.scoreAll(
                        List.of(TextSegment.from("short"), TextSegment.from("word ".repeat(400))), QUERY))
                .isExactlyInstanceOf(InvalidRequestException.class)
                .hasMessageStartingWith("input 2: prefix: expected at most 256 tokens, the context length, got 4");
        assertThatThrownBy(() -> MODEL.scoreAll(List.of(TextSegment.from("a")), null))
                .isExactlyInstanceOf(InvalidRequestException.class)
                .hasMessage("query: expected one, got null");
    }
}
