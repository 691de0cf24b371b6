package dev.causal4j.server;

import static dev.causal4j.server.Served.SERVER;
import static dev.causal4j.server.Served.events;
import static dev.causal4j.server.Served.post;
import static dev.causal4j.server.Served.send;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** {@code /v1/responses} with the embedded model. The conformance kit asks more, with the clients that people use. */
class ResponsesTest {
    static final String PATH = "/v1/responses";
    static final String GREEDY = "'max_output_tokens': 20, 'temperature': 0";
    static final String HI = "'input': 'Tell me of Emma.', " + GREEDY;
    private static final String LETTER = "{'type': 'function', 'name': 'write_letter', 'parameters': {'type': 'object',"
            + " 'properties': {'to': {'enum': ['Mrs. Weston', 'Miss Fairfax']}}, 'required': ['to'],"
            + " 'additionalProperties': false}}";

    static JsonNode ask(String fields) throws IOException, InterruptedException {
        return post(PATH, "{" + fields + "}");
    }

    static List<JsonNode> stream(String fields) throws IOException, InterruptedException {
        String body = send(SERVER, PATH, "{'stream': true, " + fields + "}").body();
        List<JsonNode> events = events(body);
        assertThat(body.lines().filter(line -> !line.isEmpty()))
                .as("each with its name and nothing else")
                .isEqualTo(body.lines()
                        .filter(line -> line.startsWith("event: ") || line.startsWith("data: {"))
                        .toList());
        assertThat(body.lines().filter(line -> line.startsWith("event: ")).map(line -> line.substring(7)))
                .isEqualTo(events.stream()
                        .map(event -> event.get("type").stringValue())
                        .toList());
        assertThat(events.stream().map(event -> event.get("sequence_number").intValue()))
                .isEqualTo(IntStream.range(0, events.size()).boxed().toList());
        return events;
    }

    private static String order(List<JsonNode> events) {
        return events.stream()
                .map(event -> event.get("type").stringValue().replace("response.", ""))
                .collect(Collectors.joining(" "))
                .replaceAll("(( [a-z_.]+\\.delta)+)", " deltas");
    }

    private static JsonNode only(List<JsonNode> events, String type) {
        List<JsonNode> found = events.stream()
                .filter(event -> event.get("type").stringValue().equals("response." + type))
                .toList();
        assertThat(found).hasSize(1);
        return found.getFirst();
    }

    static String text(JsonNode response) {
        return response.get("output").get(0).get("content").get(0).get("text").stringValue();
    }

    static HttpResponse<String> get(String path, String... headers) throws IOException, InterruptedException {
        return send(SERVER, PATH + path, "", headers);
    }

    static JsonNode error(int status, String fields, String... headers) throws IOException, InterruptedException {
        HttpResponse<String> answer = send(SERVER, PATH, "{" + fields + "}", headers);
        assertThat(answer.statusCode()).as(answer.body()).isEqualTo(status);
        return JsonMapper.shared().readTree(answer.body()).get("error");
    }

    @Test
    void aTextIsToldInOrderAndTheSameInSixPlaces() throws Exception {
        List<JsonNode> events = stream(HI);
        assertThat(order(events))
                .isEqualTo("created in_progress output_item.added content_part.added deltas output_text.done"
                        + " content_part.done output_item.done incomplete");
        String text =
                events.stream().map(event -> event.path("delta").asString("")).collect(Collectors.joining());
        assertThat(only(events, "output_text.done").get("text").stringValue()).isEqualTo(text);
        assertThat(only(events, "content_part.done").at("/part/text").stringValue())
                .isEqualTo(text);
        assertThat(only(events, "output_item.done").at("/item/content/0/text").stringValue())
                .isEqualTo(text);
        assertThat(text(events.getLast().get("response"))).isEqualTo(text);
        assertThat(text(ask(HI))).isEqualTo(text);
        String chat =
                "{'messages': [{'role': 'user', 'content': 'Tell me of Emma.'}], 'max_tokens': 20, 'temperature': 0}";
        assertThat(post("/v1/chat/completions", chat)
                        .at("/choices/0/message/content")
                        .stringValue())
                .isEqualTo(text);
    }

    @Test
    void eventsShareIdsAndBeginWithNothing() throws Exception {
        List<JsonNode> events = stream(HI);
        JsonNode added = only(events, "output_item.added").get("item");
        assertThat(added.get("content")).isEmpty();
        assertThat(added.get("status").stringValue()).isEqualTo("in_progress");
        for (JsonNode event : events) {
            assertThat(event.path("item_id").asString(added.get("id").stringValue()))
                    .isEqualTo(added.get("id").stringValue());
            assertThat(event.path("output_index").asInt(0)).isZero();
            assertThat(event.has("content_index")).isEqualTo(event.has("item_id"));
            assertThat(event.has("logprobs"))
                    .isEqualTo(event.get("type").stringValue().contains("output_text"));
            assertThat(event.at("/response/id")
                            .asString(events.getFirst().at("/response/id").stringValue()))
                    .isEqualTo(events.getFirst().at("/response/id").stringValue());
        }
        for (JsonNode event : events.subList(0, 2)) {
            assertThat(event.at("/response/status").stringValue()).isEqualTo("in_progress");
            assertThat(event.at("/response/output")).isEmpty();
            assertThat(event.at("/response/usage").isNull()).isTrue();
            assertThat(event.get("response").propertyNames())
                    .containsExactlyInAnyOrderElementsOf(
                            events.getLast().get("response").propertyNames());
        }
    }

    @Test
    void allFieldsThatTypedClientsReadAreThere() throws Exception {
        JsonNode answer = ask(HI);
        assertThat(answer.propertyNames())
                .contains(
                        "id",
                        "object",
                        "created_at",
                        "status",
                        "error",
                        "incomplete_details",
                        "instructions",
                        "max_output_tokens",
                        "metadata",
                        "model",
                        "output",
                        "parallel_tool_calls",
                        "previous_response_id",
                        "store",
                        "temperature",
                        "text",
                        "tool_choice",
                        "tools",
                        "top_p",
                        "truncation",
                        "usage");
        JsonNode usage = answer.get("usage");
        assertThat(usage.at("/input_tokens_details/cache_write_tokens").isInt()).isTrue();
        assertThat(usage.at("/input_tokens_details/cached_tokens").isInt()).isTrue();
        assertThat(usage.at("/output_tokens_details/reasoning_tokens").intValue())
                .isZero();
        assertThat(usage.get("total_tokens").intValue())
                .isEqualTo(usage.get("input_tokens").intValue()
                        + usage.get("output_tokens").intValue());
        assertThat(answer.at("/text/format/type").stringValue()).isEqualTo("text");
        assertThat(answer.get("tool_choice").stringValue()).isEqualTo("auto");
        assertThat(answer.get("store").booleanValue()).isTrue();
    }

    @Test
    void settingsComeBack() throws Exception {
        String settings = "'temperature': 0.25, 'top_p': 0.5, 'metadata': {'a': 'b'}, 'instructions': 'Be brief.',"
                + " 'parallel_tool_calls': false, 'user': 'ann', 'text': {'verbosity': 'low'}, 'truncation': 'auto',"
                + " 'reasoning': {'effort': 'low'}, 'tools': [" + LETTER
                + ", {'type': 'web_search'}], 'tool_choice': 'none'";
        JsonNode answer = ask("'input': 'x', 'max_output_tokens': 3, " + settings);
        JsonNode given = JsonMapper.shared().readTree(("{" + settings + "}").replace('\'', '"'));
        given.propertyStream()
                .filter(each -> !each.getKey().equals("text"))
                .forEach(each ->
                        assertThat(answer.get(each.getKey())).as(each.getKey()).isEqualTo(each.getValue()));
        assertThat(answer.at("/text/verbosity").stringValue()).isEqualTo("low");
        assertThat(answer.at("/text/format/type").stringValue()).isEqualTo("text");
        JsonNode again = ask("'input': 'x', 'max_output_tokens': 3, 'seed': " + answer.get("seed") + ", " + settings);
        assertThat(text(again)).isEqualTo(text(answer));
    }

    @Test
    void anAnswerThatIsCutIsIncomplete() throws Exception {
        JsonNode cut = ask("'input': 'Tell me of Emma.', 'max_output_tokens': 3");
        assertThat(cut.get("status").stringValue()).isEqualTo("incomplete");
        assertThat(cut.at("/incomplete_details/reason").stringValue()).isEqualTo("max_output_tokens");
        assertThat(cut.at("/output/0/status").stringValue()).isEqualTo("incomplete");
        JsonNode whole =
                ask("'input': 'Tell me of Emma.', 'max_output_tokens': 30, 'stop': ['a', 'e', 'i', 'o', 'u', ' ']");
        assertThat(whole.get("status").stringValue()).isEqualTo("completed");
        assertThat(whole.get("incomplete_details").isNull()).isTrue();
        assertThat(whole.at("/output/0/status").stringValue()).isEqualTo("completed");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "[{'role': 'user', 'content': 'Tell me of Emma.'}]",
                "[{'type': 'message', 'role': 'user', 'content': [{'type': 'input_text', 'text': 'Tell me'},"
                        + " {'type': 'text', 'text': ' of Emma.'}]}]",
                "[{'type': 'reasoning', 'id': 'rs_1', 'summary': [{'type': 'summary_text', 'text': 'Hm.'}], 'content': null,"
                        + " 'encrypted_content': 'gAAAA'}, {'role': 'user', 'content': 'Tell me of Emma.'}]"
            })
    void formsOfInputAreOne(String input) throws Exception {
        assertThat(text(ask("'input': " + input + ", " + GREEDY))).isEqualTo(text(ask(HI)));
    }

    @Test
    void itemsAreMessagesOfAChat() throws Exception {
        String items = "[{'role': 'developer', 'content': 'Be brief.'}, {'role': 'user', 'content': 'Visit.'},"
                + " {'type': 'function_call', 'call_id': 'a', 'name': 'visit', 'arguments': '{}'},"
                + " {'type': 'function_call', 'call_id': 'b', 'name': 'visit', 'arguments': '{}'},"
                + " {'type': 'function_call_output', 'call_id': 'a', 'output': [{'type': 'input_text', 'text': 'Tea.'}]},"
                + " {'type': 'function_call_output', 'call_id': 'b', 'output': 'Rain.'},"
                + " {'type': 'message', 'role': 'assistant', 'content': [{'type': 'output_text', 'text': 'Well.'}]},"
                + " {'role': 'user', 'content': 'And?'}]";
        String messages =
                "[{'role': 'system', 'content': 'Hear.\\n\\nBe brief.'}, {'role': 'user', 'content': 'Visit.'},"
                        + " {'role': 'assistant', 'content': null, 'tool_calls': ["
                        + " {'id': 'a', 'type': 'function', 'function': {'name': 'visit', 'arguments': '{}'}},"
                        + " {'id': 'b', 'type': 'function', 'function': {'name': 'visit', 'arguments': '{}'}}]},"
                        + " {'role': 'tool', 'tool_call_id': 'a', 'content': 'Tea.'}, {'role': 'tool', 'tool_call_id': 'b', 'content': 'Rain.'},"
                        + " {'role': 'assistant', 'content': 'Well.'}, {'role': 'user', 'content': 'And?'}]";
        JsonNode answer = ask("'instructions': 'Hear.', 'input': " + items + ", " + GREEDY);
        JsonNode chat =
                post("/v1/chat/completions", "{'messages': " + messages + ", 'max_tokens': 20, 'temperature': 0}");
        assertThat(text(answer)).isEqualTo(chat.at("/choices/0/message/content").stringValue());
        assertThat(answer.at("/usage/input_tokens")).isEqualTo(chat.at("/usage/prompt_tokens"));
    }

    @Test
    void logprobsAreThoseOfAChat() throws Exception {
        String fields = "'input': 'Tell me of Emma.', 'max_output_tokens': 9, 'temperature': 0,"
                + " 'include': ['message.output_text.logprobs', 'reasoning.encrypted_content'], 'top_logprobs': 2";
        JsonNode told = ask(fields).at("/output/0/content/0/logprobs");
        String chat =
                "{'messages': [{'role': 'user', 'content': 'Tell me of Emma.'}], 'max_tokens': 9, 'temperature': 0,"
                        + " 'logprobs': true, 'top_logprobs': 2}";
        assertThat(told).hasSize(9).isEqualTo(post("/v1/chat/completions", chat).at("/choices/0/logprobs/content"));
        List<JsonNode> events = stream(fields);
        assertThat(events.stream()
                        .filter(event -> event.has("delta"))
                        .flatMap(event -> event.get("logprobs").valueStream()))
                .isEqualTo(told.valueStream().toList());
        assertThat(only(events, "output_text.done").get("logprobs")).isEqualTo(told);
    }

    @Test
    void callsOfOneSeedHaveTheirOwnIds() throws Exception {
        List<JsonNode> ids = new ArrayList<>();
        for (String text : List.of("Write.", "Write again.")) {
            String fields = "'input': '" + text + "', 'max_output_tokens': 90, 'tools': [" + LETTER
                    + "], 'tool_choice': 'required', 'seed': 5";
            ids.add(ask(fields).at("/output/0/call_id"));
        }
        assertThat(ids.getFirst().stringValue())
                .startsWith("call_")
                .isNotEqualTo(ids.getLast().stringValue());
    }

    @Test
    void aCallIsAnItemOfItsOwn() throws Exception {
        String fields = "'input': 'Write.', 'max_output_tokens': 90, 'tools': [" + LETTER
                + "], 'tool_choice': {'type': 'function', 'name': 'write_letter'}, 'seed': 5";
        List<JsonNode> events = stream(fields);
        assertThat(order(events))
                .isEqualTo(
                        "created in_progress output_item.added deltas function_call_arguments.done output_item.done completed");
        JsonNode item = only(events, "output_item.done").get("item");
        JsonNode added = only(events, "output_item.added").get("item");
        assertThat(added.get("arguments").stringValue()).isEmpty();
        assertThat(added.get("call_id")).isEqualTo(item.get("call_id"));
        JsonNode done = only(events, "function_call_arguments.done");
        assertThat(done.get("arguments")).isEqualTo(item.get("arguments"));
        assertThat(done.get("name").stringValue()).isEqualTo("write_letter");
        JsonNode call = ask(fields).at("/output/0");
        for (String name : List.of("type", "name", "arguments", "status", "call_id")) {
            assertThat(call.get(name)).as(name).isEqualTo(item.get(name));
        }
        assertThat(call.get("id").stringValue()).startsWith("fc_");
        assertThat(call.get("call_id").stringValue()).startsWith("call_");
    }

    @Test
    void toolsOfOtherTypesAreIgnored() throws Exception {
        String others =
                "'tools': [{'type': 'web_search'}, {'type': 'custom', 'name': 'apply_patch', 'format': {'type': 'grammar',"
                        + " 'syntax': 'lark', 'definition': 'start: /x/'}}, {'type': 'namespace', 'name': 'mcp', 'tools': []},"
                        + " {'type': 'something_new'}], 'tool_choice': 'auto', ";
        assertThat(text(ask(others + HI))).isEqualTo(text(ask(HI)));
    }

    @Test
    void theWholeRequestOfCodexIsAnswered() throws Exception {
        List<JsonNode> events = stream("""
                'instructions': 'You are a coding agent.', 'input': [
                {'type': 'message', 'role': 'developer', 'content': [{'type': 'input_text', 'text': '<permissions>'}]},
                {'type': 'message', 'role': 'user', 'content': [{'type': 'input_text', 'text': '<environment_context>'}]},
                {'type': 'reasoning', 'id': 'rs_1', 'summary': [], 'content': null, 'encrypted_content': 'gAAAA'},
                {'type': 'function_call', 'id': 'fc_1', 'name': 'shell', 'arguments': '{}', 'call_id': 'call_1'},
                {'type': 'function_call_output', 'call_id': 'call_1', 'output': '{}'},
                {'type': 'message', 'role': 'user', 'content': [{'type': 'input_text', 'text': 'Go on.'}]}],
                'tools': [{'type': 'function', 'name': 'shell', 'description': 'Runs', 'strict': false, 'parameters': {'type':
                'object', 'properties': {'command': {'type': 'array', 'items': {'type': 'string'}}}, 'required': ['command'],
                'additionalProperties': false}}, {'type': 'custom', 'name': 'apply_patch', 'description': 'x', 'format': {}},
                {'type': 'web_search', 'external_web_access': false}, {'type': 'namespace', 'name': 'mcp__x', 'tools': []}],
                'tool_choice': 'auto', 'parallel_tool_calls': true, 'reasoning': {'effort': 'medium', 'summary': 'auto'},
                'store': false, 'include': ['reasoning.encrypted_content'], 'prompt_cache_key': '0199',
                'client_metadata': {'x': 'y'}, 'text': {'verbosity': 'medium'}, 'max_output_tokens': 24""");
        assertThat(order(events))
                .startsWith("created in_progress output_item.added")
                .contains(" output_item.done ");
        assertThat(events.getLast().at("/response/usage/total_tokens").isInt()).isTrue();
        assertThat(events.getLast().at("/response/store").booleanValue()).isFalse();
        assertThat(get("/" + events.getLast().at("/response/id").stringValue()).statusCode())
                .isEqualTo(404);
    }

    @Test
    void aFormatHolds() throws Exception {
        String format =
                "'text': {'format': {'type': 'json_schema', 'name': 'answer', 'strict': true, 'schema': {'type': 'object',"
                        + " 'properties': {'mood': {'enum': ['calm', 'merry']}}, 'required': ['mood'], 'additionalProperties': false}}}";
        JsonNode answer = ask("'input': 'x', 'max_output_tokens': 60, " + format);
        assertThat(JsonMapper.shared().readTree(text(answer)).get("mood").stringValue())
                .isIn("calm", "merry");
        assertThat(answer.at("/text/format/type").stringValue()).isEqualTo("json_schema");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '~',
            value = {
                "'model': 'none', 'input': 'x' | 404 | model",
                "'input': 5 | 400 | input",
                "'input': [] | 400 | input",
                "'temperature': 9, 'input': 'x' | 400 | temperature",
                "'max_output_tokens': 0, 'input': 'x' | 400 | max_output_tokens",
                "'metadata': 'x', 'input': 'x' | 400 | metadata",
                "'instructions': 5, 'input': 'x' | 400 | instructions",
                "'background': true, 'input': 'x' | 400 | background",
                "'conversation': 'c', 'input': 'x' | 400 | conversation",
                "'prompt': {'id': 'p'}, 'input': 'x' | 400 | prompt",
                "'previous_response_id': 'resp_none', 'input': 'x' | 400 | previous_response_id",
                "'input': [5] | 400 | input.[0]",
                "'input': [{'role': 'user'}] | 400 | input.[0].content",
                "'input': [{'role': 'nobody', 'content': 'x'}] | 400 | input.[0].role",
                "'input': [{'type': 'nothing'}] | 400 | input.[0].type",
                "'input': [{'type': 'item_reference', 'id': 'msg_none'}] | 400 | input.[0].id",
                "'input': [{'type': 'item_reference', 'id': 'msg_x_99999999999'}] | 400 | input.[0].id",
                "'input': [{'role': 'user', 'content': [{'type': 'input_image', 'image_url': 'data:'}]}] | 400 | input.[0].content.[0].type",
                "'input': [{'type': 'function_call', 'name': 'a', 'arguments': '{}'}] | 400 | input.[0].call_id",
                "'input': [{'type': 'function_call', 'call_id': 'a', 'arguments': '{}'}] | 400 | input.[0].name",
                "'input': [{'type': 'function_call_output', 'output': 'x'}] | 400 | input.[0].call_id",
                "'input': 'x', 'tools': [{'type': 'function'}] | 400 | tools.[0].name",
                "'input': 'x', 'tools': [{'type': 'web_search'}, {'type': 'function'}] | 400 | tools.[1].name",
                "'input': 'x', 'tool_choice': {'type': 'function', 'name': 'a'} | 400 | tool_choice.name",
                "'input': 'x', 'text': {'format': {'type': 'json_schema', 'name': 'a'}} | 400 | text.format.schema",
                "'input': 'x', 'text': {'format': 'json'} | 400 | text.format"
            })
    void errorsHaveAStatusAlsoInStreams(String fields, int status, String param) throws Exception {
        assertThat(error(status, fields).get("param").stringValue()).isEqualTo(param);
        assertThat(error(status, "'stream': true, " + fields).get("param").stringValue())
                .isEqualTo(param);
    }

    /** As agents probe a server. */
    @Test
    void anEmptyInputIsAnsweredAtOnce() throws Exception {
        assertThat(ask("'input': '', 'max_output_tokens': 1").get("object").stringValue())
                .isEqualTo("response");
    }

    @Test
    void anErrorAfterTheFirstEventIsToldTwice() {
        Responses dialect = new Responses(new KeptResponses(1));
        dialect.read(Unserved.in("{'input': 'x', 'max_output_tokens': 3}"), Unserved.SERVED, "");
        List<Map<String, Object>> told = dialect.failure(ApiError.shuttingDown());
        assertThat(told).extracting(each -> each.get("type")).containsExactly("error", "response.failed");
        assertThat(told).extracting(each -> each.get("sequence_number")).containsExactly(0, 1);
        assertThat(told.getFirst()).containsEntry("code", "shutting_down").containsKeys("message", "param");
        assertThat(dialect.head(told.getLast())).isEqualTo("event: response.failed\ndata: ");
        JsonNode failed = JsonMapper.shared().valueToTree(told.getLast().get("response"));
        assertThat(failed.get("status").stringValue()).isEqualTo("failed");
        assertThat(failed.at("/error/code").stringValue()).isEqualTo("shutting_down");
        assertThat(dialect.done()).isEmpty();
    }
}
