package dev.causal4j.server;

import dev.causal4j.generation.Generation;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.atomic.DoubleAdder;
import java.util.concurrent.atomic.LongAdder;
import java.util.stream.Stream;

/**
 * Counters and times since the start, as Prometheus reads them; named as vLLM's, so that its dashboards only need
 * another prefix. Thread-safe.
 */
final class Metrics {
    private static final String PREFIX = "causal4j_";
    private static final double[] SECONDS = {.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300
    };
    /** How often times were in which bucket. */
    private record Histogram(String name, List<LongAdder> counts, DoubleAdder sum) {
        static Histogram of(String name) {
            return new Histogram(
                    name,
                    Stream.generate(LongAdder::new).limit(SECONDS.length + 1).toList(),
                    new DoubleAdder());
        }

        void add(double seconds) {
            int bucket = 0;
            while (bucket < SECONDS.length && seconds > SECONDS[bucket]) {
                bucket++;
            }
            counts.get(bucket).increment();
            sum.add(seconds);
        }

        long count() {
            return counts.stream().mapToLong(LongAdder::sum).sum();
        }
    }

    private final Map<String, LongAdder> counters = new ConcurrentSkipListMap<>();
    private final Histogram first = Histogram.of("time_to_first_token_seconds");
    private final Histogram between = Histogram.of("inter_token_latency_seconds");
    private final Histogram whole = Histogram.of("e2e_request_latency_seconds");
    private final Histogram queue = Histogram.of("request_queue_time_seconds");
    private final Histogram prefill = Histogram.of("request_prefill_time_seconds");
    private final Histogram decode = Histogram.of("request_decode_time_seconds");

    Metrics() {
        List.of("prompt_tokens", "generation_tokens", "prefix_cache_queries", "prefix_cache_hits", "cancelled")
                .forEach(name -> count(name + "_total", 0));
    }

    /** Adds to a counter. */
    void count(String counter, long more) {
        counters.computeIfAbsent(counter, _ -> new LongAdder()).add(more);
    }

    /** Seconds that a request took on average; 0 before the first. */
    double meanSeconds() {
        return whole.sum.sum() / Math.max(1, whole.count());
    }

    /** The text that Prometheus reads, with these gauges. */
    String text(Map<String, Double> gauges) {
        StringBuilder text = new StringBuilder();
        gauges.forEach((name, value) -> {
            type(text, name, "gauge");
            line(text, name, value);
        });
        String last = "";
        for (Map.Entry<String, LongAdder> counter : counters.entrySet()) {
            String name = counter.getKey().replaceFirst("\\{.*", "");
            if (!name.equals(last)) {
                type(text, name, "counter");
            }
            last = name;
            line(text, counter.getKey(), counter.getValue());
        }
        for (Histogram histogram : List.of(first, between, whole, queue, prefill, decode)) {
            String name = histogram.name;
            type(text, name, "histogram");
            long below = 0;
            for (int i = 0; i <= SECONDS.length; i++) {
                below += histogram.counts.get(i).sum();
                String most = i == SECONDS.length ? "+Inf" : Double.toString(SECONDS[i]);
                line(text, name + "_bucket{le=\"" + most + "\"}", below);
            }
            line(text, name + "_sum", histogram.sum);
            line(text, name + "_count", below);
        }
        return text.toString();
    }

    private static void type(StringBuilder text, String name, String type) {
        text.append("# TYPE " + PREFIX + name + " " + type + "\n");
    }

    private static void line(StringBuilder text, String name, Number value) {
        text.append(PREFIX + name + " " + value + "\n");
    }

    /** Counts a request that was answered. */
    void answered(Ask ask, List<Generation> made, double seconds) {
        whole.add(seconds);
        for (int i = 0; i < made.size(); i++) {
            Generation generation = made.get(i);
            Generation.Timing timing = generation.timing();
            int prompt = generation.promptTokens().length;
            count("prompt_tokens_total", i % ask.candidates() == 0 ? prompt : 0);
            count("prefix_cache_queries_total", prompt);
            count("prefix_cache_hits_total", timing.cachedTokens());
            count("request_success_total{finished_reason=\"" + Api.label(generation.finishReason()) + "\"}", 1);
            prefill.add(timing.prefillSeconds());
            decode.add(timing.decodeSeconds());
            queue.add(Math.max(0, seconds - timing.prefillSeconds() - timing.decodeSeconds()));
        }
    }

    /** Times of a sequence, from now on. Used by the engine's thread. */
    final class Sequence {
        private long last = System.nanoTime();
        private Histogram time = first;

        /** A token came. */
        void token() {
            long now = System.nanoTime();
            time.add((now - last) / 1e9);
            time = between;
            last = now;
            count("generation_tokens_total", 1);
        }
    }
}
