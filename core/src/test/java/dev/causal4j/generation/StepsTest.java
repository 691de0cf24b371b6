package dev.causal4j.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.causal4j.compute.Compute;
import dev.causal4j.head.Prediction;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.SmallModels;
import dev.causal4j.tensor.DType;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Engines of several models with the same threads. Times are given: no clock decides here. */
@Timeout(120)
class StepsTest extends EngineFixture {
    private static final int MANY = 1 << 20;

    private final Steps steps = new Steps();

    /** Costs of an engine whose steps without prompts take 10 ms, and whose prompts take 0.1 ms a token. */
    private StepCosts costs() {
        StepCosts costs = new StepCosts(false, steps);
        costs.took(1, 0, false, 0.010);
        costs.took(0, 1000, false, 0.1);
        return costs;
    }

    private static int prompts(StepCosts costs) {
        return costs.rows(0, true, false, false, MANY);
    }

    @Test
    void promptsOfAllEnginesShareOneTime() {
        StepCosts one = costs();
        StepCosts other = costs();
        StepCosts third = costs();
        assertThat(prompts(one)).as("alone: 0.1 s").isEqualTo(1000);
        assertThat(prompts(other)).as("beside prompts").isEqualTo(500);
        assertThat(prompts(one)).isEqualTo(500);
        steps.rest(one);
        third.rows(1, false, false, false, MANY);
        assertThat(prompts(other)).as("1.5 times a step that decodes").isEqualTo(150);
        assertThat(prompts(one)).isEqualTo(75);
        one.rows(1, false, false, false, MANY);
        assertThat(prompts(other)).as("beside two that decode").isEqualTo(300);
        one.rows(1, true, false, false, MANY);
        assertThat(prompts(other)).isEqualTo(150);
        steps.rest(one);
        steps.rest(third);
        assertThat(prompts(other)).isEqualTo(1000);
    }

    @Test
    void scoresAndUnknownCostsHoldNobodyUp() {
        StepCosts scoring = costs();
        StepCosts fresh = new StepCosts(false, steps);
        assertThat(scoring.rows(0, true, true, false, 512)).isEqualTo(512);
        steps.rest(scoring);
        assertThat(prompts(fresh)).isEqualTo(MANY);
        costs().rows(1, false, false, false, 512);
        assertThat(prompts(fresh)).isEqualTo(StepCosts.LEAST_ROWS);
        fresh.took(0, 100, false, 0.5);
        assertThat(prompts(fresh)).as("of a large model").isEqualTo(8);
        steps.rest(fresh);
        assertThat(scoring.rows(0, true, true, false, 512)).isEqualTo(150);
    }

    /** Beside other engines steps may have few rows: a slow beginning would hold prompts up without end. */
    @Test
    void fewRowsCanProveThatOneCostsLess() {
        StepCosts fresh = new StepCosts(false, steps);
        costs().rows(1, false, false, false, 512);
        fresh.took(0, 100, false, 0.5);
        assertThat(prompts(fresh)).isEqualTo(8);
        fresh.took(0, 8, false, 0.0008);
        assertThat(prompts(fresh)).isEqualTo(150);
        fresh.took(0, 8, false, 0.08);
        assertThat(prompts(fresh)).as("their step costs something, too").isEqualTo(150);
    }

    @Test
    void shortTextsBesideASequencePayForTheirTime() {
        StepCosts costs = new StepCosts(false, steps);
        costs.took(1, 0, false, 0.010);
        costs.took(0, 100, false, 0.1);
        int _ = costs.rows(1, false, false, false, 512);
        List<Integer> rows = new ArrayList<>();
        for (int step = 0; step < 6; step++) {
            rows.add(costs.rows(1, true, false, true, 512));
            if (rows.getLast() > 0) {
                costs.took(1, 20, false, 0.030);
            }
        }
        assertThat(rows).containsExactly(0, 0, 32, 0, 32, 0);
    }

    /** Trap 58 on two models: such a text may take longer than a step of the other one allows. */
    @Test
    void aTextThatCannotBeCutLeavesTimeToOthersThatDecode() {
        StepCosts embedding = costs();
        StepCosts streaming = costs();
        int _ = streaming.rows(1, false, false, false, 512);
        assertThat(prompts(embedding)).isEqualTo(150);
        embedding.took(0, 1000, false, 0.105);
        assertThat(embedding.owed()).isCloseTo(0.070, within(1e-9));
        assertThat(embedding.owed()).isZero();
        steps.rest(streaming);
        assertThat(prompts(embedding)).isPositive();
        embedding.took(0, 1000, false, 0.105);
        assertThat(embedding.owed()).as("alone").isZero();
    }

    @Test
    void enginesGetTheirTurnsInTheOrderInWhichTheyAsk() throws InterruptedException {
        List<Integer> order = Collections.synchronizedList(new ArrayList<>());
        List<Thread> asking = new ArrayList<>();
        steps.begin(0);
        for (int i = 0; i < 4; i++) {
            int number = i;
            asking.add(Thread.ofPlatform().start(() -> {
                steps.begin(0);
                order.add(number);
                steps.end();
                steps.end(); // a second time does nothing
            }));
            while (asking.getLast().getState() != Thread.State.WAITING) {
                Thread.onSpinWait();
            }
        }
        assertThat(order).isEmpty();
        steps.end();
        for (Thread each : asking) {
            each.join();
        }
        assertThat(order).containsExactly(0, 1, 2, 3);
    }

    @Test
    void enginesOfTheSameThreadsTakeTurnsAndOthersDoNot() {
        try (Compute own = Compute.of(1)) {
            assertThat(Steps.of(Compute.shared())).isSameAs(Steps.of(Compute.shared()));
            assertThat(Steps.of(own)).isSameAs(Steps.of(own)).isNotSameAs(Steps.of(Compute.shared()));
        }
    }

    private static CausalLM another() {
        return CausalLM.create(SmallModels.gpt2(VOCABULARY, CONTEXT, 24, 2, 4), 7, DType.F32);
    }

    private static List<GenerationRequest> requests(int count) {
        return IntStream.range(0, count)
                .mapToObj(i -> new GenerationRequest(
                        prompt(i, 1 + 37 * i % 300),
                        GenerationOptions.DEFAULT
                                .withMaxNewTokens(20 + i)
                                .withSeed(i)
                                .withLogProbabilities(0)))
                .toList();
    }

    /** The tokens and the bits of their log-probabilities. */
    private static List<List<Prediction>> told(List<Generation> made) {
        return made.stream().map(Generation::predictions).toList();
    }

    @Test
    void modelsBesideEachOtherMakeWhatEachMakesAloneAlsoWithAnAdapter() {
        try (CausalLM other = another();
                CausalLM adapted = SmallModels.adapted(model, _ -> true)) {
            List<CausalLM> models = List.of(model, other, adapted);
            List<List<List<Prediction>>> alone = new ArrayList<>();
            for (CausalLM each : models) {
                alone.add(told(all(Engine.shared(each), requests(12))));
            }
            assertThat(alone.get(2).getFirst()).isNotEqualTo(alone.getFirst().getFirst());
            List<List<CompletableFuture<Generation>>> beside = models.stream()
                    .map(each -> requests(12).stream()
                            .map(request -> Engine.shared(each).submit(request, TokenListener.NONE))
                            .toList())
                    .toList();
            for (int i = 0; i < models.size(); i++) {
                List<Generation> made =
                        beside.get(i).stream().map(CompletableFuture::join).toList();
                assertThat(told(made)).isEqualTo(alone.get(i));
            }
        }
    }

    /** A listener may ask another model, for instance a judge; its own engine has given up its turn then. */
    @Test
    void aListenerMayWaitForAnotherModel() {
        try (CausalLM judge = another()) {
            GenerationOptions few = GenerationOptions.DEFAULT.withMaxNewTokens(3);
            List<Integer> judged = new ArrayList<>();
            Generation made = Engine.shared(model)
                    .submit(new GenerationRequest(prompt(1, 9), few), _ -> {
                        Generation verdict = Engine.shared(judge)
                                .submit(new GenerationRequest(prompt(2, 9), few), TokenListener.NONE)
                                .join();
                        return judged.add(verdict.tokens().length);
                    })
                    .join();
            assertThat(made.tokens()).hasSize(3);
            assertThat(judged).containsExactly(3, 3, 3);
        }
    }

    @Test
    void aStepThatFailsAndAnEngineThatIsClosedLeaveTheTurnToOthers() throws InterruptedException {
        try (CausalLM other = another()) {
            GenerationOptions endless = GenerationOptions.DEFAULT.withMaxNewTokens(500);
            CountDownLatch begun = new CountDownLatch(1);
            Engine closing = new Engine(other);
            CompletableFuture<Generation> cut = closing.submit(new GenerationRequest(prompt(1, 9), endless), _ -> {
                begun.countDown();
                return true;
            });
            begun.await();
            closing.close();
            assertThat(cut).isCompletedExceptionally();
            CompletableFuture<Generation> failing = Engine.shared(model)
                    .submit(new GenerationRequest(prompt(1, 9), endless), _ -> {
                        throw new IllegalStateException("mine");
                    });
            assertThatThrownBy(failing::join).hasRootCauseMessage("mine");
            Steps shared = Steps.of(model.head().compute());
            assertThat(all(Engine.shared(other), requests(2))).hasSize(2);
            while (shared.plan(this, 0, false).engines() > 1) { // until threads that have no work say so
                Thread.onSpinWait();
            }
            shared.rest(this);
        }
    }
}
