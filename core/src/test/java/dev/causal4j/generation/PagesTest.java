package dev.causal4j.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.decoder.PagePool;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.SmallModels;
import dev.causal4j.scoring.Scorer;
import dev.causal4j.scoring.ScoringOptions;
import dev.causal4j.scoring.ScoringRequest;
import dev.causal4j.tensor.DType;
import java.util.List;
import java.util.concurrent.CancellationException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** The pages of a call's caches are returned however the call ends. */
class PagesTest {
    private static final int[] PROMPT = {1, 2, 3, 4};

    private final CausalLM model = CausalLM.create(SmallModels.gpt2(50, 80, 40, 2, 4), 5, DType.F32);
    private final PagePool pool = model.decoder().pool();
    private final int capacity = pool.freePages();

    @AfterEach
    void allPagesAreFree() {
        while (pool.reclaim()) {}
        assertThat(pool.freePages()).isEqualTo(capacity);
    }

    @Test
    void afterGeneration() {
        new Generator(model).generate(List.of(request(), request(), request()), token -> {
            assertThat(pool.freePages()).isLessThan(capacity);
            return true;
        });
    }

    @Test
    void afterAListenerCancelled() {
        new Generator(model).generate(List.of(request()), token -> false);
    }

    @Test
    void afterAListenerThrew() {
        assertThatThrownBy(() -> new Generator(model).generate(List.of(request()), token -> {
                    throw new UnsupportedOperationException("a listener's");
                }))
                .hasMessage("a listener's");
    }

    private static GenerationRequest request() {
        return new GenerationRequest(PROMPT, GenerationOptions.DEFAULT.withMaxNewTokens(70));
    }

    @Test
    void afterScoringEndedOrWasCancelled() {
        List<ScoringRequest> requests = List.of(ScoringRequest.of(PROMPT), ScoringRequest.of(PROMPT));
        new Scorer(model).score(requests, ScoringOptions.DEFAULT, (done, total) -> true);
        assertThatThrownBy(() -> new Scorer(model).score(requests, ScoringOptions.DEFAULT, (done, total) -> false))
                .isInstanceOf(CancellationException.class);
        new Scorer(model).rank(PROMPT, List.of(PROMPT, PROMPT), ScoringOptions.DEFAULT, (done, total) -> true);
    }
}
