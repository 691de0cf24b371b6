package dev.causal4j.server;

import dev.causal4j.generation.Generation;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.atomic.DoubleAdder;
import java.util.concurrent.atomic.LongAdder;

/**
 * Counters and times since the start, as Prometheus reads them; named as vLLM's, so that its dashboards only need
 * another prefix. Thread-safe.
 */
final class Metrics {
    private static final String PREFIX = "causal4j_";
    private static final double[] LATENCY = {
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300
    };

    private static final class Histogram {
        private final LongAdder[] counts = new LongAdder[LATENCY.length + 1];
        private final DoubleAdder sum = new DoubleAdder();

        Histogram() {
            for (int i = 0; i < counts.length; i++) {
                counts[i] = new LongAdder();
            }
        }

        void add(double seconds) {
            int bucket = 0;
            while (bucket < LATENCY.length && seconds > LATENCY[bucket]) {
                bucket++;
            }
            counts[bucket].increment();
            sum.add(seconds);
        }

        void write(String name, StringBuilder to) {
            long count = 0;
            for (int i = 0; i < counts.length; i++) {
                count += counts[i].sum();
                String le = i == LATENCY.length ? "+Inf" : Double.toString(LATENCY[i]);
                to.append(name)
                        .append("_bucket{le=\"")
                        .append(le)
                        .append("\"} ")
                        .append(count)
                        .append('\n');
            }
            to.append(name).append("_sum ").append(sum.sum()).append('\n');
            to.append(name).append("_count ").append(count).append('\n');
        }
    }

    private final Map<String, LongAdder> counters = new ConcurrentSkipListMap<>();
    private final Map<String, Histogram> histograms = new TreeMap<>();
    private final Histogram first = histogram("time_to_first_token_seconds");
    private final Histogram between = histogram("inter_token_latency_seconds");
    private final Histogram whole = histogram("e2e_request_latency_seconds");
    private final Histogram queued = histogram("request_queue_time_seconds");
    private final Histogram prefill = histogram("request_prefill_time_seconds");
    private final Histogram decode = histogram("request_decode_time_seconds");

    Metrics() {
        for (String name : new String[] {
            "prompt_tokens_total",
            "generation_tokens_total",
            "prefix_cache_queries_total",
            "prefix_cache_hits_total",
            "cancelled_total",
            "request_success_total{finished_reason=\"stop\"}",
            "request_success_total{finished_reason=\"length\"}",
            "rejected_total{reason=\"queue_full\"}",
            "rejected_total{reason=\"shutting_down\"}"
        }) {
            counters.put(name, new LongAdder());
        }
    }

    private Histogram histogram(String name) {
        Histogram histogram = new Histogram();
        histograms.put(name, histogram);
        return histogram;
    }

    /** Adds to a counter. */
    void count(String counter, long more) {
        counters.computeIfAbsent(counter, _ -> new LongAdder()).add(more);
    }

    /** Seconds that a request took on average; 0 before the first. */
    double meanSeconds() {
        long requests = 0;
        for (LongAdder each : whole.counts) {
            requests += each.sum();
        }
        return requests == 0 ? 0 : whole.sum.sum() / requests;
    }

    /** The text that Prometheus reads, after some gauges. */
    String text(Map<String, Double> gauges) {
        StringBuilder text = new StringBuilder(8192);
        gauges.forEach((name, value) ->
                text.append("# TYPE " + PREFIX + name + " gauge\n" + PREFIX + name + " " + value + "\n"));
        String last = "";
        for (Map.Entry<String, LongAdder> counter : counters.entrySet()) {
            String name = counter.getKey().replaceFirst("\\{.*", "");
            if (!name.equals(last)) {
                text.append("# TYPE " + PREFIX + name + " counter\n");
            }
            last = name;
            text.append(PREFIX + counter.getKey() + " " + counter.getValue().sum() + "\n");
        }
        histograms.forEach((name, histogram) -> {
            text.append("# TYPE " + PREFIX + name + " histogram\n");
            histogram.write(PREFIX + name, text);
        });
        return text.toString();
    }

    /** Times of a request, from now on. */
    final class Request {
        private final long start = System.nanoTime();

        Sequence sequence() {
            return new Sequence(start);
        }

        /** Counts what was made. */
        void end(Ask ask, Iterable<Generation> generations) {
            whole.add(seconds(start));
            int index = 0;
            for (Generation generation : generations) {
                Generation.Timing timing = generation.timing();
                int prompt = generation.promptTokens().length;
                if (index++ % ask.candidates() == 0) {
                    count("prompt_tokens_total", prompt);
                }
                count("prefix_cache_queries_total", prompt);
                count("prefix_cache_hits_total", timing.cachedTokens());
                String reason = Api.label(generation.finishReason());
                count("request_success_total{finished_reason=\"" + reason + "\"}", 1);
                prefill.add(timing.prefillSeconds());
                decode.add(timing.decodeSeconds());
                queued.add(Math.max(0, seconds(start) - timing.prefillSeconds() - timing.decodeSeconds()));
            }
        }
    }

    /** Times of a sequence. Used by the engine's thread. */
    final class Sequence {
        private final long start;
        private long last;

        private Sequence(long start) {
            this.start = start;
        }

        /** A token came. */
        void token() {
            (last == 0 ? first : between).add(seconds(last == 0 ? start : last));
            last = System.nanoTime();
            count("generation_tokens_total", 1);
        }
    }

    private static double seconds(long since) {
        return (System.nanoTime() - since) / 1e9;
    }
}
