package dev.causal4j.austen;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.generation.Generation;
import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.generation.Generator;
import dev.causal4j.generation.Screening;
import dev.causal4j.model.CausalLM;
import dev.causal4j.tensor.DType;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

/**
 * Texts of a trained model, screened and not. The property {@code causal4j.screening.tokens} says how many tokens each
 * sampler generates; the long run has 10,000.
 */
class ScreeningTest {
    private static final int TOKENS = Integer.getInteger("causal4j.screening.tokens", 256);

    @Test
    void screenedTextsAreTheSame() {
        List<GenerationOptions> samplers = List.of(
                options().temperature(0).noRepeatNgramSize(3).build(),
                options().topK(40).build(),
                options().minP(0.05).build(),
                options().temperature(0.8).topK(40).topP(0.9).build(),
                options().build());
        CausalLM bf16 = AustenModel.load();
        CausalLM f32 = AustenModel.load(DType.F32);
        for (GenerationOptions sampler : samplers) {
            long steps = 0;
            long screened = 0;
            for (int seed = 0; steps < TOKENS; seed++) {
                GenerationOptions options = sampler.toBuilder().seed(seed).build();
                CausalLM model = seed % 2 == 0 ? bf16 : f32;
                int[] prompt = {2047, seed % 2047}; // a first token of its own for each text
                Generation whole = new Generator(model, Screening.OFF).generate(prompt, options);
                Generation screen = new Generator(model, Screening.ON).generate(prompt, options);
                assertThat(screen.tokens()).as("%s", options).containsExactly(whole.tokens());
                assertThat(whole.screening().screened()).isZero();
                assertThat(screen.screening().steps()).isEqualTo(screen.tokens().length);
                steps += screen.screening().steps();
                screened += screen.screening().screened();
            }
            System.getLogger(getClass().getName())
                    .log(System.Logger.Level.INFO, screened + " of " + steps + " steps screened with " + sampler);
            assertThat(screened).as("screened with %s", sampler).isGreaterThan(steps / 10);
        }
    }

    private static GenerationOptions.Builder options() {
        return GenerationOptions.builder().maxNewTokens(250).eos(Set.of());
    }
}
