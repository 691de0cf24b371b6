package dev.causal4j.generation;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import org.junit.jupiter.api.Test;

class GenerationTest extends EngineFixture {
    private static GenerationOptions sampled(long seed) {
        return GenerationOptions.DEFAULT.withMaxNewTokens(4).withSeed(seed);
    }

    @Test
    void requestsAndResultsAreComparedByContent() {
        GenerationRequest request = new GenerationRequest(prompt(3, 3), sampled(1));
        assertThat(new GenerationRequest(prompt(3, 3), sampled(1)))
                .isEqualTo(request)
                .hasSameHashCodeAs(request)
                .isNotEqualTo(new GenerationRequest(prompt(4, 4), sampled(1)))
                .isNotEqualTo(new GenerationRequest(prompt(3, 3), sampled(2)));
        assertThat(request.toString()).startsWith("GenerationRequest[prompt=" + Arrays.toString(prompt(3, 3)));
        Generator generator = new Generator(model);
        Generation made = generator.generate(prompt(3, 3), request.options());
        Generation equal = new Generation(
                made.promptTokens().clone(),
                made.tokens().clone(),
                made.pieces(),
                made.predictions(),
                made.finishReason(),
                made.seed(),
                made.timing(),
                made.constrained());
        assertThat(equal).isEqualTo(made).hasSameHashCodeAs(made);
        assertThat(made.toString()).contains("tokens=" + Arrays.toString(made.tokens()), "finishReason=LENGTH");
        assertThat(generator.generate(prompt(4, 4), request.options())).isNotEqualTo(made);
    }
}
