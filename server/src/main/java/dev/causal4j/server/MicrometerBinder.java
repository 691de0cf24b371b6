package dev.causal4j.server;

import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.FunctionTimer;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tag;
import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.binder.MeterBinder;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.LongAdder;

/**
 * The figures of {@code /metrics} as meters of Micrometer, for a program with a registry of its own. Times have a count
 * and a sum, and no buckets. Needs {@code micrometer-core}, which a server does without. Thread-safe.
 */
@SuppressWarnings("exports") // a program with a registry requires Micrometer itself
public final class MicrometerBinder implements MeterBinder {
    private final Figures figures;
    private final Tags tags;

    /**
     * Meters of one server; the server references the registries that they are bound to.
     *
     * @param tags that tell it from other servers
     */
    public MicrometerBinder(Server server, Tag... tags) {
        this.figures = server.figures();
        this.tags = Tags.of(tags);
    }

    @Override
    public void bindTo(MeterRegistry registry) {
        figures.models().forEach(each -> bind(each, registry));
        List.of(figures.cancelled(), figures.rejected()).forEach(each -> bind(each, tags, registry));
    }

    private void bind(Metrics metrics, MeterRegistry registry) {
        Tags own = metrics.model.isEmpty() ? tags : tags.and("model", metrics.model);
        for (Metrics.Gauge gauge : metrics.gauges) {
            Gauge.builder(name(gauge.name()), gauge, each -> each.value().getAsDouble())
                    .description(gauge.help())
                    .tags(own)
                    .register(registry);
        }
        metrics.counters.forEach(each -> bind(each, own, registry));
        for (Metrics.Times times : metrics.times) {
            FunctionTimer.builder(
                            name(times.name()),
                            times,
                            Metrics.Times::count,
                            each -> each.seconds().sum(),
                            TimeUnit.SECONDS)
                    .description(times.help())
                    .tags(own)
                    .register(registry);
        }
    }

    private static void bind(Metrics.Counter counter, Tags own, MeterRegistry registry) {
        counter.watch((value, sum) -> FunctionCounter.builder(name(counter.name()), sum, LongAdder::sum)
                .description(counter.help())
                .tags(value.isEmpty() ? own : own.and(counter.label().replace('_', '.'), value))
                .register(registry));
    }

    /** As Micrometer writes names, which each registry spells its own way. */
    private static String name(String name) {
        return (Metrics.PREFIX + name).replace('_', '.');
    }
}
