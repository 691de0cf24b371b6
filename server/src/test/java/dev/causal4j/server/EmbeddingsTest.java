package dev.causal4j.server;

import static dev.causal4j.server.Served.CLIENT;
import static dev.causal4j.server.Served.OPTIONS;
import static dev.causal4j.server.Served.SERVER;
import static dev.causal4j.server.Served.await;
import static dev.causal4j.server.Served.metric;
import static dev.causal4j.server.Served.request;
import static dev.causal4j.server.Served.send;
import static dev.causal4j.server.Served.start;
import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.generation.Embedder;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.EmbeddingConfig.Pooling;
import java.io.IOException;
import java.net.http.HttpClient;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class EmbeddingsTest {
    private static final String PATH = "/v1/embeddings";
    private static final CausalLM MODEL = load("embedding-last");
    private static final Embedder EMBEDDER = Embedder.of(MODEL);
    private static final Server EMBEDS = serve(MODEL, OPTIONS);

    private static CausalLM load(String name) {
        try {
            return CausalLM.load(Path.of("../core/src/test/resources/dev/causal4j/golden", name));
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private static Server serve(CausalLM model, ServerOptions options) {
        try {
            return Server.start(model, ChatTemplate.plain(), options);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    @AfterAll
    static void close() {
        EMBEDS.close();
        MODEL.close();
    }

    private static JsonNode answer(Server server, String body) throws Exception {
        HttpResponse<String> response = send(server, PATH, body);
        assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
        return JsonMapper.shared().readTree(response.body());
    }

    private static List<float[]> vectors(JsonNode answer) {
        List<float[]> vectors = new ArrayList<>();
        for (JsonNode each : answer.get("data")) {
            JsonNode numbers = each.get("embedding");
            float[] vector = new float[numbers.size()];
            for (int i = 0; i < vector.length; i++) {
                vector[i] = (float) numbers.get(i).asDouble();
                assertThat(numbers.get(i).asDouble()).as("of 32 bits").isEqualTo(vector[i]);
            }
            vectors.add(vector);
        }
        return vectors;
    }

    @Test
    void textsIdsAndBase64HaveTheBitsOfTheEmbedder() throws Exception {
        List<String> texts = List.of("Emma", "The carriage came at ten.", "");
        JsonNode answer = answer(EMBEDS, "{'input': ['Emma', 'The carriage came at ten.', ''], 'user': 'ann'}");
        List<float[]> expected = EMBEDDER.embedAll(texts);
        assertThat(vectors(answer)).usingRecursiveComparison().isEqualTo(expected);
        assertThat(answer.get("object").asString()).isEqualTo("list");
        assertThat(answer.get("model").asString()).isEqualTo("embedding-last");
        assertThat(answer.get("data").get(2).get("index").asInt()).isEqualTo(2);
        int tokens =
                texts.stream().mapToInt(text -> EMBEDDER.tokens(text).length).sum();
        assertThat(answer.get("usage").get("prompt_tokens").asInt()).isEqualTo(tokens);
        assertThat(answer.get("usage").get("total_tokens").asInt()).isEqualTo(tokens);
        String ids = Arrays.toString(EMBEDDER.tokens("Emma"));
        assertThat(vectors(answer(EMBEDS, "{'input': " + ids + "}")).getFirst()).isEqualTo(expected.getFirst());
        assertThat(vectors(answer(EMBEDS, "{'input': [" + ids + ", " + ids + "]}"))
                        .getLast())
                .isEqualTo(expected.getFirst());
        String encoded = answer(EMBEDS, "{'input': 'Emma', 'encoding_format': 'base64'}")
                .get("data")
                .get(0)
                .get("embedding")
                .asString();
        float[] decoded = new float[32];
        ByteBuffer.wrap(Base64.getDecoder().decode(encoded))
                .order(ByteOrder.LITTLE_ENDIAN)
                .asFloatBuffer()
                .get(decoded);
        assertThat(decoded).isEqualTo(expected.getFirst());
    }

    @Test
    void promptsLengthAndTruncationAreAsAsked() throws Exception {
        assertThat(vectors(answer(EMBEDS, "{'input': 'Who?', 'input_type': 'query'}"))
                        .getFirst())
                .isEqualTo(EMBEDDER.embed(EMBEDDER.prompted("query", "Who?")));
        assertThat(vectors(answer(EMBEDS, "{'input': 'Who?', 'input_type': 'document'}"))
                        .getFirst())
                .isEqualTo(EMBEDDER.embed("Who?"));
        assertThat(vectors(answer(EMBEDS, "{'input': 'Who?', 'normalize': false}"))
                        .getFirst())
                .isEqualTo(new Embedder(MODEL, Pooling.LAST, false).embed("Who?"));
        int[] cut = EMBEDDER.tokens("a".repeat(300));
        int[] kept = Arrays.copyOf(cut, 256);
        kept[255] = 270; // the end token
        assertThat(vectors(answer(EMBEDS, "{'input': '" + "a".repeat(300) + "', 'truncate': true}"))
                        .getFirst())
                .isEqualTo(EMBEDDER.embed(kept));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "'input': ['a', 'LONG']                      | context_length_exceeded | input.[1]",
                "'input': 'LONG'                             | context_length_exceeded | input",
                "'input': []                                 | invalid_type            | input",
                "'input': 5                                  | invalid_type            | input",
                "'input': ['a', 5]                           | invalid_type            | input.[1]",
                "'input': ['a', [5]]                         | invalid_type            | input.[1]",
                "'input': [[5], 'a']                         | invalid_type            | input.[1]",
                "'input': [[]]                               | invalid_type            | input.[0]",
                "'input': [[5], [276]]                       | invalid_value           | input.[1].[0]",
                "'input': [5, -1]                            | invalid_value           | input.[1]",
                "'input': 'a', 'encoding_format': 'hex'      | invalid_value           | encoding_format",
                "'input': 'a', 'input_type': 'classify'      | invalid_value           | input_type",
                "'input': 'a', 'dimensions': 8               | invalid_value           | dimensions",
                "'input': 'a', 'dimensions': 33              | invalid_value           | dimensions",
                "'input': 'a', 'model': 'other'              | model_not_found         | model"
            })
    void whatCannotBeHonouredIsRefused(String fields, String code, String param) throws Exception {
        HttpResponse<String> response =
                send(EMBEDS, PATH, "{" + fields.replace("LONG", "a".repeat(300)).strip() + "}");
        assertThat(response.statusCode()).as(response.body()).isIn(400, 404);
        JsonNode error = JsonMapper.shared().readTree(response.body()).get("error");
        assertThat(List.of(error.get("code").asString(), error.get("param").asString()))
                .containsExactly(code, param);
    }

    @Test
    void moreTextsThanAllowedAreRefusedBeforeTheyAreRead() throws Exception {
        String texts = String.join(", ", Collections.nCopies(Limits.EMBEDDED_TEXTS + 1, "'a'"));
        assertThat(send(EMBEDS, PATH, "{'input': [" + texts + "]}").body()).contains("at most 2048 values");
    }

    @Test
    void aModelThatDoesNotSayItsPoolingEmbedsIfTheServerDoes() throws Exception {
        HttpResponse<String> refused = send(SERVER, PATH, "{'input': 'a'}");
        assertThat(refused.statusCode()).isEqualTo(404);
        assertThat(refused.body()).contains("not_an_embedding_model", "--pooling mean or last");
        try (Server server = start(OPTIONS.withPooling(Optional.of(Pooling.MEAN), true))) {
            float[] vector = vectors(answer(server, "{'input': 'Emma', 'dimensions': 7}"))
                    .getFirst();
            assertThat(vector).isEqualTo(new Embedder(Served.MODEL, Pooling.MEAN, true, 7).embed("Emma"));
        }
    }

    /** It answers nothing else, and says why. */
    @Test
    void aModelWhoseTokensSeeBothWaysEmbedsAlone() throws Exception {
        try (CausalLM both = load("embedding-mean");
                Server server = serve(both, OPTIONS)) {
            assertThat(vectors(answer(server, "{'input': 'Emma'}")).getFirst())
                    .isEqualTo(Embedder.of(both).embed("Emma"));
            HttpResponse<String> refused = send(server, "/v1/completions", "{'prompt': 'Emma'}");
            assertThat(refused.statusCode()).isEqualTo(400);
            assertThat(refused.body()).contains("it embeds texts alone");
        }
    }

    @Test
    void callersAtOnceGetTheBitsOfEachAlone() throws Exception {
        try (Server server =
                start(OPTIONS.withPooling(Optional.of(Pooling.MEAN), false).withBounds(3, 20))) {
            List<CompletableFuture<HttpResponse<String>>> asked = IntStream.range(0, 12)
                    .mapToObj(i -> CLIENT.sendAsync(
                            request(
                                    server,
                                    PATH,
                                    "{\"input\": [\"Emma " + i + "\", \"" + "and ".repeat(9 * i) + "\", "
                                            + "\"Who?\"]}"),
                            BodyHandlers.ofString()))
                    .toList();
            for (int i = 0; i < asked.size(); i++) {
                Embedder mean = new Embedder(Served.MODEL, Pooling.MEAN, true);
                String all = "and ".repeat(9 * i);
                if (i > 0) { // the embedded model has no token for an empty text
                    assertThat(vectors(JsonMapper.shared()
                                    .readTree(asked.get(i).join().body())))
                            .usingRecursiveComparison()
                            .isEqualTo(mean.embedAll(List.of("Emma " + i, all, "Who?")));
                }
            }
        }
    }

    /** Trap 60: its sequences end, and its bytes come back. */
    @Test
    void aClientThatLeavesEndsItsTexts() throws Exception {
        String body = "{\"input\": [" + String.join(", ", Collections.nCopies(2048, "\"" + "Emma ".repeat(200) + "\""))
                + "]}";
        try (Server server = start(OPTIONS.withPooling(Optional.of(Pooling.MEAN), false))) {
            for (int i = 0; i < 3; i++) {
                try (HttpClient client = HttpClient.newHttpClient()) {
                    var _ = client.sendAsync(request(server, PATH, body), BodyHandlers.ofString());
                    await(() -> metric(server, "num_requests_running") > 0);
                    client.shutdownNow();
                }
                await(() -> metric(server, "num_requests_running") + metric(server, "num_requests_waiting") == 0);
            }
            await(() -> server.routes.open() == 0);
            assertThat(answer(server, "{'input': 'Emma'}").get("data")).hasSize(1);
        }
    }

    /** The log is told on the request's thread. */
    @Test
    void aClientThatLeavesDoesNotInterruptTheLog() throws Exception {
        CompletableFuture<Boolean> told = new CompletableFuture<>();
        ServerOptions options = OPTIONS.withPooling(Optional.of(Pooling.MEAN), false)
                .withLog(answered -> {
                    if (answered.path().equals(PATH)) {
                        told.complete(Thread.currentThread().isInterrupted());
                    }
                });
        String body = "{\"input\": [" + String.join(", ", Collections.nCopies(2048, "\"Emma\"")) + "]}";
        try (Server server = start(options);
                HttpClient client = HttpClient.newHttpClient()) {
            var _ = client.sendAsync(request(server, PATH, body), BodyHandlers.ofString());
            await(() -> metric(server, "num_requests_waiting") > 1); // more than the fingerprint
            client.shutdownNow();
            assertThat(told.get(60, TimeUnit.SECONDS)).isFalse();
        }
    }

    /** Trap 58, without a clock: a stream beside a long list ends long before it, and neither changes. */
    @Test
    void aStreamBesideALongListIsNotHeldUp() throws Exception {
        String list =
                "{\"input\": [" + String.join(", ", Collections.nCopies(512, "\"" + "Emma ".repeat(200) + "\"")) + "]}";
        String small = "{'prompt': 'Emma', 'max_tokens': 40, 'seed': 5, 'temperature': 1, 'ignore_eos': true}";
        String alone = text(send(SERVER, "/v1/completions", small));
        try (Server server = start(
                        OPTIONS.withPooling(Optional.of(Pooling.MEAN), false).withBounds(4, 8));
                HttpClient client = HttpClient.newHttpClient()) {
            CompletableFuture<HttpResponse<String>> many =
                    client.sendAsync(request(server, PATH, list), BodyHandlers.ofString());
            await(() -> metric(server, "num_requests_running") == 4);
            assertThat(text(send(server, "/v1/completions", small))).isEqualTo(alone);
            assertThat(many).isNotDone();
            client.shutdownNow();
        }
    }

    private static String text(HttpResponse<String> answer) {
        assertThat(answer.statusCode()).as(answer.body()).isEqualTo(200);
        return JsonMapper.shared()
                .readTree(answer.body())
                .get("choices")
                .get(0)
                .get("text")
                .asString();
    }
}
