package dev.causal4j.springboot;

import dev.causal4j.decoder.PagePool;
import dev.causal4j.generation.Engine;
import dev.causal4j.generation.Generation;
import dev.causal4j.springboot.Causal4jModels.Loaded;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tags;
import io.micrometer.observation.Observation;
import io.micrometer.observation.ObservationHandler;
import java.util.concurrent.TimeUnit;
import org.springframework.ai.chat.model.ChatResponse;
import org.springframework.ai.chat.observation.ChatModelObservationContext;
import org.springframework.beans.factory.ObjectProvider;

/**
 * Figures of models as meters: gauges of each that is loaded, and times of answers by the names of OpenTelemetry's
 * conventions. Spring AI itself counts calls and tokens. Thread-safe.
 *
 * @param registry asked when there is something to register
 */
record Causal4jMeters(ObjectProvider<MeterRegistry> registry)
        implements ObservationHandler<ChatModelObservationContext> {
    /** Adds the gauges of a model that was just loaded. */
    void add(Loaded model) {
        Tags tags = Tags.of("model", model.name());
        PagePool pool = model.model().decoder().pool();
        int pages = pool.freePages(); // no sequence has any yet
        registry.ifUnique(meters -> {
            meters.gauge("causal4j.sequences.running", tags, model.engine(), Engine::running);
            meters.gauge("causal4j.sequences.waiting", tags, model.engine(), Engine::waiting);
            meters.gauge("causal4j.cache.pages", tags, pool, now -> pages - now.freePages());
        });
    }

    @Override
    public boolean supportsContext(Observation.Context context) {
        return context instanceof ChatModelObservationContext;
    }

    /** Records the times of an answer of this library's. A wait for other sequences is not among them. */
    @Override
    public void onStop(ChatModelObservationContext context) {
        ChatResponse response = context.getResponse();
        if (response != null
                && response.getResult() != null
                && response.getResult().getMetadata().get("generation") instanceof Generation made) {
            String model = response.getMetadata().getModel();
            Generation.Timing timing = made.timing();
            record("gen_ai.server.time_to_first_token", model, timing.prefillSeconds());
            if (timing.decodedTokens() > 0) {
                double seconds = timing.decodeSeconds() / timing.decodedTokens();
                record("gen_ai.server.time_per_output_token", model, seconds);
            }
        }
    }

    private void record(String name, String model, double seconds) {
        Tags tags = Tags.of("gen_ai.operation.name", "chat", "gen_ai.response.model", model);
        long nanos = (long) (seconds * 1e9);
        registry.ifUnique(meters -> meters.timer(name, tags).record(nanos, TimeUnit.NANOSECONDS));
    }
}
