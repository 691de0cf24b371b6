package dev.causal4j.server;

import dev.causal4j.decoder.PagePool;
import dev.causal4j.generation.Engine;
import dev.causal4j.generation.Generation;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.atomic.DoubleAdder;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.BiConsumer;
import java.util.function.DoubleSupplier;
import java.util.stream.Stream;

/**
 * Counters and histograms of a model since the start, and gauges. Names are vLLM's, so that its dashboards need only another
 * prefix. Thread-safe.
 */
final class Metrics {
    static final String PREFIX = "causal4j_";
    private static final double[] SECONDS = {.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300
    };

    /** A value that is read when it is asked for. */
    record Gauge(String name, String help, DoubleSupplier value) {}

    /** A counter with a sum for each value of its label; without a label the only value is "". */
    record Counter(
            String name,
            String help,
            String label,
            Map<String, LongAdder> sums,
            List<BiConsumer<String, LongAdder>> watchers) {
        Counter(String name, String help, String label) {
            this(name, help, label, new ConcurrentSkipListMap<>(), new ArrayList<>());
            if (label.isEmpty()) {
                add(0);
            }
        }

        synchronized void add(String value, long more) {
            LongAdder known = sums.get(value);
            LongAdder sum = known == null ? new LongAdder() : known;
            sum.add(more);
            if (known == null) {
                sums.put(value, sum); // first: a watcher is somebody else's, and may throw
                watchers.forEach(watcher -> watcher.accept(value, sum));
            }
        }

        void add(long more) {
            add("", more);
        }

        /** Calls the watcher for every label value, existing and future. */
        synchronized void watch(BiConsumer<String, LongAdder> watcher) {
            watchers.add(watcher);
            sums.forEach(watcher);
        }
    }

    /** A histogram of times. */
    record Times(String name, String help, List<LongAdder> counts, DoubleAdder seconds) {
        Times(String name, String help) {
            this(
                    name,
                    help,
                    Stream.generate(LongAdder::new).limit(SECONDS.length + 1).toList(),
                    new DoubleAdder());
        }

        void add(double time) {
            int bucket = 0;
            while (bucket < SECONDS.length && time > SECONDS[bucket]) {
                bucket++;
            }
            counts.get(bucket).increment();
            seconds.add(time);
        }

        long count() {
            return counts.stream().mapToLong(LongAdder::sum).sum();
        }

        /** Gives the upper bound of each bucket, and how many times are not above it. Returns how many there are. */
        long buckets(BiConsumer<String, Long> reader) {
            long below = 0;
            for (int i = 0; i <= SECONDS.length; i++) {
                below += counts.get(i).sum();
                reader.accept(i == SECONDS.length ? "+Inf" : Double.toString(SECONDS[i]), below);
            }
            return below;
        }
    }

    private final Counter promptTokens = new Counter("prompt_tokens", "Tokens of prompts.", "");
    private final Counter generationTokens = new Counter("generation_tokens", "Generated tokens.", "");
    private final Counter queries =
            new Counter("prefix_cache_queries", "Tokens of prompts that were looked up among those kept.", "");
    private final Counter hits = new Counter("prefix_cache_hits", "Tokens of prompts that were kept.", "");
    private final Counter proposed = new Counter("spec_decode_num_draft_tokens", "Guessed tokens that steps fed.", "");
    private final Counter accepted =
            new Counter("spec_decode_num_accepted_tokens", "Guessed tokens that were right.", "");
    private final Counter succeeded = new Counter("request_success", "Sequences that ended.", "finished_reason");

    private final Times first = new Times("time_to_first_token", "From a request to its first token.");
    private final Times between = new Times("inter_token_latency", "From a token to the next.");
    final Times whole = new Times("e2e_request_latency", "From a request to the end of its answer.");
    private final Times queue = new Times("request_queue_time", "Wait of a sequence.");
    private final Times prefill = new Times("request_prefill_time", "Time of the prompt of a sequence.");
    private final Times decode = new Times("request_decode_time", "Time of the tokens after the first.");

    final String model;
    final List<Gauge> gauges;
    final List<Counter> counters =
            List.of(promptTokens, generationTokens, queries, hits, proposed, accepted, succeeded);
    final List<Times> times = List.of(first, between, whole, queue, prefill, decode);

    /**
     * @param engine must not compute anything yet: its free pages now are all that there are
     * @param model its name if there are several, else empty
     */
    Metrics(Engine engine, String model) {
        this.model = model;
        PagePool pool = engine.model().decoder().pool();
        double pages = pool.freePages();
        gauges = List.of(
                new Gauge("num_requests_running", "Sequences that are computed.", engine::running),
                new Gauge("num_requests_waiting", "Sequences that wait.", engine::waiting),
                new Gauge(
                        "kv_cache_usage_perc",
                        "The part of the pages for keys and values that is taken, from 0 to 1.",
                        () -> Math.max(0, 1 - pool.freePages() / pages)));
    }

    /** Counts a request that was answered. */
    void answered(TextRequest ask, List<Generation> made, double seconds) {
        whole.add(seconds);
        for (int i = 0; i < made.size(); i++) {
            Generation generation = made.get(i);
            Generation.Timing timing = generation.timing();
            int prompt = generation.promptTokens().length;
            promptTokens.add(i % ask.candidates() == 0 ? prompt : 0);
            queries.add(prompt);
            hits.add(timing.cachedTokens());
            proposed.add(timing.drafted().proposed());
            accepted.add(timing.drafted().accepted());
            succeeded.add(Choices.label(generation.finishReason()), 1);
            prefill.add(timing.prefillSeconds());
            decode.add(timing.decodeSeconds());
        }
    }

    /** Counts a request for vectors that was answered. */
    void embedded(int tokens, double seconds) {
        whole.add(seconds);
        promptTokens.add(tokens);
    }

    /** Times of a sequence, from a time in nanoseconds on. Used by the engine's thread. */
    final class Sequence {
        private long last;
        private double toFirst = -1; // seconds to the first token, once it came

        Sequence(long now) {
            last = now;
        }

        /** A token came. */
        void token(long now) {
            double seconds = (now - last) / 1e9;
            (toFirst < 0 ? first : between).add(seconds);
            toFirst = toFirst < 0 ? seconds : toFirst;
            last = now;
            generationTokens.add(1);
        }

        /** It ended. Its wait is the time before its first token, without that of its prompt. */
        void end(long now, Generation.Timing timing) {
            queue.add(Math.max(0, (toFirst < 0 ? (now - last) / 1e9 : toFirst) - timing.prefillSeconds()));
        }
    }
}
