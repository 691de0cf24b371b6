package dev.causal4j.server;

import static dev.causal4j.server.Served.CLIENT;
import static dev.causal4j.server.Served.MODEL;
import static dev.causal4j.server.Served.OPTIONS;
import static dev.causal4j.server.Served.PROMPT;
import static dev.causal4j.server.Served.SERVER;
import static dev.causal4j.server.Served.await;
import static dev.causal4j.server.Served.events;
import static dev.causal4j.server.Served.request;
import static dev.causal4j.server.Served.send;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.austen.AustenModel;
import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.decoder.LowRank;
import dev.causal4j.decoder.ParameterSpec;
import dev.causal4j.decoder.Parameters;
import dev.causal4j.generation.Chat;
import dev.causal4j.model.CausalLM;
import dev.causal4j.tensor.DType;
import dev.causal4j.tensor.Device;
import dev.causal4j.tensor.Matrix;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.io.IOException;
import java.io.InputStream;
import java.net.Socket;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.SequencedMap;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Several models at one address: the embedded one with another name, the same with an adapter, and one with its own tokenizer. */
class ModelsTest {
    private static final List<String> NAMES = List.of("plain", "tuned", "org/recorded");
    private static final List<ServerOptions.Answered> LOG = Collections.synchronizedList(new ArrayList<>());

    @TempDir
    private static Path folder;

    private static CausalLM tuned;
    private static CausalLM recorded;
    private static Server server;

    @BeforeAll
    static void start() throws IOException {
        try (CausalLM adapted = MODEL.with(Parameters.of(MODEL::matrix, MODEL::vector, adapters(), MODEL::stored))) {
            adapted.saveAdapter(folder);
        }
        tuned = MODEL.withAdapter(folder);
        recorded = Recorded.model(Recorded.prompt(""), "Good.");
        server = Server.start(formats(), OPTIONS.withAliases(List.of("first")).withLog(LOG::add));
    }

    @AfterAll
    static void stop() {
        server.close();
        tuned.close();
        recorded.close();
    }

    private static SequencedMap<String, Chat.Format> formats() {
        SequencedMap<String, Chat.Format> formats = new LinkedHashMap<>();
        formats.put("plain", Chat.Format.of(MODEL, ChatTemplate.plain()));
        Chat.Format emma = Chat.Format.of(tuned, ChatTemplate.plain());
        formats.put("tuned", emma);
        formats.put("org/recorded", Chat.Format.of(recorded, Recorded.TEMPLATE));
        formats.put("emma", emma);
        return formats;
    }

    private static Map<String, LowRank> adapters() {
        Random random = new Random(1);
        Map<String, LowRank> adapters = new HashMap<>();
        for (ParameterSpec spec : MODEL.config().specs()) {
            if (spec.role().isLinear()) {
                adapters.put(spec.name(), new LowRank(noise(2, spec.cols(), random), noise(spec.rows(), 2, random), 1));
            }
        }
        return adapters;
    }

    private static Matrix noise(int rows, int cols, Random random) {
        return Matrix.of(Device.shared(), DType.F32, rows, cols, (_, row) -> {
            for (int i = 0; i < row.length; i++) {
                row[i] = (float) (0.1 * random.nextGaussian());
            }
        });
    }

    private static JsonNode json(HttpResponse<String> response) {
        assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
        return JsonMapper.shared().readTree(response.body());
    }

    private static JsonNode post(String path, String body) throws Exception {
        return json(send(server, path, body));
    }

    private static JsonNode get(String path) throws Exception {
        return json(send(server, path, ""));
    }

    private static String body(String model, int number) {
        return "{\"model\": \"%s\", \"prompt\": \"%s\", \"max_tokens\": 24, \"seed\": %d, \"logprobs\": 2}"
                .formatted(model, PROMPT.substring(0, 12 + number), number);
    }

    private static String choices(String answer) {
        return answer.replaceAll(".*(\"choices\":.*),\"usage\".*", "$1");
    }

    @Test
    void eachAnswersBesideTheOthersWhatItAnswersAlone() throws Exception {
        Map<String, String> alone = new HashMap<>();
        for (String name : NAMES) {
            for (int i = 0; i < 8; i++) {
                alone.put(
                        name + i,
                        choices(send(server, "/v1/completions", body(name, i)).body()));
            }
        }
        assertThat(alone.get("plain3"))
                .isNotEqualTo(alone.get("tuned3"))
                .isEqualTo(choices(
                        send(SERVER, "/v1/completions", body(MODEL.name(), 3)).body()));
        Map<String, CompletableFuture<HttpResponse<String>>> beside = new HashMap<>();
        for (int i = 0; i < 8; i++) {
            for (String name : NAMES) {
                beside.put(
                        name + i,
                        CLIENT.sendAsync(request(server, "/v1/completions", body(name, i)), BodyHandlers.ofString()));
            }
        }
        beside.forEach((name, answer) ->
                assertThat(choices(answer.join().body())).as(name).isEqualTo(alone.get(name)));
    }

    @Test
    void aRequestNamesItsModelOrGetsTheFirst() throws Exception {
        String chat = "{'messages': [{'role': 'user', 'content': '" + Recorded.USER + "'}], 'max_tokens': 8";
        JsonNode said = post("/v1/chat/completions", chat + ", 'model': 'org/recorded'}");
        assertThat(said.get("model").stringValue()).isEqualTo("org/recorded");
        assertThat(said.at("/choices/0/message/content").stringValue()).isEqualTo("Good.");
        assertThat(post("/v1/chat/completions", chat + "}").get("model").stringValue())
                .isEqualTo("plain");
        assertThat(post("/v1/completions", "{'model': 'first', 'max_tokens': 1}")
                        .get("model")
                        .stringValue())
                .isEqualTo("plain");
        assertThat(post("/v1/completions", "{'model': 'emma', 'max_tokens': 1}")
                        .get("model")
                        .stringValue())
                .isEqualTo("tuned");
        String streamed = send(server, "/v1/completions", "{'model': 'tuned', 'max_tokens': 2, 'stream': true}")
                .body();
        assertThat(events(streamed))
                .isNotEmpty()
                .allMatch(event -> event.get("model").stringValue().equals("tuned"));
    }

    @Test
    void theListHasEachOnceAndSaysThatThereAreSeveral() throws Exception {
        JsonNode list = get("/v1/models");
        assertThat(list.get("data").valueStream().map(each -> each.get("id").stringValue()))
                .isEqualTo(NAMES);
        assertThat(list.get("data").valueStream())
                .allMatch(each -> each.at("/status/value").stringValue().equals("loaded"));
        assertThat(list.get("first_id").stringValue()).isEqualTo("plain");
        assertThat(list.get("last_id").stringValue()).isEqualTo("org/recorded");
        assertThat(get("/v1/models/org/recorded"))
                .isEqualTo(get("/v1/models/org%2Frecorded"))
                .isEqualTo(list.get("data").get(2));
        assertThat(get("/v1/models/emma")).isEqualTo(list.get("data").get(1));
    }

    @Test
    void propsAndTokensAreThoseOfTheModel() throws Exception {
        for (JsonNode entry : get("/v1/models").get("data")) {
            String name = entry.get("id").stringValue();
            JsonNode props = get("/props?model=" + name);
            assertThat(props.at("/default_generation_settings/n_ctx")).isEqualTo(entry.at("/meta/n_ctx"));
            assertThat(props.get("model_alias").stringValue()).isEqualTo(name);
        }
        assertThat(get("/props")).isEqualTo(get("/props?model=plain"));
        assertThat(get("/tokenizer_info?model=org/recorded")
                        .get("chat_template")
                        .stringValue())
                .startsWith("{% for m in messages %}");
        String text = "'content': 'What do you say?'}";
        JsonNode own = post("/tokenize", "{'model': 'org/recorded', " + text).get("tokens");
        assertThat(own.toString()).isEqualTo(JsonMapper.shared().writeValueAsString(Recorded.tokens(Recorded.USER)));
        assertThat(post("/tokenize", "{" + text).get("tokens")).isNotEqualTo(own);
        assertThat(post("/detokenize", "{'model': 'org/recorded', 'tokens': " + own + "}")
                        .get("content")
                        .stringValue())
                .isEqualTo(Recorded.USER);
        String messages = "'messages': [{'role': 'user', 'content': 'a'}]}";
        assertThat(post("/apply-template", "{'model': 'org/recorded', " + messages)
                        .get("prompt")
                        .stringValue())
                .isEqualTo("user: a\nassistant: ");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "/v1/completions | {'model': 'gpt-4o'}",
                "/v1/chat/completions | {'model': 'gpt-4o', 'messages': []}",
                "/tokenize | {'model': 'gpt-4o', 'content': 'a'}",
                "/detokenize | {'model': 'gpt-4o', 'tokens': []}",
                "/apply-template | {'model': 'gpt-4o', 'messages': []}",
                "/props?model=gpt-4o | ``",
                "/tokenizer_info?model=gpt-4o | ``",
                "/v1/models/gpt-4o | ``",
            })
    void anUnknownModelIsNotFoundAndTheErrorNamesThoseThatAreThere(String path, String body) throws Exception {
        HttpResponse<String> refused = send(server, path, body);
        assertThat(refused.statusCode()).isEqualTo(404);
        JsonNode error = JsonMapper.shared().readTree(refused.body()).get("error");
        assertThat(error.get("code").stringValue()).isEqualTo("model_not_found");
        assertThat(error.get("message").stringValue())
                .isEqualTo("model: expected plain or first or tuned or emma or org/recorded, got \"gpt-4o\"");
    }

    @ParameterizedTest
    @ValueSource(strings = {"/tokenize", "/apply-template"})
    void aServerOfOneModelReadsNoNameWhereItNeverDid(String path) throws Exception {
        String body = "{'model': 'gpt-4o', 'content': 'a', 'messages': [{'role': 'user', 'content': 'a'}]}";
        assertThat(send(SERVER, path, body).statusCode()).isEqualTo(200);
        assertThat(send(SERVER, "/tokenizer_info?model=gpt-4o", "").statusCode())
                .isEqualTo(200);
        assertThat(send(SERVER, "/models/sse", "").statusCode()).isEqualTo(404);
    }

    @Test
    void figuresAndTheLogSayWhichModelAnswered() throws Exception {
        LOG.clear();
        post("/v1/completions", "{'model': 'emma', 'max_tokens': 3, 'ignore_eos': true}");
        get("/v1/models");
        await(() -> LOG.size() == 2);
        assertThat(LOG).extracting(ServerOptions.Answered::model).containsExactly("tuned", "");
        String figures = send(server, "/metrics", "").body();
        assertThat(figures)
                .contains("causal4j_num_requests_running{model=\"plain\"} ")
                .containsPattern("causal4j_generation_tokens_total\\{model=\"tuned\"} [1-9]")
                .containsPattern("causal4j_request_success_total\\{model=\"tuned\",finished_reason=\"length\"} [1-9]")
                .containsPattern("causal4j_e2e_request_latency_seconds_bucket\\{model=\"tuned\",le=\"\\+Inf\"} [1-9]")
                .contains("\ncausal4j_cancelled_total ");
        assertThat(figures.lines().filter(line -> line.startsWith("#")).toList())
                .doesNotHaveDuplicates();
        SimpleMeterRegistry registry = new SimpleMeterRegistry();
        new MicrometerBinder(server).bindTo(registry);
        assertThat(registry.get("causal4j.generation.tokens")
                        .tag("model", "tuned")
                        .functionCounter()
                        .count())
                .isPositive();
        assertThat(registry.get("causal4j.cancelled").functionCounter().getId().getTags())
                .isEmpty();
    }

    @Test
    void aNameInALabelCannotEndIt() {
        Metrics odd = new Metrics(server.routes.models.first().engine(), "a\"b\\c\nd");
        assertThat(new Figures(List.of(odd)).text()).contains("_running{model=\"a\\\"b\\\\c\\nd\"} ");
    }

    @Test
    void anEditorThatWaitsForModelsHearsPingsAndHoldsNoShutdownUp() throws Exception {
        List<Socket> waiting = new ArrayList<>();
        try (Server other = Server.start(formats(), OPTIONS)) {
            for (int i = 0; i <= Limits.MODEL_STREAMS; i++) {
                waiting.add(Served.connect(other));
                String head = "GET /models/sse HTTP/1.1\r\nHost: localhost\r\n\r\n";
                waiting.getLast().getOutputStream().write(head.getBytes(StandardCharsets.US_ASCII));
                InputStream in = waiting.getLast().getInputStream();
                String status = new String(in.readNBytes(12), StandardCharsets.US_ASCII);
                assertThat(status).isEqualTo("HTTP/1.1 " + (i < Limits.MODEL_STREAMS ? "200" : "429"));
            }
            InputStream first = waiting.getFirst().getInputStream();
            StringBuilder read = new StringBuilder();
            while (read.indexOf(": ping\n\n") < 0) {
                read.append((char) first.read());
            }
            assertThat(read).contains("text/event-stream");
            String head = "HEAD /models/sse HTTP/1.1\r\nHost: localhost\r\nAuthorization: none\r\n\r\n";
            waiting.removeLast().close();
            waiting.removeLast().close();
            assertThat(other.routes.open()).isPositive();
            try (Socket once = Served.connect(other)) {
                once.getOutputStream().write(head.getBytes(StandardCharsets.US_ASCII));
                assertThat(once.getInputStream().readAllBytes()).isNotEmpty(); // and it ends
            }
        }
        for (Socket each : waiting) {
            assertThat(each.getInputStream().readAllBytes())
                    .as("the server has ended")
                    .isNotNull();
            each.close();
        }
    }

    private static Server serving() throws IOException {
        // example: begin
        CausalLM austen = AustenModel.load();
        CausalLM other = AustenModel.load(); // or austen.withAdapter(folder), or any other
        SequencedMap<String, Chat.Format> models = new LinkedHashMap<>();
        models.put("austen", Chat.Format.of(austen));
        models.put("other", Chat.Format.of(other));
        Server server = Server.start(models, ServerOptions.DEFAULT.withAddress("127.0.0.1", 0));
        // example: end
        return server;
    }

    @Test
    void theExampleServesTwo() throws IOException {
        Server example = serving();
        example.close();
        assertThat(example.routes.models.all).hasSize(2);
        example.routes.models.all.forEach(each -> each.served().model().close());
    }

    @Test
    void namesOfTwoModelsAndNoModelsAreRefused() {
        assertThatThrownBy(() -> Server.start(formats(), OPTIONS.withAliases(List.of("tuned"))))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("alias: expected a name of one model, got \"tuned\" for two");
        assertThatThrownBy(() -> Server.start(new LinkedHashMap<>(), OPTIONS))
                .hasMessage("models: expected at least one, got none");
    }
}
