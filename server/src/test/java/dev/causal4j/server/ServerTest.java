package dev.causal4j.server;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIOException;

import dev.causal4j.austen.AustenModel;
import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.head.Prediction;
import dev.causal4j.model.CausalLM;
import dev.causal4j.scoring.Scorer;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The server as clients see it. The conformance kit asks more, with the clients that people use. */
class ServerTest {
    private static final ServerOptions OPTIONS = ServerOptions.DEFAULT.withAddress("127.0.0.1", 0);
    private static final String PROMPT = "It is a truth universally acknowledged, that a";
    private static final CausalLM MODEL = AustenModel.load();
    private static final Server SERVER = start(OPTIONS);
    private static final HttpClient CLIENT = HttpClient.newHttpClient();

    private static Server start(ServerOptions options) {
        try {
            return Server.start(MODEL, ChatTemplate.plain(), options);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    @AfterAll
    static void stop() {
        SERVER.close();
        CLIENT.close();
        MODEL.close();
    }

    private static Socket connect(Server server) throws IOException {
        return new Socket(server.address().getAddress(), server.address().getPort());
    }

    private static HttpRequest request(Server server, String path, String body, String... headers) {
        URI uri = URI.create("http://127.0.0.1:" + server.address().getPort() + path);
        HttpRequest.Builder request = HttpRequest.newBuilder(uri).timeout(Duration.ofSeconds(60));
        if (headers.length > 0) {
            request.headers(headers);
        }
        return (body.isEmpty() ? request.GET() : request.POST(HttpRequest.BodyPublishers.ofString(body))).build();
    }

    private static HttpResponse<String> send(Server server, String path, String body, String... headers)
            throws IOException, InterruptedException {
        return CLIENT.send(request(server, path, body.replace('\'', '"'), headers), BodyHandlers.ofString());
    }

    private static JsonNode post(String path, String body) throws IOException, InterruptedException {
        HttpResponse<String> response = send(SERVER, path, body);
        assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
        return JsonMapper.shared().readTree(response.body());
    }

    private static JsonNode completion(String fields) throws IOException, InterruptedException {
        return post("/v1/completions", "{'prompt': '" + PROMPT + "', " + fields + "}");
    }

    private static List<JsonNode> events(String body) {
        return body.lines()
                .filter(line -> line.startsWith("data: {"))
                .map(line -> JsonMapper.shared().readTree(line.substring(6)))
                .toList();
    }

    private static void await(BooleanSupplier holds) throws InterruptedException {
        for (int i = 0; i < 2000 && !holds.getAsBoolean(); i++) {
            Thread.sleep(5);
        }
        assertThat(holds.getAsBoolean()).isTrue();
    }

    private static double metric(Server server, String name) {
        try {
            return send(server, "/metrics", "")
                    .body()
                    .lines()
                    .filter(line -> line.startsWith("causal4j_" + name + " "))
                    .mapToDouble(line -> Double.parseDouble(line.substring(line.lastIndexOf(' '))))
                    .sum();
        } catch (IOException | InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "'max_tokens': 30, 'seed': 7, 'n': 3, 'logprobs': 2",
                "'max_tokens': 25, 'temperature': 0, 'echo': true, 'logprobs': 0",
                "'max_tokens': 40, 'temperature': 0, 'stop': ['ery w', 'young'], 'logprobs': 1",
                "'max_tokens': 9, 'seed': -3, 'temperature': 2, 'logprobs': 1, 'logit_bias': {'127': 100, '102': 100}",
                "'max_tokens': 0, 'echo': true"
            })
    void aStreamSaysWhatTheWholeAnswerSays(String fields) throws Exception {
        JsonNode whole = completion(fields).get("choices");
        List<JsonNode> events =
                events(send(SERVER, "/v1/completions", "{'prompt': '" + PROMPT + "', 'stream': true, " + fields + "}")
                        .body());
        for (JsonNode choice : whole) {
            StringBuilder text = new StringBuilder();
            List<JsonNode> logProbabilities = new ArrayList<>();
            String finish = "";
            for (JsonNode event : events) {
                JsonNode part = event.get("choices").get(0);
                if (part.get("index").equals(choice.get("index"))) {
                    text.append(part.get("text").stringValue());
                    part.path("logprobs").path("token_logprobs").forEach(logProbabilities::add);
                    finish = part.get("finish_reason").asString();
                }
            }
            assertThat(text).hasToString(choice.get("text").stringValue());
            assertThat(finish).isEqualTo(choice.get("finish_reason").stringValue());
            assertThat(logProbabilities)
                    .isEqualTo(choice.path("logprobs")
                            .path("token_logprobs")
                            .valueStream()
                            .toList());
        }
    }

    @ParameterizedTest
    @CsvSource({"0, 0", "1, 1", "2, 2"}) // the second takes the token from the scores
    void echoGivesTheBitsOfTheScorer(int maxTokens, int made) throws Exception {
        String text = PROMPT + " single man in possession of a good fortune";
        JsonNode choice = post(
                        "/v1/completions",
                        "{'prompt': '" + text + "', 'max_tokens': " + maxTokens
                                + ", 'temperature': 0, 'echo': true, 'logprobs': 1}")
                .get("choices")
                .get(0);
        List<Double> expected = new ArrayList<>(new Scorer(MODEL)
                .score(text).predictions().stream()
                        .map(Prediction::logProbability)
                        .toList());
        List<JsonNode> told =
                choice.get("logprobs").get("token_logprobs").valueStream().toList();
        assertThat(told.getFirst().isNull()).isTrue();
        assertThat(told.subList(1, told.size() - made).stream().map(JsonNode::doubleValue))
                .isEqualTo(expected);
        assertThat(choice.get("text").stringValue()).startsWith(text);
    }

    @Test
    void theTokenOfAScoringRequestIsTheGreedyOne() throws Exception {
        JsonNode scored = completion("'max_tokens': 1, 'temperature': 0, 'echo': true, 'logprobs': 1")
                .get("choices")
                .get(0);
        JsonNode made = completion("'max_tokens': 1, 'temperature': 0, 'logprobs': 1")
                .get("choices")
                .get(0);
        assertThat(scored.get("text").stringValue())
                .isEqualTo(PROMPT + made.get("text").stringValue());
        JsonNode last = scored.get("logprobs").get("token_logprobs");
        assertThat(last.get(last.size() - 1))
                .isEqualTo(made.get("logprobs").get("token_logprobs").get(0));
    }

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
    void aPromptIsCachedForItsSaltAlone() throws Exception {
        String fields = "'max_tokens': 1, 'prompt': '" + (PROMPT + " ").repeat(12) + "'";
        for (String salt : List.of("a", "b")) {
            for (int again = 0; again < 2; again++) {
                JsonNode usage = post("/v1/completions", "{" + fields + ", 'cache_salt': '" + salt + "'}")
                        .get("usage");
                int cached =
                        usage.get("prompt_tokens_details").get("cached_tokens").intValue();
                assertThat(cached)
                        .as(salt + again)
                        .isEqualTo(again == 0 ? 0 : cached)
                        .isGreaterThanOrEqualTo(again * 64);
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
                await(() -> metric(small, "num_requests_running") == 1);
                HttpResponse<String> refused = send(small, "/v1/completions", "{'prompt': 'Emma', 'max_tokens': 1}");
                assertThat(refused.statusCode()).isEqualTo(429);
                assertThat(refused.headers().firstValue("retry-after").orElseThrow())
                        .matches("[0-9]{1,2}");
                assertThat(refused.body()).contains("queue_full");
            }
            await(() -> metric(small, "num_requests_running") + metric(small, "num_requests_waiting") == 0);
            await(() -> metric(small, "cancelled_total") == 1);
            assertThat(send(small, "/v1/completions", "{'prompt': 'Emma', 'max_tokens': 1}")
                            .statusCode())
                    .isEqualTo(200);
        }
    }

    private static Socket halfOfABody(Server server, int bytes) throws IOException {
        Socket socket = connect(server);
        String head = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + bytes + "\r\n\r\n{";
        socket.getOutputStream().write(head.getBytes(StandardCharsets.US_ASCII));
        return socket;
    }

    @ParameterizedTest
    @CsvSource({"1, 1000", "8, 8388608"}) // requests, and bytes of them all
    void boundsHoldBeforeBodiesAreRead(int most, int bytes) throws Exception {
        try (Server small = start(OPTIONS.withBounds(1, most == 1 ? 0 : 100))) {
            List<Socket> sockets = new ArrayList<>();
            for (int i = 0; i < most; i++) {
                sockets.add(halfOfABody(small, bytes));
            }
            String body = "{'prompt': 'Emma', 'max_tokens': 1}";
            await(() -> status(small, body) == 429);
            assertThat(send(small, "/health", "").statusCode()).isEqualTo(200);
            for (Socket socket : sockets) {
                socket.close();
            }
            await(() -> status(small, body) == 200);
        }
    }

    private static int status(Server server, String body) {
        try {
            return send(server, "/v1/completions", body).statusCode();
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
            await(() -> metric(closing, "num_requests_running") == 1);
            closing.drain(Duration.ZERO);
            assertThat(whole.join().statusCode()).isEqualTo(503);
            assertThat(whole.join().body()).contains("shutting_down");
        }
    }

    @Test
    void aRequestThatMeetsAClosedEngineIsToldOfTheShutdown() throws Exception {
        String rest = "\"prompt\": \"Emma\"}";
        try (Server closing = start(OPTIONS.withBounds(1, 0));
                Socket socket = halfOfABody(closing, 1 + rest.length())) {
            socket.setSoTimeout(10_000);
            await(() -> status(closing, "{'prompt': 'Emma', 'max_tokens': 1}") == 429);
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
    @ValueSource(
            strings = {
                "{",
                "[1]",
                "{'prompt': 'a'} {}",
                "{'prompt': ['a', 1]}",
                "{'prompt': 'a', 'max_tokens': 1.5}",
                "{'prompt': 'a', 'temperature': 3}",
                "{'prompt': 'a', 'temperature': 'hot\\n\\u202e'}",
                "{'prompt': 'a', 'logit_bias': {'9999999': 1}}",
                "{'prompt': 'a', 'grammar': 'root ::= x'}",
                "{'prompt': 'a', 'best_of': 2, 'stream': true}",
                "{'prompt': 'a', 'seed': 1e300}",
                "{'prompt': '\\ud800'}",
                "{'prompt': [[1, 2], []]}",
                "{'prompt': 'a', 'n': 100, 'best_of': 5}"
            })
    void aBadBodyIsRefusedInOneLine(String body) throws Exception {
        HttpResponse<String> response = send(SERVER, "/v1/completions", body);
        assertThat(response.statusCode()).as(response.body()).isEqualTo(400);
        String message = JsonMapper.shared()
                .readTree(response.body())
                .get("error")
                .get("message")
                .stringValue();
        assertThat(message).matches("[a-z_.\\[\\]0-9]+: expected [^\\n\\r\\u202e]+, got [^\\n\\r\\u202e]+");
        assertThat(message).doesNotContain("Exception", "dev.causal4j");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "functions | [{}]",
                "tools | [{}]",
                "tool_choice | 'required'",
                "response_format | {'json_schema': {}}",
                "response_format | {'type': 'json_object'}",
                "best_of | 2",
                "truncate_prompt_tokens | 9",
                "include_stop_str_in_output | true"
            })
    void whatAChatCannotHonourIsNamed(String field, String value) throws Exception {
        String body = "{'messages': [{'role': 'user', 'content': 'a'}], 'max_tokens': 1, '%s': %s}";
        HttpResponse<String> refused = send(SERVER, "/v1/chat/completions", body.formatted(field, value));
        assertThat(refused.statusCode()).isEqualTo(400);
        assertThat(refused.body()).contains("unsupported_parameter", "\"param\":\"" + field + "\"");
    }

    @Test
    void numbersMayBeWrittenAsOthersWriteThem() throws Exception {
        JsonNode one = completion("'max_tokens': 4.0, 'n': 2e0, 'seed': 9007199254740993, 'stop': null, 'x': {}");
        assertThat(one.get("usage").get("completion_tokens").intValue()).isEqualTo(8);
        assertThat(one.get("choices").get(1).get("seed").longValue()).isEqualTo(9007199254740994L);
    }

    @Test
    void usersCannotWriteControlTokens() throws Exception {
        String messages = "{'max_tokens': 1, 'messages': [{'role': 'user', 'content': '%s'}]}";
        int plain = post("/v1/chat/completions", messages.formatted("end"))
                .get("usage")
                .get("prompt_tokens")
                .intValue();
        int spelled = post("/v1/chat/completions", messages.formatted("<|endoftext|>"))
                .get("usage")
                .get("prompt_tokens")
                .intValue();
        assertThat(spelled).isGreaterThan(plain + 2);
        assertThat(post("/tokenize", "{'content': '<|endoftext|>'}")
                        .get("tokens")
                        .size())
                .isEqualTo(1);
    }

    @Test
    void bytesOfAChatsTokensAreThoseOfItsTextAlsoWhereAStopTextCutsOne() throws Exception {
        String ask = "{'temperature': 0, 'max_tokens': 24, 'logprobs': true,"
                + " 'messages': [{'role': 'user', 'content': 'Tell me of Emma.'}]%s}";
        String full = post("/v1/chat/completions", ask.formatted(""))
                .get("choices")
                .get(0)
                .get("message")
                .get("content")
                .stringValue();
        for (int from = 5; from < 20; from++) {
            String stop = full.substring(from, from + 3);
            JsonNode choice = post("/v1/chat/completions", ask.formatted(", 'stop': '" + stop + "'"))
                    .get("choices")
                    .get(0);
            ByteArrayOutputStream bytes = new ByteArrayOutputStream();
            choice.get("logprobs")
                    .get("content")
                    .forEach(token -> token.get("bytes").forEach(each -> bytes.write(each.intValue())));
            assertThat(bytes.toString(StandardCharsets.UTF_8))
                    .isEqualTo(choice.get("message").get("content").stringValue())
                    .isEqualTo(full.substring(0, full.indexOf(stop)));
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

    /** Asks a model with BOS and SentencePiece's spaces. */
    private static JsonNode llama(String body) throws IOException, InterruptedException {
        Path file = Path.of("../core/src/test/resources/dev/causal4j/golden/gguf/llama-f16.gguf");
        try (CausalLM model = CausalLM.load(file);
                Server server = Server.start(model, ChatTemplate.plain(), OPTIONS)) {
            HttpResponse<String> response = send(server, "/v1/completions", body);
            assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
            return JsonMapper.shared().readTree(response.body()).get("choices");
        }
    }

    @Test
    void offsetsOfAnEchoAreThoseOfItsTextWithoutBos() throws Exception {
        String prompt = "the in he re";
        JsonNode choice = llama("{'prompt': '" + prompt + "', 'echo': true, 'logprobs': 1, 'max_tokens': 3}")
                .get(0);
        JsonNode tokens = choice.get("logprobs").get("tokens");
        JsonNode offsets = choice.get("logprobs").get("text_offset");
        String text = choice.get("text").stringValue();
        assertThat(text).startsWith(prompt);
        assertThat(tokens.get(0).stringValue()).isEqualTo("<s>");
        assertThat(offsets.get(0).intValue()).isZero();
        StringBuilder spelled = new StringBuilder();
        for (int i = 1; i < tokens.size() - 3; i++) {
            assertThat(offsets.get(i).intValue()).as(choice.toString()).isEqualTo(spelled.length());
            String token = tokens.get(i).stringValue();
            spelled.append(i == 1 ? token.stripLeading() : token);
        }
        assertThat(spelled).hasToString(prompt);
        assertThat(offsets.get(tokens.size() - 3).intValue()).isEqualTo(prompt.length());
    }

    @Test
    void aPromptOfOneTokenGoesOnWithASpaceHoweverItIsComputed() throws Exception {
        StringBuilder prompts = new StringBuilder();
        for (int id = 260; id < 300; id++) {
            prompts.append(id == 260 ? "[" : ", [").append(id).append(']');
        }
        String body = "{'prompt': [" + prompts + "], 'temperature': 0, 'echo': true, 'logprobs': 1, 'max_tokens': %d}";
        JsonNode one = llama(body.formatted(1));
        JsonNode two = llama(body.formatted(2));
        int spaces = 0;
        for (int i = 0; i < one.size(); i++) {
            JsonNode names = one.get(i).get("logprobs").get("tokens");
            String text = one.get(i).get("text").stringValue();
            if (names.get(1).stringValue().startsWith(" ")) {
                spaces++;
                assertThat(text).endsWith(names.get(1).stringValue());
                assertThat(two.get(i).get("text").stringValue()).startsWith(text);
            }
        }
        assertThat(spaces).isPositive();
    }

    private static HttpResponse<String> templated(String template, String body) throws Exception {
        try (Server server =
                Server.start(MODEL, ChatTemplate.parse("/secret/config.json", template, Map.of()), OPTIONS)) {
            return send(server, "/apply-template", body);
        }
    }

    @Test
    void theErrorsOfATemplateDoNotTellItsPath() throws Exception {
        for (String template : List.of("{{ raise_exception('no') }}", "{{ messages[0].content.nothing.more }}")) {
            HttpResponse<String> refused = templated(template, "{'messages': [{'role': 'user', 'content': 'a'}]}");
            assertThat(refused.statusCode()).as(refused.body()).isEqualTo(400);
            assertThat(refused.body()).contains("chat template: expected").doesNotContain("secret");
        }
    }

    @ParameterizedTest
    @CsvSource(
            ignoreLeadingAndTrailingWhitespace = false,
            value = {"s,user:a</s>user:s", "a,user:a</s>user:a", "It is ,user:a</s>user:It is "})
    void aFinalMessageGoesOnWhereItsContentEnds(String content, String expected) throws Exception {
        String messages = "{'continue_final_message': true, 'messages': [{'role': 'user', 'content': 'a'},"
                + " {'role': 'assistant', 'content': %s}]}";
        String template = "{% for m in messages %}user:{{ m.content | trim }}</s>{% endfor %}";
        HttpResponse<String> response = templated(template, messages.formatted("'" + content + "'"));
        assertThat(JsonMapper.shared().readTree(response.body()).get("prompt").stringValue())
                .isEqualTo(expected);
        assertThat(templated(template, messages.formatted("null")).statusCode()).isEqualTo(400);
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
