package dev.causal4j.generation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.generation.Engine.LogitListener;
import dev.causal4j.generation.Engine.Requester;
import dev.causal4j.head.CausalLMHead;
import dev.causal4j.head.Prediction;
import dev.causal4j.model.CausalLM;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

class LogitListenerTest {
    private static CausalLM model;
    private static int[] tokens;

    @BeforeAll
    static void load() throws IOException {
        model = CausalLM.load(Path.of("src/test/resources/dev/causal4j/stories260K/stories260K.gguf"));
        tokens = new Random(7).ints(301, 0, model.head().vocabularySize()).toArray();
    }

    @AfterAll
    static void close() {
        model.close();
    }

    private static List<Prediction> score(Engine engine, int first, LogitListener listener) {
        return engine.score(tokens, first, listener, Requester.of("")).join();
    }

    /** The second engine keeps pages with predictions, of which none spares a row. */
    @Test
    void rowsAreThoseThatPredictTheTokens() {
        try (Engine engine = new Engine(
                        model, EngineOptions.DEFAULT.withPromptRows(13).withPrefixBytes(0));
                Engine cached = new Engine(model)) {
            List<Prediction> expected = engine.score(tokens, 70, 0).join();
            assertThat(cached.score(tokens, 1, 0).join()).hasSize(300);
            for (Engine each : List.of(engine, cached, cached)) {
                Map<Integer, Double> found = new ConcurrentHashMap<>();
                List<Prediction> made = score(each, 70, (token, row) -> {
                    int v = model.head().vocabularySize();
                    double normalizer = CausalLMHead.logNormalizer(row.data(), row.start(0), v);
                    found.put(token, row.data()[row.start(0) + tokens[token]] - normalizer);
                    assertThat(row.count()).isOne();
                });
                assertThat(made).isEqualTo(expected);
                assertThat(found).hasSize(231);
                found.forEach((token, value) ->
                        assertThat(value).isEqualTo(expected.get(token - 70).logProbability()));
            }
        }
    }

    @Test
    void aListenerThatThrowsEndsItsSequenceAlone() {
        try (Engine engine = new Engine(model)) {
            List<Prediction> expected = engine.score(tokens, 2, 0).join();
            CompletableFuture<List<Prediction>> good = engine.score(tokens, 2, (_, _) -> {}, Requester.of(""));
            CompletableFuture<List<Prediction>> bad = engine.score(
                    tokens,
                    1,
                    (token, _) -> {
                        if (token == 250) {
                            throw new IllegalStateException("full");
                        }
                    },
                    Requester.of(""));
            assertThatThrownBy(bad::join).hasRootCauseInstanceOf(IllegalStateException.class);
            assertThat(good.join()).isEqualTo(expected);
        }
    }
}
