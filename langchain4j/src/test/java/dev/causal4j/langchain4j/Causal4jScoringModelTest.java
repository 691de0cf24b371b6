package dev.causal4j.langchain4j;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.austen.AustenModel;
import dev.causal4j.generation.Engine;
import dev.causal4j.model.CausalLM;
import dev.langchain4j.data.segment.TextSegment;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.model.output.Response;
import dev.langchain4j.model.output.TokenUsage;
import dev.langchain4j.model.scoring.ScoringModel;
import java.util.List;
import org.junit.jupiter.api.Test;

class Causal4jScoringModelTest {
    private static final CausalLM AUSTEN = AustenModel.load();
    private static final ScoringModel MODEL = new Causal4jScoringModel(Engine.shared(AUSTEN));
    private static final String QUERY = "At the ball Mr. Bingley danced with Jane once more.";

    private static int count(String text) {
        return AUSTEN.requireTokenizer().encode(text).length;
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

    /** A text that has the context for itself would be outside of the window that scores the query's end. */
    @Test
    void aTextMustFitTheContextTogetherWithTheQuery() {
        String longest = "a";
        while (count(longest + " a\n") + count(QUERY) <= 257) {
            longest += " a";
        }
        assertThat(MODEL.score(longest, QUERY).content()).isNegative();
        String longer = longest + " a";
        assertThatThrownBy(() -> MODEL.score(longer, QUERY))
                .isExactlyInstanceOf(InvalidRequestException.class)
                .hasMessage("text 1: expected at most 257 tokens with the query, got "
                        + (count(longer + "\n") + count(QUERY)) + "; shorten one of them");
    }

    @Test
    void whatCannotBeScoredIsAnInvalidRequest() {
        assertThatThrownBy(() -> MODEL.score("A text.", ""))
                .isExactlyInstanceOf(InvalidRequestException.class)
                .hasMessageStartingWith("text: expected at least one token, got none");
        assertThatThrownBy(() -> MODEL.scoreAll(
                        List.of(TextSegment.from("short"), TextSegment.from("word ".repeat(400))), QUERY))
                .isExactlyInstanceOf(InvalidRequestException.class)
                .hasMessageStartingWith("text 2: expected at most 257 tokens with the query, got 4")
                .hasMessageEndingWith("; shorten one of them");
        assertThatThrownBy(() -> MODEL.scoreAll(List.of(TextSegment.from("a")), null))
                .isExactlyInstanceOf(InvalidRequestException.class)
                .hasMessage("query: expected one, got null");
    }
}
