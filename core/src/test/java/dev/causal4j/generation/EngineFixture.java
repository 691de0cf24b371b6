package dev.causal4j.generation;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.decoder.KVCache;
import dev.causal4j.decoder.PagePool;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.SmallModels;
import dev.causal4j.tensor.DType;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;

/** A small model. All its pages are free after each test. */
abstract class EngineFixture {
    static final int VOCABULARY = 301;
    static final int CONTEXT = 512;

    final CausalLM model = CausalLM.create(SmallModels.gpt2(VOCABULARY, CONTEXT, 40, 2, 4), 5, DType.F32);
    final PagePool pool = model.decoder().pool();
    final int capacity = pool.freePages();

    @AfterEach
    void allPagesAreFree() {
        while (pool.reclaim()) {}
        assertThat(pool.freePages()).isEqualTo(capacity);
        model.close();
    }

    static int[] prompt(int seed, int length) {
        return new Random(seed).ints(length, 0, VOCABULARY).toArray();
    }

    /** Options that keep this many pages of prompts. */
    EngineOptions keeping(long pages) {
        return EngineOptions.DEFAULT.withPrefixBytes(pages * (pool.pageBytes() + PrefixCache.PREDICTION_BYTES));
    }

    Engine engine(long keptPages) {
        return new Engine(model, keeping(keptPages));
    }

    /** An engine that feeds all that a source guesses, up to {@code most} tokens a step. */
    static Engine drafting(CausalLM model, EngineOptions options, Draft.Source source, int most) {
        return new Engine(model, options.withDraft(_ -> source), most);
    }

    /** Generates all requests at once, as far as the engine lets them. */
    static List<Generation> all(Engine engine, List<GenerationRequest> requests) {
        List<CompletableFuture<Generation>> all = requests.stream()
                .map(each -> engine.submit(each, TokenListener.NONE))
                .toList();
        return all.stream().map(CompletableFuture::join).toList();
    }

    /** Takes pages of a model until only {@code free} are free. */
    static List<KVCache> fill(CausalLM model, int free) {
        PagePool pool = model.decoder().pool();
        int context = PagePool.needed(model.contextLength());
        List<KVCache> others = new ArrayList<>();
        while (pool.reclaim()) {}
        while (pool.freePages() > free) {
            others.add(pool.newCache());
            int pages = Math.min(context, pool.freePages() - free);
            assertThat(others.getLast().reserve(pages * PagePool.POSITIONS)).isTrue();
        }
        return others;
    }
}
