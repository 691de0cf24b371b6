package dev.causal4j.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.decoder.KVCache;
import dev.causal4j.decoder.PagePool;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.EmbeddingConfig.Pooling;
import dev.causal4j.model.SmallModels;
import dev.causal4j.tensor.DType;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The engine of a model, shared by all callers without one of their own. */
@Timeout(120)
class SharedEngineTest extends EngineFixture {
    private static GenerationRequest request(int seed, int length, int tokens) {
        return new GenerationRequest(prompt(seed, length), GenerationOptions.DEFAULT.withMaxNewTokens(tokens));
    }

    @Test
    void itIsTheModelsAndEndsWithIt() throws Exception {
        CausalLM other = CausalLM.create(SmallModels.gpt2(VOCABULARY, CONTEXT, 40, 2, 4), 5, DType.F32);
        Engine engine = Engine.shared(other);
        assertThat(Engine.shared(other)).isSameAs(engine).isNotSameAs(Engine.shared(model));
        assertThatThrownBy(engine::close)
                .isInstanceOf(IllegalStateException.class)
                .hasMessage("engine: expected one of your own, got the shared one; close its model");
        CountDownLatch begun = new CountDownLatch(1);
        CompletableFuture<Generation> running = engine.submit(request(1, 3, 500), _ -> {
            begun.countDown();
            return true;
        });
        assertThat(begun.await(1, TimeUnit.MINUTES)).isTrue();
        other.close();
        assertThatThrownBy(running::join).isInstanceOf(CancellationException.class);
        assertThatThrownBy(() -> new Generator(other))
                .hasMessage("model: expected an open one, got one that was closed");
        assertThatThrownBy(() -> engine.submit(request(1, 3, 5), TokenListener.NONE))
                .hasMessage("engine: expected an open one, got one that was closed");
        other.close();
    }

    @Test
    void aTurnCostsItsNewTokensInWhateverWayItIsShared() {
        Generation first =
                new Generator(model).generate(prompt(1, 200), request(1, 1, 20).options());
        assertThat(first.timing().cachedTokens()).isZero();
        Generation again = Engine.shared(model)
                .submit(request(1, 200, 20), TokenListener.NONE)
                .join();
        assertThat(again.timing().cachedTokens()).isEqualTo(199);
        assertThat(again.tokens()).containsExactly(first.tokens());
    }

    @Test
    void engineAfterEngineThatNobodyClosedLeavesNoPageTaken() {
        List<KVCache> others = fill(model, PagePool.needed(CONTEXT) + 1);
        int[] expected = new Generator(model)
                .generate(prompt(1, 500), request(1, 1, 10).options())
                .tokens();
        for (int round = 0; round < 5; round++) {
            Engine dropped = engine(100);
            Generation made =
                    dropped.submit(request(1, 500, 10), TokenListener.NONE).join();
            assertThat(made.tokens()).as("round %d", round).containsExactly(expected);
            dropped.submit(request(10 + round, 500, 10), TokenListener.NONE).join();
            assertThat(new Embedder(model, Pooling.LAST, true).embed(prompt(20 + round, CONTEXT)))
                    .hasSize(40);
        }
        others.forEach(KVCache::close);
    }
}
