package dev.causal4j.server;

import static dev.causal4j.server.Served.OPTIONS;
import static dev.causal4j.server.Served.SERVER;
import static dev.causal4j.server.Served.await;
import static dev.causal4j.server.Served.events;
import static dev.causal4j.server.Served.metric;
import static dev.causal4j.server.Served.post;
import static dev.causal4j.server.Served.request;
import static dev.causal4j.server.Served.send;
import static dev.causal4j.server.Served.start;
import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.model.CausalLM;
import java.io.IOException;
import java.net.http.HttpClient;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Answers under constraints, and calls. The conformance kit asks more, with the clients that people use. */
class StructuredTest {
    private static final String CHAT = "/v1/chat/completions";
    private static final String MOOD = "{'type': 'object', 'properties': {'mood': {'enum': ['calm', 'merry', 'grave']},"
            + " 'married': {'type': 'boolean'}}, 'required': ['mood', 'married'], 'additionalProperties': false}";
    private static final String LETTER = "{'type': 'function', 'function': {'name': 'write_letter', 'parameters':"
            + " {'type': 'object', 'properties': {'to': {'enum': ['Mrs. Weston', 'Miss Fairfax']}},"
            + " 'required': ['to'], 'additionalProperties': false}}}";
    private static final String REQUIRED = "'tools': [" + LETTER + "], 'tool_choice': 'required', 'max_tokens': 90";

    private static String ask(String fields) {
        return "{'messages': [{'role': 'user', 'content': 'Tell me of Emma.'}], " + fields + "}";
    }

    private static String format(String schema) {
        return "'response_format': {'type': 'json_schema', 'json_schema': {'name': 'a', 'schema': " + schema + "}}";
    }

    private static JsonNode chat(String fields) throws IOException, InterruptedException {
        return post(CHAT, ask(fields)).get("choices").get(0);
    }

    private static List<JsonNode> stream(String fields) throws IOException, InterruptedException {
        return events(send(SERVER, CHAT, ask(fields + ", 'stream': true")).body()).stream()
                .map(event -> event.get("choices").get(0))
                .toList();
    }

    @Test
    void anAnswerIsADocumentOfItsSchemaInAStreamToo() throws Exception {
        String fields = format(MOOD) + ", 'temperature': 1, 'seed': 4";
        JsonNode whole = chat(fields);
        String content = whole.get("message").get("content").stringValue();
        JsonNode document = JsonMapper.shared().readTree(content);
        assertThat(document.propertyNames()).containsExactly("mood", "married");
        assertThat(document.get("mood").stringValue()).isIn("calm", "merry", "grave");
        assertThat(whole.get("finish_reason").stringValue()).isEqualTo("stop");
        String streamed = stream(fields).stream()
                .map(choice -> choice.get("delta").path("content").asString(""))
                .collect(Collectors.joining());
        assertThat(streamed).isEqualTo(content);
    }

    @Test
    void aCompletionObeysAConstraintToo() throws Exception {
        JsonNode choice = post(
                        "/v1/completions",
                        "{'prompt': 'Emma was', 'guided_choice': [' merry', ' grave'], 'logprobs': 1, 'seed': 1}")
                .get("choices")
                .get(0);
        assertThat(choice.get("text").stringValue()).isIn(" merry", " grave");
        assertThat(choice.get("constraint").get("complete").booleanValue()).isTrue();
        assertThat(choice.get("constraint").get("lost_logprob").doubleValue()).isPositive();
    }

    @Test
    void whatAConstraintCostIsToldWithLogProbabilitiesAlone() throws Exception {
        String fields = format(MOOD) + ", 'temperature': 0, 'max_tokens': ";
        assertThat(chat(fields + 90).has("constraint")).isFalse();
        JsonNode whole = chat(fields + "90, 'logprobs': true");
        assertThat(whole.get("constraint").get("complete").booleanValue()).isTrue();
        JsonNode cut = chat(fields + "2, 'logprobs': true");
        assertThat(cut.get("constraint").get("complete").booleanValue()).isFalse();
        assertThat(cut.get("finish_reason").stringValue()).isEqualTo("length");
        List<JsonNode> parts = stream(fields + "90, 'logprobs': true");
        assertThat(parts.getLast().get("constraint")).isEqualTo(whole.get("constraint"));
        assertThat(parts.subList(0, parts.size() - 1)).noneMatch(part -> part.has("constraint"));
    }

    @Test
    void aCallIsToldInPartsAsInAWhole() throws Exception {
        JsonNode whole = chat(REQUIRED + ", 'seed': 3");
        assertThat(whole.get("message").get("content").isNull()).isTrue();
        assertThat(whole.get("finish_reason").stringValue()).isEqualTo("tool_calls");
        JsonNode call = whole.get("message").get("tool_calls").get(0);
        assertThat(call.get("id").stringValue()).matches("call_[A-Za-z0-9]{24}");

        List<JsonNode> parts = stream(REQUIRED + ", 'seed': 3");
        JsonNode first = parts.getFirst().get("delta");
        assertThat(first.get("role").stringValue()).isEqualTo("assistant");
        assertThat(first.get("content").isNull()).isTrue();
        assertThat(first.get("tool_calls").toString())
                .isEqualTo("[{\"index\":0,\"id\":" + call.get("id") + ",\"type\":\"function\","
                        + "\"function\":{\"name\":\"write_letter\",\"arguments\":\"\"}}]");
        StringBuilder arguments = new StringBuilder();
        for (JsonNode part : parts.subList(1, parts.size() - 1)) {
            JsonNode delta = part.get("delta");
            assertThat(delta.propertyNames()).containsExactly("tool_calls");
            JsonNode more = delta.get("tool_calls").get(0);
            assertThat(more.propertyNames()).containsExactly("index", "function");
            arguments.append(more.get("function").get("arguments").stringValue());
        }
        assertThat(arguments.toString()).matches("\\{(\"to\": \"(Mrs\\. Weston|Miss Fairfax)\")}");
        assertThat(arguments).hasToString(call.get("function").get("arguments").stringValue());
        assertThat(parts.getLast().get("delta").isEmpty()).isTrue();
        assertThat(parts.getLast().get("finish_reason").stringValue()).isEqualTo("tool_calls");
    }

    @Test
    void aTemplateWithoutToolsSaysThatCallsAreForced() throws Exception {
        JsonNode props = JsonMapper.shared().readTree(send(SERVER, "/props", "").body());
        assertThat(props.get("tools").stringValue()).isEqualTo("forced");
        assertThat(chat("'tools': [" + LETTER + "], 'max_tokens': 5")
                        .get("message")
                        .get("content")
                        .isString())
                .isTrue();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "'tool_calls': 'x'",
                "'tool_calls': [5]",
                "'tool_calls': [{'id': 'a', 'type': 'function'}]",
                "'tool_calls': [{'id': 'a', 'type': 'function', 'function': {'name': 5, 'arguments': '{}'}}]",
                "'tool_calls': [{'id': 'a', 'type': 'function', 'function': {'name': 'a', 'arguments': 7}}]",
                "'content': 'a', 'reasoning_content': 5"
            })
    void aWrongMessageOfTheHistoryIsNamed(String fields) throws Exception {
        HttpResponse<String> refused =
                send(SERVER, CHAT, "{'messages': [{'role': 'assistant', " + fields + "}], 'max_tokens': 1}");
        assertThat(refused.statusCode()).as(refused.body()).isEqualTo(400);
        assertThat(refused.body()).contains("\"param\":\"messages.[0].");
    }

    private static String rendered(Server server, String answer, String rest) throws Exception {
        String call = "{'id': 'call_1', 'type': 'function', 'function': {'name': 'write_letter', 'arguments':"
                + " '{\\'to\\': \\'Miss Fairfax\\'}'}}";
        String messages = "{'role': 'user', 'content': 'Write.'}, {'role': 'assistant', " + answer + "'tool_calls': ["
                + call + "]}, {'role': 'tool', " + rest + "}";
        HttpResponse<String> response =
                send(server, "/apply-template", "{'messages': [" + messages + "], 'tools': [" + LETTER + "]}");
        assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
        return JsonMapper.shared().readTree(response.body()).get("prompt").stringValue();
    }

    @Test
    void earlierCallsAndTheirResultsAreInThePrompt() throws Exception {
        Path file = Recorded.RESOURCES.resolve("chat/qwen2.5-instruct.jinja");
        ChatTemplate template = ChatTemplate.parse("qwen", Files.readString(file), Map.of());
        try (CausalLM model = Recorded.model(Recorded.prompt(""), "Good.");
                Server server = Server.start(model, template, OPTIONS)) {
            String prompt = rendered(server, "'content': null, ", "'tool_call_id': 'call_1', 'content': 'Sent.'");
            assertThat(prompt)
                    .contains("{\"name\": \"write_letter\", \"arguments\": {\"to\": \"Miss Fairfax\"}}")
                    .contains("<tool_response>\nSent.\n</tool_response>")
                    .contains("\"enum\": [\"Mrs. Weston\", \"Miss Fairfax\"]");
            for (String answer :
                    List.of("", "'content': '', ", "'content': [], ", "'content': null, 'refusal': null, ")) {
                for (String id : List.of("", "'tool_call_id': null, ")) {
                    String content = "'content': [{'type': 'text', 'text': 'Sent.'}]";
                    assertThat(rendered(server, answer, id + content)).isEqualTo(prompt);
                }
            }
        }
    }

    static List<String> bombs() {
        String deep = "{'type': 'array', 'items': ".repeat(90) + "{}" + "}".repeat(90);
        String wide = IntStream.range(0, 10_000)
                .mapToObj(i -> "'p" + i + "': {'type': 'string', 'pattern': 'a{" + i + "}'}")
                .collect(Collectors.joining(", "));
        String all = IntStream.range(0, 200)
                .mapToObj(i -> "{'anyOf': [{'minLength': " + i + "}, {'pattern': '(a|b" + i + ")*c'}]}")
                .collect(Collectors.joining(", "));
        String values = IntStream.range(0, 90_000).mapToObj(i -> "'v" + i + "'").collect(Collectors.joining(", "));
        return List.of(
                format(deep),
                format("{'type': 'object', 'properties': {" + wide + "}}"),
                format("{'type': 'string', 'allOf': [" + all + "]}"),
                format("{'enum': [" + values + "]}"),
                format("{'$ref': '#'}"),
                "'guided_regex': '((((a{1000}){1000}){1000}){1000}b)*'",
                "'guided_regex': '(.*){50}x(.*a){40}'",
                "'grammar': 'root ::= root root | root'",
                "'guided_grammar': 'root ::= " + "( ".repeat(5000) + "'");
    }

    @ParameterizedTest
    @MethodSource("bombs")
    void aHostileConstraintEndsSoonAndOthersGoOn(String fields) throws Exception {
        CompletableFuture<HttpResponse<String>> beside = Served.CLIENT.sendAsync(
                request(SERVER, CHAT, ask("'max_tokens': 5, 'seed': 1").replace('\'', '"')), BodyHandlers.ofString());
        long begin = System.nanoTime();
        HttpResponse<String> answer = send(SERVER, CHAT, ask(fields + ", 'max_tokens': 3"));
        assertThat(answer.statusCode()).as(answer.body()).isIn(200, 400);
        assertThat((System.nanoTime() - begin) / 1e9).as(answer.body()).isLessThan(10); // 2 s on a free machine
        assertThat(beside.join().statusCode()).isEqualTo(200);
    }

    @Test
    @EnabledIfSystemProperty(named = "causal4j.whole", matches = "true")
    void sixtyFourSequencesOfTwoSchemasAreWhatEachIsAlone() throws Exception {
        List<String> asks = new ArrayList<>();
        for (int seed = 0; seed < 32; seed++) {
            String rest = ", 'temperature': 1, 'max_tokens': 60, 'seed': " + seed;
            asks.add(format(MOOD) + rest);
            asks.add("'guided_regex': '[a-z]{3}( [a-z]{2,9}){4}[.]'" + rest);
        }
        List<String> alone = new ArrayList<>();
        for (String each : asks) {
            alone.add(chat(each).get("message").get("content").stringValue());
        }
        try (Server server = start(OPTIONS.withBounds(64, 64))) {
            List<CompletableFuture<HttpResponse<String>>> together = asks.stream()
                    .map(each -> Served.CLIENT.sendAsync(
                            request(server, CHAT, ask(each).replace('\'', '"')), BodyHandlers.ofString()))
                    .toList();
            for (int i = 0; i < alone.size(); i++) {
                JsonNode answer =
                        JsonMapper.shared().readTree(together.get(i).join().body());
                assertThat(answer.get("choices")
                                .get(0)
                                .get("message")
                                .get("content")
                                .stringValue())
                        .isEqualTo(alone.get(i));
            }
        }
    }

    @Test
    @EnabledIfSystemProperty(named = "causal4j.whole", matches = "true")
    void aLimitThatIsMetWhileATextIsWrittenEndsThatRequestAlone() throws Exception {
        String brackets = "(".repeat(900);
        String body = "{'messages': [{'role': 'user', 'content': '" + Recorded.USER + "'}], 'temperature': 0, %s}";
        String grammar = "'grammar': 'root ::= (\\'(\\' (root | \\'y\\')? \\')\\'){1,3}'";
        try (CausalLM model = Recorded.model(Recorded.prompt(""), brackets);
                Server server = Server.start(model, Recorded.TEMPLATE, OPTIONS)) {
            CompletableFuture<HttpResponse<String>> beside = Served.CLIENT.sendAsync(
                    request(server, CHAT, body.formatted("'n': 1").replace('\'', '"')), BodyHandlers.ofString());
            HttpResponse<String> whole = send(server, CHAT, body.formatted(grammar));
            assertThat(whole.statusCode()).as(whole.body()).isEqualTo(400);
            assertThat(whole.body()).contains("constraint_limit", "expected at most");
            HttpResponse<String> streamed = send(server, CHAT, body.formatted(grammar + ", 'stream': true"));
            assertThat(streamed.statusCode()).isEqualTo(200);
            assertThat(streamed.body()).contains("constraint_limit").doesNotContain("[DONE]");
            assertThat(beside.join().body()).contains(brackets);
        }
    }

    @Test
    void aClientThatGoesEndsAConstrainedSequence() throws Exception {
        try (Server server = start(OPTIONS.withBounds(2, 2));
                HttpClient client = HttpClient.newHttpClient()) {
            String body = "{'prompt': 'Emma', 'guided_regex': '([a-z]+ ){200}', 'max_tokens': 240, 'n': 128}"
                    .replace('\'', '"');
            var _ = client.sendAsync(request(server, "/v1/completions", body), BodyHandlers.ofString());
            await(() -> metric(server, "generation_tokens_total") > 0);
            client.shutdownNow();
            await(() -> metric(server, "cancelled_total") == 1);
            await(() -> metric(server, "num_requests_running") + metric(server, "num_requests_waiting") == 0);
        }
    }
}
