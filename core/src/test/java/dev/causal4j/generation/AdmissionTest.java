package dev.causal4j.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.generation.Engine.Requester;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Which sequences wait if there is no room for all. */
@Timeout(120)
class AdmissionTest extends EngineFixture {
    private final List<String> begun = new ArrayList<>(); // callers, on the engine's thread

    /** Submits a request of some sequences one by one, as a server does. */
    private List<CompletableFuture<Generation>> submit(Engine engine, String caller, int sequences) {
        Requester requester = Requester.of(caller);
        List<CompletableFuture<Generation>> all = new ArrayList<>();
        for (int i = 0; i < sequences; i++) {
            GenerationRequest request =
                    new GenerationRequest(prompt(i, 3), GenerationOptions.DEFAULT.withMaxNewTokens(1));
            all.add(engine.submit(request, requester, _ -> begun.add(caller)));
        }
        return all;
    }

    private static boolean isRejected(CompletableFuture<?> future) {
        return future.isCompletedExceptionally() && future.exceptionNow() instanceof RejectedExecutionException;
    }

    @Test
    void aCallerWithThreeLargeRequestsAndManySmallOnesKeepsNobodyOut() throws Exception {
        CountDownLatch runs = new CountDownLatch(1);
        CountDownLatch go = new CountDownLatch(1);
        EngineOptions options = EngineOptions.DEFAULT.withParallel(16).withQueue(384);
        try (Engine engine = new Engine(model, options)) {
            CompletableFuture<Generation> first = engine.submit(
                    new GenerationRequest(prompt(1, 3), GenerationOptions.DEFAULT.withMaxNewTokens(1)),
                    Requester.of("a"),
                    _ -> {
                        runs.countDown();
                        return await(go);
                    });
            assertThat(runs.await(1, TimeUnit.MINUTES)).isTrue();
            List<CompletableFuture<Generation>> theirs = new ArrayList<>();
            for (int n : List.of(128, 128, 100)) {
                theirs.addAll(submit(engine, "a", n));
            }
            int refused = 0;
            for (int i = 0; i < 70; i++) {
                try {
                    theirs.addAll(submit(engine, "a", 1));
                } catch (RejectedExecutionException e) {
                    refused++;
                }
            }
            assertThat(refused).isEqualTo(128 + 128 + 100 + 70 - 384);
            List<CompletableFuture<Generation>> ours = new ArrayList<>();
            for (int i = 0; i < 50; i++) {
                ours.addAll(submit(engine, "b", 1));
                assertThat(engine.waiting()).isLessThanOrEqualTo(384);
            }
            List<CompletableFuture<Generation>> others = submit(engine, "c", 5);
            go.countDown();
            for (CompletableFuture<Generation> each : ours) {
                assertThat(each.get(1, TimeUnit.MINUTES).tokens()).hasSize(1);
            }
            for (CompletableFuture<Generation> each : others) {
                each.get(1, TimeUnit.MINUTES);
            }
            first.get(1, TimeUnit.MINUTES);
            for (CompletableFuture<Generation> each : theirs) {
                each.handle((_, _) -> 0).get(1, TimeUnit.MINUTES);
            }
            assertThat(theirs.subList(0, 256)).noneMatch(AdmissionTest::isRejected);
            assertThat(theirs.subList(356, theirs.size())).allMatch(AdmissionTest::isRejected);
            assertThat(begun.subList(1, 17)).as("in turn").contains("a", "b", "c");
            assertThat(begun.subList(1, 1 + 3 * 50).stream().filter("b"::equals).count())
                    .isGreaterThan(40);
        }
    }

    private static boolean await(CountDownLatch latch) {
        try {
            return latch.await(1, TimeUnit.MINUTES);
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    private GeneratedSequence sequence(Engine engine, Requester requester) {
        GenerationRequest request = new GenerationRequest(prompt(1, 3), GenerationOptions.DEFAULT.withMaxNewTokens(1));
        return engine.generating(request, requester, 0, TokenListener.NONE);
    }

    private List<GeneratedSequence> request(Engine engine, String caller, int sequences) {
        Requester requester = Requester.of(caller);
        return IntStream.range(0, sequences)
                .mapToObj(_ -> sequence(engine, requester))
                .toList();
    }

    @Test
    void whoAsksForAsMuchAsAnybodyHasMakesNoRoom() {
        try (Engine engine = new Engine(model)) {
            Admission line = new Admission(6);
            List<GeneratedSequence> of2 = request(engine, "a", 2);
            List<GeneratedSequence> of3 = request(engine, "b", 3);
            line.add(of2);
            line.add(of3);
            assertThatThrownBy(() -> line.add(request(engine, "c", 3)))
                    .isInstanceOf(RejectedExecutionException.class)
                    .hasMessage("queue: expected at most 6 waiting sequences, got 8; try again later");
            assertThatThrownBy(() -> line.add(request(engine, "c", 7))).hasMessageContaining("got 12");
            assertThat(line.count()).isEqualTo(5);
            line.add(request(engine, "c", 1));
            assertThat(of3).noneMatch(Sequence::over);
            line.add(request(engine, "d", 1));
            assertThat(of3).as("whole, as its owner needs all").allMatch(Sequence::over);
            assertThat(of2).noneMatch(Sequence::over);
            assertThat(line.count()).isEqualTo(4);
            line.cancel();
            assertThat(of2).allMatch(Sequence::over);
            line.update();
            assertThat(line.count()).isZero();
        }
    }

    @Test
    void sequencesWithoutARequesterAreRequestsOfTheirOwn() {
        try (Engine engine = new Engine(model)) {
            Admission line = new Admission(4);
            List<GeneratedSequence> all = Stream.generate(() -> sequence(engine, Engine.ANYBODY))
                    .limit(4)
                    .toList();
            all.forEach(each -> line.add(List.of(each)));
            line.add(request(engine, "a", 1));
            assertThat(all).map(Sequence::over).containsExactly(false, false, false, true);
        }
    }
}
