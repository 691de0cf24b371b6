package dev.causal4j.server;

import static dev.causal4j.server.Served.OPTIONS;
import static dev.causal4j.server.Served.SERVER;
import static dev.causal4j.server.Served.await;
import static dev.causal4j.server.Served.metric;
import static dev.causal4j.server.Served.request;
import static dev.causal4j.server.Served.send;
import static dev.causal4j.server.Served.start;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.Socket;
import java.net.http.HttpClient;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

/** Large requests and slow readers hold nobody up, and change nobody's bits. */
class FairnessTest {
    private static final String SMALL =
            "{'prompt': 'Emma', 'max_tokens': 20, 'seed': 5, 'temperature': 1, 'logprobs': 3}";

    private static String choices(HttpResponse<String> answer) {
        assertThat(answer.statusCode()).as(answer.body()).isEqualTo(200);
        return answer.body().replaceAll(".*(\"choices\":.*),\"usage\".*", "$1");
    }

    /** A client that asks and never reads. */
    private static Socket stalled(Server server, String path, String body) throws IOException {
        Socket stalled = new Socket();
        stalled.setReceiveBufferSize(4096);
        stalled.connect(server.address());
        String head = "POST " + path + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + body.length() + "\r\n\r\n";
        stalled.getOutputStream().write((head + body).getBytes(StandardCharsets.UTF_8));
        return stalled;
    }

    @Test
    void aReaderThatNeverReadsHoldsNoPlaceThatOthersNeed() throws Exception {
        List<Integer> statuses = Collections.synchronizedList(new ArrayList<>());
        ServerOptions options = OPTIONS.withBounds(1, 0).withLog(answered -> statuses.add(answered.status()));
        String large = "{\"prompt\": \"" + "Emma ".repeat(240) + "\", \"max_tokens\": 1, \"n\": 48, \"echo\": true,"
                + " \"logprobs\": 20}"; // its answer is larger than what systems buffer
        try (Server server = start(options);
                Socket _ = stalled(server, "/v1/completions", large)) {
            await(() -> metric(server, "generation_tokens_total") > 0);
            long start = System.nanoTime();
            assertThat(send(server, "/tokenize", "{'content': 'a'}").statusCode())
                    .isEqualTo(429);
            while (send(server, "/tokenize", "{'content': 'a'}").statusCode() == 429) {
                assertThat(System.nanoTime() - start).isLessThan(20_000_000_000L); // before it is let go anyhow
                Thread.sleep(50);
            }
            await(() -> statuses.contains(499)); // its thread is free
            assertThat(System.nanoTime() - start).isLessThan(20_000_000_000L);
        }
    }

    @Test
    @EnabledIfSystemProperty(named = "causal4j.whole", matches = "true")
    void aReaderThatNeverReadsHoldsNoSlot() throws Exception {
        String body = "{\"prompt\": \"Emma\", \"max_tokens\": 240, \"n\": 16, \"ignore_eos\": true, \"stream\": true,"
                + " \"logprobs\": 20}";
        String alone = choices(send(SERVER, "/v1/completions", SMALL));
        try (Server server = start(OPTIONS.withBounds(4, 8));
                Socket _ = stalled(server, "/v1/completions", body)) {
            await(() -> metric(server, "generation_tokens_total") > 0);
            double made = 0; // beside a small request
            double before = 0;
            int small = 1;
            for (; made != 20 && small < 500; small++) {
                before = metric(server, "generation_tokens_total");
                assertThat(choices(send(server, "/v1/completions", SMALL))).isEqualTo(alone);
                made = metric(server, "generation_tokens_total") - before;
            }
            assertThat(made).as("no sequence of the stalled stream goes on").isEqualTo(20);
            assertThat(before - 20 * (small - 1)).as("none has come to its end").isLessThan(16 * 240);
        }
    }

    @Test
    void aSmallRequestIsAnsweredLongBeforeOneOfManyChoices() throws Exception {
        String large = "{\"prompt\": \"Emma\", \"max_tokens\": 240, \"n\": 128, \"ignore_eos\": true}";
        try (Server server = start(OPTIONS.withBounds(4, 8));
                HttpClient client = HttpClient.newHttpClient()) {
            String alone = choices(send(server, "/v1/completions", SMALL));
            CompletableFuture<HttpResponse<String>> many =
                    client.sendAsync(request(server, "/v1/completions", large), BodyHandlers.ofString());
            await(() -> metric(server, "num_requests_running") == 4);
            assertThat(choices(send(server, "/v1/completions", SMALL))).isEqualTo(alone);
            assertThat(many).isNotDone();
            client.shutdownNow();
            await(() -> metric(server, "num_requests_running") + metric(server, "num_requests_waiting") == 0);
        }
    }

    @Test
    void aRequestThatMakesRoomForAnotherCallerInTheQueueIsToldSo() throws Exception {
        String many = "{\"prompt\": \"Emma\", \"max_tokens\": 240, \"ignore_eos\": true, \"n\": ";
        String[] one = {"Authorization", "Bearer one"};
        try (Server server = start(OPTIONS.withBounds(1, 4).withKeys(List.of("one", "two")));
                HttpClient client = HttpClient.newHttpClient()) {
            List<CompletableFuture<HttpResponse<String>>> asked = new ArrayList<>();
            for (String rest : List.of("128}", "64}", "64, \"stream\": true}")) {
                asked.add(client.sendAsync(
                        request(server, "/v1/completions", many + rest, one), BodyHandlers.ofString()));
                int sequences = asked.size() == 1 ? 127 : 127 + 64 * (asked.size() - 1);
                await(() -> server.routes.models.first().engine().waiting() == sequences);
            }
            var _ = client.sendAsync(
                    request(server, "/v1/completions", many + "128}", "Authorization", "Bearer two"),
                    BodyHandlers.ofString());
            for (CompletableFuture<HttpResponse<String>> refused : asked.subList(1, 3)) {
                assertThat(refused.join().statusCode()).isEqualTo(429);
                assertThat(refused.join().headers().firstValue("retry-after")).hasValue("1");
                assertThat(refused.join().body()).contains("queue_full");
            }
            assertThat(asked.getFirst()).isNotDone();
            client.shutdownNow();
        }
    }

    @Test
    void requestsThatEndBeforeAllOfThemBeginGiveTheirBytesBack() throws Exception {
        String prompt = "[" + "5, ".repeat(199) + "5]";
        String body = "{'prompt': [" + prompt + ", " + prompt + "], 'n': 128, 'echo': true, 'logprobs': 0,"
                + " 'max_tokens': 1, 'guided_regex': 'a', 'stop_token_ids': [64]}"; // token 64 is an a
        for (int i = 0; i < 5; i++) { // together more than may be answered at once
            HttpResponse<String> response = send(SERVER, "/v1/completions", body);
            assertThat(response.statusCode()).as(response.body()).isEqualTo(400);
            assertThat(response.body()).contains("expected a token that can follow");
        }
    }
}
