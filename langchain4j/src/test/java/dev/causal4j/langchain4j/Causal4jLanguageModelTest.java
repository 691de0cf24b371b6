package dev.causal4j.langchain4j;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.generation.Generation;
import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.generation.Generator;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.model.StreamingResponseHandler;
import dev.langchain4j.model.output.FinishReason;
import dev.langchain4j.model.output.Response;
import dev.langchain4j.model.output.TokenUsage;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class Causal4jLanguageModelTest {
    private static final String PROMPT = "It is a truth universally acknowledged, that a";

    private static final Causal4jLanguageModel MODEL = Causal4jLanguageModel.builder()
            .engine(Taught.ENGINE)
            .maxOutputTokens(12)
            .temperature(0.8)
            .seed(3L)
            .build();

    /** Keeps what comes, and throws in its first call if that is asked. */
    private static final class Handler implements StreamingResponseHandler<String> {
        final List<String> parts = new ArrayList<>();
        final List<Throwable> errors = new ArrayList<>();
        final CompletableFuture<Response<String>> response = new CompletableFuture<>();
        private final boolean throwing;

        Handler(boolean throwing) {
            this.throwing = throwing;
        }

        @Override
        public void onNext(String part) {
            parts.add(part);
            if (throwing && parts.size() == 1) {
                throw new IllegalArgumentException("a mistake of the user's");
            }
        }

        @Override
        public void onComplete(Response<String> whole) {
            response.complete(whole);
        }

        @Override
        public void onError(Throwable error) {
            errors.add(error);
            if (!throwing) {
                response.completeExceptionally(error);
            }
        }
    }

    private static Handler stream(String prompt, boolean throwing) {
        Handler handler = new Handler(throwing);
        MODEL.generate(prompt, handler);
        return handler;
    }

    @Test
    void itContinuesATextAsTheGeneratorDoes() {
        Generation expected = new Generator(Taught.ENGINE)
                .generate(
                        PROMPT,
                        GenerationOptions.DEFAULT
                                .withMaxNewTokens(12)
                                .withTemperature(0.8)
                                .withSeed(3));
        Response<String> response = MODEL.generate(PROMPT);
        assertThat(response.content()).isEqualTo(expected.text()).isNotBlank();
        // The model that knows all suites by heart ends the text, and the other does not.
        boolean whole = expected.finishReason().label().equals("length");
        assertThat(response.finishReason()).isEqualTo(whole ? FinishReason.LENGTH : FinishReason.STOP);
        assertThat(response.tokenUsage())
                .isEqualTo(new TokenUsage(expected.promptTokens().length, expected.tokens().length));
        assertThat(response.metadata().get("generation"))
                .isInstanceOfSatisfying(
                        Generation.class, made -> assertThat(made.tokens()).containsExactly(expected.tokens()));
    }

    @Test
    void aStreamSaysTheSameInParts() throws Exception {
        Handler handler = stream(PROMPT, false);
        Response<String> whole = handler.response.get(60, TimeUnit.SECONDS);
        assertThat(String.join("", handler.parts))
                .isEqualTo(whole.content())
                .isEqualTo(MODEL.generate(PROMPT).content());
        assertThat(handler.parts).hasSizeGreaterThan(1).doesNotContain("");
    }

    @Test
    void whatAHandlerThrowsIsToldToItAndTheTextGoesOn() throws Exception {
        Handler handler = stream(PROMPT, true);
        assertThat(handler.response.get(60, TimeUnit.SECONDS).content())
                .isEqualTo(MODEL.generate(PROMPT).content());
        assertThat(handler.errors)
                .singleElement()
                .isExactlyInstanceOf(IllegalArgumentException.class)
                .hasToString("java.lang.IllegalArgumentException: a mistake of the user's");
    }

    @Test
    @SuppressWarnings("NullAway")
    void aPromptThatIsMissingOrTooLongIsAnInvalidRequest() {
        assertThatThrownBy(() -> MODEL.generate("word ".repeat(400)))
                .isExactlyInstanceOf(InvalidRequestException.class)
                .hasMessageStartingWith("prompt: expected at most 256 tokens");
        assertThatThrownBy(() -> MODEL.generate((String) null))
                .isExactlyInstanceOf(InvalidRequestException.class)
                .hasMessage("prompt: expected one, got null");
        assertThat(stream("word ".repeat(400), false).response)
                .failsWithin(60, TimeUnit.SECONDS)
                .withThrowableThat()
                .withCauseExactlyInstanceOf(InvalidRequestException.class);
    }
}
