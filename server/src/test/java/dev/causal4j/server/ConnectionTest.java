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
import dev.causal4j.generation.Engine;
import dev.causal4j.server.ServerOptions.Answered;
import dev.causal4j.tokenizer.SpecialTokens;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.Socket;
import java.net.http.HttpClient;
import java.net.http.HttpHeaders;
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
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Access and connections: bounds, keys, origins and the end of the server. */
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
                await(() -> metric(small, "generation_tokens_total") > 0);
                HttpResponse<String> refused = send(small, "/v1/completions", ONE_TOKEN);
                assertThat(refused.statusCode()).isEqualTo(429);
                assertThat(refused.headers().firstValue("retry-after").orElseThrow())
                        .matches("[0-9]{1,2}");
                assertThat(refused.headers().firstValue("x-request-id")).isPresent();
                assertThat(refused.body()).contains("queue_full");
            }
            await(() -> metric(small, "num_requests_running") + metric(small, "num_requests_waiting") == 0);
            await(() -> metric(small, "cancelled_total") == 1);
            assertThat(send(small, "/v1/completions", ONE_TOKEN).statusCode()).isEqualTo(200);
        }
    }

    private static Socket halfOfABody(Server server, int bytes) {
        String head = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: "
                + bytes + "\r\n\r\n{";
        try {
            Socket socket = connect(server);
            socket.getOutputStream().write(head.getBytes(StandardCharsets.US_ASCII));
            return socket;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Test
    void unfinishedBodiesLeaveOthersAnswered() throws Exception {
        List<Socket> sockets = new ArrayList<>();
        try (Server small = start(OPTIONS.withBounds(1, 0))) {
            for (int i = 0; i < 158; i++) {
                sockets.add(halfOfABody(small, i < 8 ? Limits.BODY_BYTES : 50));
            }
            for (int i = 0; i < 3; i++) {
                assertThat(send(small, "/v1/completions", ONE_TOKEN).statusCode())
                        .isEqualTo(200);
            }
            assertThat(readUntil(sockets.getFirst(), "none", 1)).isNotNull(); // the oldest of its address is closed
            for (Socket socket : sockets) {
                socket.close(); // else the end of the server waits for them
            }
        }
    }

    private static String post(String path, String body) {
        return "POST " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + body.length() + "\r\n\r\n" + body;
    }

    /** Reads the server's bytes until a text has come so often, or it closes the connection. */
    private static String readUntil(Socket socket, String text, int times) throws IOException {
        socket.setSoTimeout(10_000);
        StringBuilder all = new StringBuilder();
        byte[] some = new byte[1 << 16];
        for (int n = 0; n >= 0 && all.toString().split(Pattern.quote(text), -1).length <= times; ) {
            n = socket.getInputStream().read(some);
            all.append(new String(some, 0, Math.max(0, n), StandardCharsets.US_ASCII));
        }
        return all.toString();
    }

    @Test
    void aRequestThatComesInTwoPartsBehindAnotherIsReadInOrder() throws Exception {
        String first =
                post("/v1/completions", "{\"prompt\":\"a\",\"max_tokens\":9,\"stream\":true,\"ignore_eos\":true}");
        String second = post("/tokenize", "{\"content\":\"a\"}");
        for (int cut = 0; cut < second.length(); cut++) { // whole, its answer could come with the first one's begin
            try (Socket socket = connect(SERVER)) {
                OutputStream out = socket.getOutputStream();
                out.write((first + second.substring(0, cut)).getBytes(StandardCharsets.US_ASCII));
                String answer = readUntil(socket, "data:", 1); // it is computed
                out.write(second.substring(cut).getBytes(StandardCharsets.US_ASCII));
                assertThat(answer + readUntil(socket, "\"count\":1", 1))
                        .as("cut at " + cut)
                        .contains("data: [DONE]", "\"count\":1");
            }
        }
    }

    @Test
    void aBurstOfRequestsIsAnsweredWhole() throws Exception {
        String request = post("/tokenize", "{\"content\":\"a\"" + " ".repeat(100) + "}");
        assertThat(request).hasSize(180);
        try (Socket socket = connect(SERVER)) {
            socket.getOutputStream().write(request.repeat(100).getBytes(StandardCharsets.US_ASCII));
            assertThat(readUntil(socket, "\"count\":1", 100).split("HTTP/1.1 200", -1))
                    .hasSize(101);
        }
    }

    @Test
    void tokensThatNobodyReadsTakeBytes() throws Exception {
        String text = "\uac00".repeat(65_000);
        String body = "{\"content\": \"" + text + "\", \"with_pieces\": true}";
        byte[] sent = body.getBytes(StandardCharsets.UTF_8);
        String head = "POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + sent.length + "\r\n\r\n";
        int bytes = sent.length + 4 * MODEL.requireTokenizer().encode(text, SpecialTokens.PARSE).length;
        List<Socket> slow = new ArrayList<>();
        try (Server server = start(OPTIONS)) {
            for (int room = Limits.ANSWERED_BYTES / bytes; room >= 0; room--) {
                Socket socket = new Socket();
                slow.add(socket);
                socket.setReceiveBufferSize(4096); // so that the answer waits in the server
                socket.connect(server.address());
                socket.getOutputStream().write(head.getBytes(StandardCharsets.US_ASCII));
                socket.getOutputStream().write(sent);
                assertThat(readUntil(socket, "HTTP/1.1 ", 1)).startsWith("HTTP/1.1 " + (room > 0 ? "200" : "429"));
            }
            for (Socket socket : slow) {
                socket.close();
            }
            await(() -> tokenize(server, body) == 200);
        }
    }

    private static int tokenize(Server server, String body) {
        try {
            return send(server, "/tokenize", body).statusCode();
        } catch (IOException | InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void aTextThatCannotFitIsNotEncoded() throws Exception {
        String text = "a".repeat(4 << 20);
        assertThat(send(SERVER, "/tokenize", "{'content': '" + text + "'}").body())
                .contains("content: expected at most 1048576 characters, got 4194304");
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

    /** A request of several choices, of which one has run. */
    private static CompletableFuture<HttpResponse<String>> begun(Server server, int tokens, int choices)
            throws InterruptedException {
        String body =
                "{\"prompt\": \"Emma\", \"max_tokens\": " + tokens + ", \"n\": " + choices + ", \"ignore_eos\": true}";
        CompletableFuture<HttpResponse<String>> whole =
                CLIENT.sendAsync(request(server, "/v1/completions", body), BodyHandlers.ofString());
        await(() -> metric(server, "generation_tokens_total") > 0);
        return whole;
    }

    @Test
    void drainingLetsAllChoicesOfARequestEndThatHasBegun() throws Exception {
        try (Server draining = start(OPTIONS.withBounds(1, 4))) {
            CompletableFuture<HttpResponse<String>> whole = begun(draining, 20, 4);
            draining.drain(Duration.ofSeconds(60));
            assertThat(whole.join().statusCode()).isEqualTo(200);
        }
    }

    @Test
    void closingEndsADrainOfAnotherThread() throws Exception {
        CompletableFuture<HttpResponse<String>> whole;
        CompletableFuture<Void> drained;
        try (Server closing = start(OPTIONS.withBounds(1, 4))) {
            whole = begun(closing, 200, 100);
            drained = CompletableFuture.runAsync(() -> closing.drain(Duration.ofMinutes(10)));
            Thread.sleep(50);
            assertThat(drained).isNotDone();
        }
        assertThat(whole.join().statusCode()).isEqualTo(503);
        drained.join();
    }

    @Test
    void whatIsNotDoneWhenTheServerClosesEndsWithAnError() throws Exception {
        try (Server closing = start(OPTIONS.withBounds(1, 4))) {
            CompletableFuture<HttpResponse<String>> whole = begun(closing, 200, 100);
            closing.drain(Duration.ZERO);
            assertThat(whole.join().statusCode()).isEqualTo(503);
            assertThat(whole.join().body()).contains("shutting_down");
        }
    }

    private static boolean isClosed(Engine engine) {
        try {
            engine.score(new int[] {1, 2}, 1, 0).cancel(true);
            return false;
        } catch (IllegalStateException e) {
            return true;
        }
    }

    @Test
    void aRequestThatMeetsAClosedEngineIsToldOfTheShutdown() throws Exception {
        String rest = "\"prompt\": \"Emma\"}";
        try (Server closing = start(OPTIONS.withBounds(1, 0));
                Socket socket = halfOfABody(closing, 1 + rest.length())) {
            assertThat(readUntil(socket, "\r\n\r\n", 1)).startsWith("HTTP/1.1 100"); // the body is waited for
            CompletableFuture<Void> drained = CompletableFuture.runAsync(() -> closing.drain(Duration.ZERO));
            await(() ->
                    isClosed(closing.routes.models.first().engine())); // while the server waits for the open request
            socket.getOutputStream().write(rest.getBytes(StandardCharsets.US_ASCII));
            String answer = new String(socket.getInputStream().readAllBytes(), StandardCharsets.US_ASCII);
            assertThat(answer).startsWith("HTTP/1.1 503").contains("shutting_down");
            drained.join();
        }
    }

    @Test
    void pagesOfKnownOriginsMayAskAndOthersMayNot() throws Exception {
        String body = "{'content': 'a'}";
        HttpResponse<String> refused = send(SERVER, "/tokenize", body, "Origin", "app://obsidian.md");
        assertThat(refused.statusCode()).isEqualTo(403);
        assertThat(refused.body())
                .contains(
                        "expected a page of this machine, got \\\"app://obsidian.md\\\"; allow it with --cors-origin");
        String known = "http://localhost:3000";
        assertThat(send(SERVER, "/tokenize", body, "Origin", known).statusCode())
                .isEqualTo(200);
        HttpHeaders headers = send(SERVER, "/nowhere", body, "Origin", known).headers();
        assertThat(headers.firstValue("access-control-allow-origin")).hasValue(known);
        assertThat(headers.firstValue("access-control-expose-headers")).hasValue("x-request-id");
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
        "POST /v1/completions HTTP/1.1|Host: localhost|Content-Encoding: gzip|Content-Length: 0, 415",
        "GET /health HTTP/0.9|Host: localhost, 505",
        "GET /health HTTP/1.0|Host: localhost, 200",
        "GET /health HTTP/1.1|Host: localhost|Expect: 200-ok, 417",
        "POST /tokenize HTTP/1.0|Host: localhost|Transfer-Encoding: chunked, 400",
        "POST /tokenize HTTP/1.1|Host: localhost|Transfer-Encoding: gzip, 400",
        "POST /tokenize HTTP/1.1|Host: localhost|Transfer-Encoding: gzip|Transfer-Encoding: chunked, 400",
        "POST /tokenize HTTP/1.1|Host: localhost|Transfer-Encoding: chunked|Transfer-Encoding: chunked, 400",
        "POST /tokenize HTTP/1.1|Host: localhost|Transfer-Encoding: chun|  ked, 400"
    })
    void aRequestThatIsNoneOfOursIsRefusedBeforeItIsRead(String head, int status) throws Exception {
        try (Socket socket = connect(SERVER)) {
            socket.setSoTimeout(10_000);
            byte[] bytes = (head.replace("|", "\r\n") + "\r\n\r\n").getBytes(StandardCharsets.US_ASCII);
            socket.getOutputStream().write(bytes);
            String answer = new String(socket.getInputStream().readNBytes(12), StandardCharsets.US_ASCII);
            assertThat(answer).matches("HTTP/[01]\\.[019] " + status);
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
            other.drain(Duration.ofSeconds(60)); // waits for open requests
            assertThat(System.nanoTime() - start).isLessThan(30_000_000_000L);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"/health", "/v1/nowhere"})
    void aPageThatHasMadeItsNameOursIsToldNothing(String path) throws Exception {
        try (Server open = start(OPTIONS.withAddress("0.0.0.0", 0));
                Socket socket = new Socket(
                        InetAddress.getLoopbackAddress(), open.address().getPort())) {
            String request =
                    "GET " + path + " HTTP/1.1\r\nHost: evil.example:80\r\nOrigin: http://evil.example:80\r\n\r\n";
            socket.getOutputStream().write(request.getBytes(StandardCharsets.US_ASCII));
            String answer = readUntil(socket, "}}", 1);
            assertThat(answer).startsWith("HTTP/1.1 40").doesNotContainIgnoringCase("access-control");
            if (path.equals("/health")) {
                assertThat(answer).contains("got \\\"evil.example:80\\\"; allow it with --host-name");
            }
        }
    }

    @Test
    void eachAnswerHasAnIdWhichTheLogTells() throws Exception {
        List<String> told = Collections.synchronizedList(new ArrayList<>());
        ServerOptions options = OPTIONS.withAliases(List.of("org/na+me"))
                .withBounds(1, 0)
                .withCacheBytes(0)
                .withLog(answered -> told.add(answered.id()));
        try (Server logging = start(options)) {
            List<String> ids = new ArrayList<>();
            for (String path : List.of("/health", "/", "/v1/nowhere", "/v1/completions", "/v1/models/org%2Fna+me")) {
                HttpResponse<String> answer = send(logging, path, "");
                assertThat(answer.statusCode())
                        .isEqualTo(path.contains("nowhere") ? 404 : path.contains("comp") ? 405 : 200);
                ids.add(answer.headers().firstValue("x-request-id").orElseThrow());
            }
            assertThat(send(logging, "/v1/models/org%252Fna+me", "").statusCode())
                    .isEqualTo(404);
            assertThat(ids).doesNotHaveDuplicates().allMatch(id -> id.matches("req_[0-9a-f]{24}"));
            await(() -> told.containsAll(ids));
        }
    }

    @Test
    void theLogTellsTokensAndReasons() throws Exception {
        List<Answered> told = Collections.synchronizedList(new ArrayList<>());
        try (Server logging = start(OPTIONS.withCacheBytes(0).withLog(told::add))) {
            String fields = "'max_tokens': 5, 'n': 2, 'ignore_eos': true";
            for (String more : List.of("", ", 'stream': true")) {
                send(logging, "/v1/completions", "{'prompt': ['Emma was', 'Emma'], " + fields + more + "}");
            }
            send(logging, "/v1/completions", "{'prompt': 'Emma was', 'max_tokens': 1, 'echo': true, 'logprobs': 1}");
            await(() -> told.size() == 3);
            send(logging, "/v1/completions", "{'prompt': 'Emma was', 'model': 'gpt-4o'}");
            await(() -> told.size() == 4);
            HttpResponse<String> none = send(logging, "/v1/rerank", "{'input': 'Emma'}");
            assertThat(none.body()).contains("got \\\"/v1/rerank\\\", which is not");
            await(() -> told.size() == 5);
        }
        assertThat(told.subList(0, 2)).allSatisfy(answered -> {
            assertThat(answered.promptTokens()).isEqualTo(3);
            assertThat(answered.newTokens()).isEqualTo(20);
            assertThat(answered.firstTokenSeconds().orElseThrow()).isBetween(0.0, answered.seconds());
            assertThat(answered.reason()).isEmpty();
        });
        assertThat(told.get(2).newTokens()).isEqualTo(1);
        assertThat(told.get(3).reason()).isEqualTo("model: expected causal4j-austen, got \"gpt-4o\"");
        assertThat(told.get(3).firstTokenSeconds()).isEmpty();
        assertThat(told.get(4).reason())
                .startsWith("path: expected /v1/chat/completions or another that is served, got");
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
