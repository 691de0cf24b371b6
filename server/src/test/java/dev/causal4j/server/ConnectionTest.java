package dev.causal4j.server;

import static dev.causal4j.server.Served.CLIENT;
import static dev.causal4j.server.Served.MODEL;
import static dev.causal4j.server.Served.OPTIONS;
import static dev.causal4j.server.Served.SERVER;
import static dev.causal4j.server.Served.await;
import static dev.causal4j.server.Served.connect;
import static dev.causal4j.server.Served.metric;
import static dev.causal4j.server.Served.request;
import static dev.causal4j.server.Served.send;
import static dev.causal4j.server.Served.start;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIOException;

import dev.causal4j.chat.ChatTemplate;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.Socket;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Who may ask, how much, and when: connections, bounds, keys, origins and the end of the server. */
class ConnectionTest {
    private static final String ONE_TOKEN = "{'prompt': 'Emma', 'max_tokens': 1}";

    @Test
    void connectionsServeRequestAfterRequest() throws Exception {
        HttpRequest request = request(SERVER, "/tokenize", "{\"content\":\"It is\"}");
        try (ExecutorService threads = Executors.newFixedThreadPool(4)) {
            List<Callable<Integer>> clients = Collections.nCopies(4, () -> {
                int answered = 0;
                try (HttpClient own = HttpClient.newHttpClient()) {
                    for (int i = 0; i < 1000; i++) {
                        answered += own.send(request, BodyHandlers.ofString()).statusCode() == 200 ? 1 : 0;
                    }
                }
                return answered;
            });
            for (Future<Integer> client : threads.invokeAll(clients)) {
                assertThat(client.get()).isEqualTo(1000);
            }
        }
    }

    @Test
    void aFullQueueIsRefusedAndAClientThatVanishesFreesItsPlace() throws Exception {
        try (Server small = start(OPTIONS.withBounds(1, 0))) {
            String body = "{'prompt': 'Emma', 'max_tokens': 200, 'n': 128, 'ignore_eos': true, 'temperature': 1}";
            String head =
                    "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + body.length() + "\r\n\r\n";
            try (Socket busy = connect(small)) {
                busy.getOutputStream().write((head + body.replace('\'', '"')).getBytes(StandardCharsets.UTF_8));
                await(() -> metric(small, "num_requests_waiting") > 0); // its own probe of the model runs too
                HttpResponse<String> refused = send(small, "/v1/completions", ONE_TOKEN);
                assertThat(refused.statusCode()).isEqualTo(429);
                assertThat(refused.headers().firstValue("retry-after").orElseThrow())
                        .matches("[0-9]{1,2}");
                assertThat(refused.body()).contains("queue_full");
            }
            await(() -> metric(small, "num_requests_running") + metric(small, "num_requests_waiting") == 0);
            await(() -> metric(small, "cancelled_total") == 1);
            assertThat(send(small, "/v1/completions", ONE_TOKEN).statusCode()).isEqualTo(200);
        }
    }

    private static Socket halfOfABody(Server server, int bytes) {
        String head = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + bytes + "\r\n\r\n{";
        try {
            Socket socket = connect(server);
            socket.getOutputStream().write(head.getBytes(StandardCharsets.US_ASCII));
            return socket;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Whether half of a body has an answer: a request that only looked for room may have had its place. */
    private static boolean refused(Socket socket) {
        try {
            return socket.getInputStream().available() > 0;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @ParameterizedTest
    @CsvSource({"1, 1000", "8, 8388608"}) // requests, and bytes of them all
    void boundsHoldBeforeBodiesAreRead(int most, int bytes) throws Exception {
        try (Server small = start(OPTIONS.withBounds(1, most == 1 ? 0 : 100))) {
            List<Socket> sockets = hold(small, most, bytes);
            assertThat(send(small, "/health", "").statusCode()).isEqualTo(200);
            for (Socket socket : sockets) {
                socket.close();
            }
            await(() -> status(small) == 200);
        }
    }

    /** Connections that hold all places, or bytes, of a server. One that came while {@link #status} asked comes again. */
    private static List<Socket> hold(Server server, int n, int bytes) throws InterruptedException {
        List<Socket> sockets = new ArrayList<>();
        for (int i = 0; i < n; i++) {
            sockets.add(halfOfABody(server, bytes));
        }
        await(() -> {
            sockets.replaceAll(socket -> refused(socket) ? halfOfABody(server, bytes) : socket);
            return status(server) == 429;
        });
        return sockets;
    }

    private static int status(Server server) {
        try {
            return send(server, "/v1/completions", ONE_TOKEN).statusCode();
        } catch (IOException | InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void aTextThatCannotFitIsNotEncoded() throws Exception {
        String text = "a".repeat(4 << 20);
        for (String body :
                List.of("{'prompt': '" + text + "'}", "{'messages': [{'role': 'user', 'content': '" + text + "'}]}")) {
            String path = body.startsWith("{'p") ? "/v1/completions" : "/v1/chat/completions";
            HttpResponse<String> refused = send(SERVER, path, body);
            assertThat(refused.statusCode()).isEqualTo(400);
            assertThat(refused.body()).contains("context_length_exceeded");
        }
    }

    @Test
    void drainingLetsARequestEndAndRefusesOthers() throws Exception {
        try (Server draining = start(OPTIONS)) {
            String body = "{\"prompt\": \"Emma\", \"max_tokens\": 255, \"stream\": true, \"ignore_eos\": true}";
            HttpResponse<InputStream> stream =
                    CLIENT.send(request(draining, "/v1/completions", body), BodyHandlers.ofInputStream());
            ByteArrayOutputStream all = new ByteArrayOutputStream();
            all.write(stream.body().read());
            CompletableFuture<Void> drained = CompletableFuture.runAsync(() -> draining.drain(Duration.ofSeconds(60)));
            all.write(stream.body().readAllBytes());
            assertThat(all.toString(StandardCharsets.UTF_8)).endsWith("data: [DONE]\n\n");
            drained.join();
            assertThatIOException().isThrownBy(() -> send(draining, "/health", ""));
        }
    }

    @Test
    void whatIsNotDoneWhenTheServerClosesEndsWithAnError() throws Exception {
        try (Server closing = start(OPTIONS.withBounds(1, 4))) {
            String body = "{\"prompt\": \"Emma\", \"max_tokens\": 200, \"n\": 100, \"ignore_eos\": true}";
            CompletableFuture<HttpResponse<String>> whole =
                    CLIENT.sendAsync(request(closing, "/v1/completions", body), BodyHandlers.ofString());
            await(() -> metric(closing, "num_requests_waiting") > 0);
            closing.drain(Duration.ZERO);
            assertThat(whole.join().statusCode()).isEqualTo(503);
            assertThat(whole.join().body()).contains("shutting_down");
        }
    }

    @Test
    void aRequestThatMeetsAClosedEngineIsToldOfTheShutdown() throws Exception {
        String rest = "\"prompt\": \"Emma\"}";
        try (Server closing = start(OPTIONS.withBounds(1, 0));
                Socket socket = hold(closing, 1, 1 + rest.length()).getFirst()) {
            socket.setSoTimeout(10_000);
            CompletableFuture<Void> drained = CompletableFuture.runAsync(() -> closing.drain(Duration.ZERO));
            while (send(closing, "/health", "").statusCode() == 200) {
                Thread.sleep(5);
            }
            Thread.sleep(100); // the engine closes next
            socket.getOutputStream().write(rest.getBytes(StandardCharsets.US_ASCII));
            String answer = new String(socket.getInputStream().readAllBytes(), StandardCharsets.US_ASCII);
            assertThat(answer).startsWith("HTTP/1.1 503").contains("shutting_down");
            drained.join();
        }
    }

    @Test
    void pagesOfKnownOriginsMayAskAndOthersMayNot() throws Exception {
        String body = "{'content': 'a'}";
        assertThat(send(SERVER, "/tokenize", body, "Origin", "http://evil.example")
                        .statusCode())
                .isEqualTo(403);
        String known = "http://localhost:3000";
        assertThat(send(SERVER, "/tokenize", body, "Origin", known).statusCode())
                .isEqualTo(200);
        assertThat(send(SERVER, "/nowhere", body, "Origin", known).headers().firstValue("access-control-allow-origin"))
                .hasValue(known);
        for (String origin : List.of(known, "http://evil.example")) {
            HttpRequest preflight = HttpRequest.newBuilder(
                            request(SERVER, "/tokenize", "").uri())
                    .method("OPTIONS", HttpRequest.BodyPublishers.noBody())
                    .headers("Origin", origin, "Access-Control-Request-Headers", "x-stainless-os")
                    .build();
            assertThat(CLIENT.send(preflight, BodyHandlers.ofString())
                            .headers()
                            .firstValue("access-control-allow-headers")
                            .filter("x-stainless-os"::equals)
                            .isPresent())
                    .isEqualTo(origin.equals(known));
        }
    }

    @ParameterizedTest
    @CsvSource({
        "Bearer one, 200",
        "bearer one, 200",
        "Bearer two, 200",
        "Bearer on, 401",
        "one, 401",
        "Basic one, 401",
        "Bearer, 401"
    })
    void aKeyIsNeeded(String authorization, int status) throws Exception {
        try (Server keyed = start(OPTIONS.withKeys(List.of("one", "two")))) {
            HttpResponse<String> models = send(keyed, "/v1/models", "", "Authorization", authorization);
            assertThat(models.statusCode()).isEqualTo(status);
            assertThat(models.headers().firstValue("www-authenticate").isPresent())
                    .isEqualTo(status == 401);
            assertThat(send(keyed, "/health", "").statusCode()).isEqualTo(200);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "GET /health HTTP/1.1|Host: localhost:1, 200",
        "GET /health HTTP/1.1|Host: evil.example, 403",
        "GET /v1/nowhere HTTP/1.1|Host: localhost, 404",
        "GET /v1/completions HTTP/1.1|Host: localhost, 405",
        "TRACE /health HTTP/1.1|Host: localhost, 405",
        "POS /tokenize HTTP/1.1|Host: localhost|Content-Length: 0, 405",
        "OPTIONS /v1/completions HTTP/1.1|Host: localhost|Origin: http://localhost:3000, 204",
        "POST /v1/completions HTTP/1.1|Host: localhost|Content-Length: 99999999, 413",
        "POST /v1/completions HTTP/1.1|Host: localhost|Content-Encoding: gzip|Content-Length: 0, 415"
    })
    void aRequestThatIsNoneOfOursIsRefusedBeforeItIsRead(String head, int status) throws Exception {
        try (Socket socket = connect(SERVER)) {
            socket.setSoTimeout(10_000);
            byte[] bytes = (head.replace("|", "\r\n") + "\r\n\r\n").getBytes(StandardCharsets.US_ASCII);
            socket.getOutputStream().write(bytes);
            String answer = new String(socket.getInputStream().readNBytes(12), StandardCharsets.US_ASCII);
            assertThat(answer).isEqualTo("HTTP/1.1 " + status);
        }
    }

    @ParameterizedTest
    @CsvSource({"POST /nope, 404", "POST /health, 405", "GET /health, 200", "OPTIONS /tokenize, 204"})
    void aConnectionWhoseBodyIsNotWantedEnds(String request, int status) throws Exception {
        try (Server other = start(OPTIONS);
                Socket socket = connect(other)) {
            socket.setSoTimeout(10_000);
            String head = request + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nx";
            socket.getOutputStream().write(head.getBytes(StandardCharsets.US_ASCII));
            String answer = new String(socket.getInputStream().readAllBytes(), StandardCharsets.US_ASCII);
            assertThat(answer).startsWith("HTTP/1.1 " + status);
            long start = System.nanoTime();
            other.drain(Duration.ofSeconds(60)); // which waits for what is open
            assertThat(System.nanoTime() - start).isLessThan(30_000_000_000L);
        }
    }

    @Test
    void aPortInUseIsNamedInOneLine() {
        assertThatIOException()
                .isThrownBy(() -> Server.start(
                                MODEL,
                                ChatTemplate.plain(),
                                OPTIONS.withAddress(
                                        "127.0.0.1", SERVER.address().getPort()))
                        .close())
                .withMessageMatching("127.0.0.1:\\d+: expected a free address of this machine, got [^\\n]*");
    }
}
