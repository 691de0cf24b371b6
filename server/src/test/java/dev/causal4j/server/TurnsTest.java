package dev.causal4j.server;

import static dev.causal4j.server.Served.CLIENT;
import static dev.causal4j.server.Served.MODEL;
import static dev.causal4j.server.Served.OPTIONS;
import static dev.causal4j.server.Served.SERVER;
import static dev.causal4j.server.Served.await;
import static dev.causal4j.server.Served.metric;
import static dev.causal4j.server.Served.post;
import static dev.causal4j.server.Served.request;
import static dev.causal4j.server.Served.send;
import static dev.causal4j.server.Served.start;
import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.constraint.Constraint;
import java.io.ByteArrayInputStream;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

/** Requests while the background works for strangers, which it does until it is freed. */
class TurnsTest {
    private static final String KNOWN = "{'prompt': 'x', 'max_tokens': 4, 'guided_regex': 'known{1,4}'}";
    private final CountDownLatch free = new CountDownLatch(1);

    @BeforeEach
    void occupy() throws Exception {
        assertThat(send(SERVER, "/v1/completions", KNOWN).statusCode()).isEqualTo(200);
        int threads = Math.max(1, MODEL.head().compute().threads() / 2);
        CountDownLatch begun = new CountDownLatch(threads);
        for (int i = 0; i < threads; i++) {
            var _ = MODEL.head().compute().background("stranger", () -> {
                begun.countDown();
                try {
                    free.await(60, TimeUnit.SECONDS);
                } catch (InterruptedException e) {
                    throw new AssertionError(e);
                }
            });
        }
        assertThat(begun.await(60, TimeUnit.SECONDS)).isTrue();
    }

    @AfterEach
    void free() {
        free.countDown();
    }

    private static String pattern(String pattern) {
        return "{'prompt': 'x', 'max_tokens': 4, 'guided_regex': '" + pattern + "'}".replace('\'', '"');
    }

    private static CompletableFuture<HttpResponse<String>> ask(
            Server server, HttpClient client, String body, String... headers) {
        return client.sendAsync(
                request(server, "/v1/completions", body.replace('\'', '"'), headers), BodyHandlers.ofString());
    }

    @Test
    @EnabledIfSystemProperty(named = "causal4j.whole", matches = "true")
    void aCompiledConstraintWaitsForNobody() throws Exception {
        CompletableFuture<HttpResponse<String>> other = ask(SERVER, CLIENT, pattern("another{1,5}"));
        assertThat(send(SERVER, "/v1/completions", KNOWN).statusCode()).isEqualTo(200);
        assertThat(other).isNotDone();
        free.countDown();
        assertThat(other.join().statusCode()).isEqualTo(200);
    }

    @Test
    void aSmallBodyInChunksWaitsForNobody() throws Exception {
        byte[] body = "{\"content\": \"a\"}".getBytes(StandardCharsets.UTF_8);
        HttpRequest chunks = HttpRequest.newBuilder(request(SERVER, "/tokenize", "{}"), (_, _) -> true)
                .POST(BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(body)))
                .build();
        assertThat(CLIENT.sendAsync(chunks, BodyHandlers.ofString())
                        .get(20, TimeUnit.SECONDS)
                        .statusCode())
                .isEqualTo(200);
    }

    @Test
    void whatClientsThatLeftAskedForIsNotCompiled() throws Exception {
        try (HttpClient client = HttpClient.newHttpClient();
                Server server = start(OPTIONS)) {
            var left = ask(server, client, pattern("left{1,6}"));
            await(() -> server.routes.turns.waiting() == 1);
            client.shutdownNow();
            await(() -> metric(server, "cancelled_total") == 1);
            assertThat(server.routes.turns.waiting()).isZero();
            free.countDown();
            assertThat(ask(server, CLIENT, pattern("stayed{1,6}")).join().statusCode())
                    .isEqualTo(200);
            assertThat(Constraint.regex("left{1,6}").isCompiled(MODEL.requireTokenizer()))
                    .isFalse();
            assertThat(left).isCompletedExceptionally();
        }
    }

    @Test
    void whoeverWaitsForMostCompilationsIsRefusedAndNobodyElse() throws Exception {
        String[] one = {"Authorization", "Bearer one"};
        try (Server server = start(OPTIONS.withKeys(List.of("one", "two")))) {
            List<CompletableFuture<HttpResponse<String>>> all = new ArrayList<>();
            IntStream.range(0, Limits.COMPILATIONS)
                    .forEach(i -> all.add(ask(server, CLIENT, pattern("one" + i + "{1,7}"), one)));
            await(() -> server.routes.turns.waiting() == Limits.COMPILATIONS);
            HttpResponse<String> refused =
                    ask(server, CLIENT, pattern("more{1,7}"), one).join();
            assertThat(refused.statusCode()).isEqualTo(429);
            assertThat(refused.headers().firstValue("retry-after")).hasValue("1");
            assertThat(refused.body())
                    .contains("compilations: expected at most 64 that wait, got more; try again when some of your"
                            + " requests have ended");
            all.add(ask(server, CLIENT, pattern("two{1,7}"), "Authorization", "Bearer two"));
            await(() -> server.routes.turns.waiting() == Limits.COMPILATIONS + 1);
            free.countDown();
            assertThat(all).allMatch(each -> each.join().statusCode() == 200);
        }
    }

    @Test
    void largeBodiesWaitForTheirTurnAndSmallOnesDoNot() throws Exception {
        String large = "{'content': '" + "a ".repeat(Limits.READ_AT_ONCE_BYTES / 2) + "'}";
        CompletableFuture<HttpResponse<String>> slow =
                CLIENT.sendAsync(request(SERVER, "/tokenize", large.replace('\'', '"')), BodyHandlers.ofString());
        assertThat(send(SERVER, "/tokenize", "{'content': 'a'}").statusCode()).isEqualTo(200);
        assertThat(slow).isNotDone();
        free.countDown();
        assertThat(slow.join().statusCode()).isEqualTo(200);
    }

    /** A small request after a large history waits as it came. */
    @Test
    void whatWaitsForItsTurnIsNoTree() throws Exception {
        String item = "{'type': 'reasoning', 'junk': '" + "x".repeat(31_000) + "'}, {'role': 'user', 'content': 'x'}";
        String id = "";
        for (int i = 0; i < 2; i++) {
            id = post(
                            "/v1/responses",
                            "{'max_output_tokens': 1, 'input': [" + item + "]"
                                    + (id.isEmpty() ? "" : ", 'previous_response_id': '" + id + "'") + "}")
                    .get("id")
                    .stringValue();
        }
        String next = ("{'input': 'x', 'max_output_tokens': 1, 'previous_response_id': '" + id + "', 'junk': [0"
                        + ", {'': 0}".repeat(6500) + "]}")
                .replace('\'', '"');
        long before = used();
        List<CompletableFuture<HttpResponse<String>>> all = Stream.generate(
                        () -> CLIENT.sendAsync(request(SERVER, "/v1/responses", next), BodyHandlers.ofString()))
                .limit(100)
                .toList();
        await(() -> SERVER.routes.turns.waiting() == 100);
        assertThat((used() - before) >> 20).as("MB").isLessThan(30);
        free.countDown();
        assertThat(all).allMatch(each -> each.join().statusCode() == 200);
    }

    private static long used() {
        System.gc();
        return Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory();
    }

    @Test
    void whoWaitsForATurnIsToldOfTheShutdown() throws Exception {
        try (Server server = start(OPTIONS)) {
            CompletableFuture<HttpResponse<String>> waiting = ask(server, CLIENT, pattern("never{1,8}"));
            await(() -> server.routes.turns.waiting() == 1);
            server.drain(Duration.ofSeconds(60));
            assertThat(waiting.join().statusCode()).isEqualTo(503);
        }
    }
}
