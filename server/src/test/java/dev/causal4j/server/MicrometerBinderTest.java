package dev.causal4j.server;

import static dev.causal4j.server.Served.OPTIONS;
import static dev.causal4j.server.Served.PROMPT;
import static dev.causal4j.server.Served.await;
import static dev.causal4j.server.Served.metric;
import static dev.causal4j.server.Served.send;
import static org.assertj.core.api.Assertions.assertThat;

import io.micrometer.core.instrument.Tag;
import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.io.IOException;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** Its example is in the guide, which {@code ReadmeTest} compares with this file. */
class MicrometerBinderTest {
    private static final Pattern LINE = Pattern.compile("^(# HELP \\S+|[^#]\\S*) (.*)$", Pattern.MULTILINE);

    private static PrometheusMeterRegistry bound(Server server) {
        // example: begin
        PrometheusMeterRegistry registry = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT); // or any other
        new MicrometerBinder(server).bindTo(registry);
        // example: end
        return registry;
    }

    /** The lines of a text for Prometheus about each name, and the values by name and labels; without buckets. */
    private static Map<String, String> told(String text) {
        return LINE.matcher(text)
                .results()
                .filter(line -> !line.group(1).contains("_bucket{"))
                .collect(Collectors.toMap(
                        line -> line.group(1),
                        line -> line.group(1).startsWith("#")
                                ? line.group(2)
                                : Double.valueOf(line.group(2)).toString()));
    }

    private static Map<String, String> figures(Server server) {
        try {
            return told(send(server, "/metrics", "").body());
        } catch (IOException | InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void micrometerHasTheNamesTheHelpAndTheValuesThatPrometheusReads() throws Exception {
        try (Server server = Served.start(OPTIONS)) {
            PrometheusMeterRegistry registry = bound(server);
            String body = "{'max_tokens': 5, 'temperature': 0, 'prompt': '" + PROMPT + "'}";
            for (int i = 1; i <= 2; i++) {
                int requests = i;
                assertThat(send(server, "/v1/completions", body).statusCode()).isEqualTo(200);
                await(() -> metric(server, "request_decode_time_seconds_count") == requests); // the last
            }
            assertThat(send(server, "/v1/nowhere", "").statusCode()).isEqualTo(404);
            // The pool of pages is that of other servers, too.
            await(() -> told(registry.scrape()).equals(figures(server)));
            assertThat(figures(server))
                    .containsEntry("causal4j_generation_tokens_total", "10.0")
                    .containsEntry("causal4j_request_success_total{finished_reason=\"length\"}", "2.0")
                    .containsEntry("causal4j_rejected_total{reason=\"unknown_url\"}", "1.0")
                    .containsEntry("causal4j_request_prefill_time_seconds_count", "2.0");
        }
    }

    @Test
    void tagsTellServersApart() {
        SimpleMeterRegistry registry = new SimpleMeterRegistry();
        try (Server one = Served.start(OPTIONS);
                Server other = Served.start(OPTIONS)) {
            new MicrometerBinder(one, Tag.of("port", "one")).bindTo(registry);
            new MicrometerBinder(other, Tag.of("port", "other")).bindTo(registry);
            other.figures().rejected().add("queue_full", 3);
            assertThat(registry.find("causal4j.num.requests.waiting").gauges()).hasSize(2);
            assertThat(registry.find("causal4j.rejected").functionCounters())
                    .singleElement()
                    .satisfies(counter -> assertThat(counter.count()).isEqualTo(3))
                    .satisfies(counter -> assertThat(counter.getId().getTags())
                            .isEqualTo(Tags.of("port", "other", "reason", "queue_full").stream()
                                    .toList()));
        }
    }
}
