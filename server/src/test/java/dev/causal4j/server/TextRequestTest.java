package dev.causal4j.server;

import static dev.causal4j.server.Unserved.SERVED;
import static dev.causal4j.server.Unserved.in;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Requests for completions, as they are read. */
class TextRequestTest {
    private static TextRequest read(String body) {
        return new CompletionApi().read(in(body), SERVED, "");
    }

    @Test
    void eachPromptHasItsCandidatesWithSeedsInARow() {
        TextRequest ask = read("{'prompt': ['Emma', 'was not'], 'n': 2, 'best_of': 3, 'seed': 5}");
        assertThat(ask.sequences()).isEqualTo(6);
        assertThat(ask.prompt(2).text()).isEqualTo("Emma");
        assertThat(ask.prompt(3).text()).isEqualTo("was not");
        assertThat(ask.seed(2)).isEqualTo(7);
        assertThat(ask.seed(3)).as("of another prompt").isEqualTo(5);
        assertThat(ask.request(4).prompt()).isEqualTo(ask.prompt(4).tokens());
    }

    @Test
    void tokenIdsAreAPromptAndListsOfThemAreSeveral() {
        assertThat(read("{'prompt': [1749, 304]}").prompts()).hasSize(1);
        assertThat(read("{'prompt': [[1749], [304]]}").prompts()).hasSize(2);
        assertThat(read("{'prompt': [1749, 304], 'echo': true}").prompt(0).text())
                .isEqualTo("Emma was");
        assertThat(read("{}").prompt(0).tokens()).as("the model's first").containsExactly(3071);
    }

    @Test
    void onlyAGreedyTokenBehindAnEchoIsScoredInOneGo() {
        String scoring = "{'prompt': 'Emma', 'echo': true, 'logprobs': 1, 'temperature': 0, 'max_tokens': 1";
        assertThat(read(scoring + "}").isScoring()).isTrue();
        assertThat(read(scoring + ", 'stream': true}").isScoring()).isFalse();
        assertThat(read(scoring + ", 'n': 2}").isScoring()).isFalse();
        assertThat(read(scoring.replace("'max_tokens': 1", "'max_tokens': 2") + "}")
                        .isScoring())
                .isFalse();
        assertThat(read(scoring.replace("'temperature': 0", "'temperature': 1") + "}")
                        .isScoring())
                .isFalse();
    }

    @Test
    void anAnswerOfOneSequenceMayHaveTheLogProbabilitiesThatItsContextHasRoomFor() {
        assertThat(read("{'prompt': [1, 2], 'logprobs': 20, 'max_tokens': 200}").bytes())
                .isZero();
        TextRequest echo = read("{'prompt': [[1, 2], [3]], 'n': 3, 'echo': true, 'logprobs': 4, 'max_tokens': 7}");
        int text = echo.prompt(0).text().length() + echo.prompt(3).text().length();
        assertThat(echo.bytes()).isEqualTo(3 * 3 * 8 * Limits.LOGPROB_BYTES + 4 * 3 * text);
        assertThat(echo.tokenBytes()).as("as they come").isEqualTo(8 * Limits.LOGPROB_BYTES);
        assertThat(read("{'prompt': [1, 2]}").tokenBytes()).as("its text").isEqualTo(2 * Limits.LOGPROB_BYTES);
        assertThat(read("{'prompt': [1, 2], 'n': 2}").bytes()).isZero();
    }

    @Test
    void echoedPromptsOfAllChoicesAreBounded() {
        String body = "{'prompt': '" + " Emma".repeat(200) + "', 'n': 128, 'echo': true}";
        assertThat(read(body).bytes()).isEqualTo(4 * 128 * 1000);
    }

    @Test
    void tokensOfALongTextAreRefused() {
        int[] longest = {0};
        for (int token = 0; token < Unserved.TOKENIZER.vocabularySize(); token++) {
            boolean longer = Unserved.TOKENIZER.bytes(token).length > Unserved.TOKENIZER.bytes(longest[0]).length;
            longest[0] = longer ? token : longest[0];
        }
        int count = Limits.DETOKENIZED_BYTES / Unserved.TOKENIZER.bytes(longest[0]).length + 1;
        String body = "{'tokens': [" + longest[0] + (", " + longest[0]).repeat(count - 1) + "]}";
        assertThatExceptionOfType(ApiError.class)
                .isThrownBy(() -> new TokenRoutes(SERVED).detokenize(in(body)))
                .withMessageStartingWith("tokens: expected those of at most 8388608 bytes, got 83");
    }

    @Test
    void piecesOfTokensAreMadeWhileTheyAreWritten() {
        TokenRoutes.Answer answer =
                new TokenRoutes(SERVED).tokenize(in("{'content': 'Emma was', 'with_pieces': true}"));
        List<?> fragments = (List<?>) Objects.requireNonNull(answer.told().get("tokens"));
        assertThat(fragments.getFirst()).isEqualTo(fragments.getFirst()).isNotSameAs(fragments.getFirst());
        assertThat(answer.bytes()).isEqualTo(4L * fragments.size());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "'prompt': ['a', [1]] | prompt.[1]: expected a string like the others, got a list of 1",
                "'prompt': [[]] | prompt.[0]: expected at least one token id, got a list of 0",
                "'prompt': 5 | prompt: expected a string, a list of strings, or one or more lists of token ids, got 5",
                "'prompt': [[1], [2], [3]], 'n': 100 | n: expected at most 256 choices of all prompts together, got 300",
                "'prompt': [1, 2], 'n': 128, 'echo': true, 'logprobs': 20, 'max_tokens': 96 | logprobs: expected at most 262144 of all choices, tokens and alternatives, got 263424",
                "'n': 2, 'best_of': 1 | best_of: expected at least n, 2, got 1",
                "'best_of': 2, 'stream': true | best_of: expected n in a stream, 1, got 2",
                "'stream_options': {} | stream_options: expected \"stream\": true with it, got an object of 0"
            })
    void whatCannotBeAnsweredIsNamed(String fields, String message) {
        assertThatExceptionOfType(ApiError.class)
                .isThrownBy(() -> read("{" + fields + "}"))
                .withMessage(message);
    }
}
