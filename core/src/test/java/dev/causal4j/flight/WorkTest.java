package dev.causal4j.flight;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.compute.Compute;
import dev.causal4j.generation.Engine;
import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.generation.GenerationRequest;
import dev.causal4j.generation.TokenListener;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.LoadOptions;
import dev.causal4j.model.ProgressListener;
import dev.causal4j.tensor.DType;
import dev.causal4j.training.Examples;
import dev.causal4j.training.Tokens;
import dev.causal4j.training.Trainer;
import dev.causal4j.training.TrainingOptions;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.IntStream;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingStream;
import org.junit.jupiter.api.Test;

/** Records this JVM as an operator would. */
class WorkTest {
    @Test
    void theRecorderHearsOfEachKindOfWorkWithItsModelTokensAndSeconds() throws Exception {
        Path folder = folder();
        Map<String, RecordedEvent> heard = new ConcurrentHashMap<>();
        try (RecordingStream stream = new RecordingStream()) {
            stream.setReuse(false);
            for (String kind : List.of("Load", "Prefill", "Decode", "Score", "Train")) {
                stream.enable("dev.causal4j." + kind);
                stream.onEvent("dev.causal4j." + kind, event -> heard.put(kind, event));
            }
            stream.startAsync();
            work(folder);
            stream.stop(); // after all committed events
        }
        Map<String, Long> tokens = new TreeMap<>();
        heard.forEach((kind, event) -> {
            tokens.put(kind, event.getLong("tokens"));
            assertThat(event.getString("model")).as(kind).isEqualTo("gpt2-tied");
            double duration = event.getDuration().toNanos() / 1e9;
            assertThat(event.getDouble("seconds")).as(kind).isPositive().isLessThan(duration + 1e-3);
        });
        assertThat(tokens).isEqualTo(Map.of("Load", 0L, "Prefill", 3L, "Decode", 4L, "Score", 4L, "Train", 2L * 7));
    }

    @Test
    void loadingLastsUntilTheLastMatrixIsThere() throws Exception {
        Map<String, Double> seconds = new ConcurrentHashMap<>();
        try (RecordingStream stream = new RecordingStream()) {
            stream.enable("dev.causal4j.Load");
            stream.onEvent("dev.causal4j.Load", event -> seconds.put("Load", event.getDouble("seconds")));
            stream.startAsync();
            ProgressListener slow = (bytes, total) -> sleep(bytes == total ? 50 : 0);
            LoadOptions options = new LoadOptions(null, DType.F32, 0, slow, Compute.shared(), null, false);
            CausalLM.load(folder(), options).close();
            stream.stop();
        }
        assertThat(seconds).containsOnlyKeys("Load");
        assertThat(seconds.get("Load")).isGreaterThan(0.04);
    }

    private static void sleep(long milliseconds) {
        try {
            Thread.sleep(milliseconds);
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    private static Path folder() throws Exception {
        String config = "/dev/causal4j/golden/gpt2-tied/config.json";
        return Path.of(Objects.requireNonNull(WorkTest.class.getResource(config))
                        .toURI())
                .resolve("..")
                .normalize();
    }

    private static void work(Path folder) throws Exception {
        try (CausalLM model = CausalLM.load(folder)) {
            Engine engine = Engine.shared(model);
            GenerationOptions options =
                    GenerationOptions.DEFAULT.withMaxNewTokens(5).withSeed(1);
            engine.submit(new GenerationRequest(new int[] {1, 2, 3}, options), TokenListener.NONE)
                    .join();
            engine.score(new int[] {1, 2, 3, 4, 5}, 1, 0).join();
            Tokens text = Tokens.of(97, IntStream.range(0, 50).toArray());
            TrainingOptions one = TrainingOptions.DEFAULT.withSteps(1).withBatchSize(2);
            try (Trainer trainer = Trainer.start(model, Examples.windows(text, 7, 1), one)) {
                trainer.run(progress -> true);
            }
        }
    }
}
