package dev.causal4j.server;

import static dev.causal4j.server.Served.OPTIONS;
import static dev.causal4j.server.Served.events;
import static dev.causal4j.server.Served.send;
import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.chat.ToolFormat;
import dev.causal4j.generation.Chat;
import dev.causal4j.model.CausalLM;
import dev.causal4j.tensor.DType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Recorded answers of every family go through the engine, the grammar of calls and the server as they were recorded. */
class RecordedTest {
    private static final String CHAT = "/v1/chat/completions";
    private static final Path CALLS = Recorded.RESOURCES.resolve("chat/calls");

    /** How many answers of a family go through the server. */
    private static final int MOST = Boolean.getBoolean("causal4j.whole") ? Integer.MAX_VALUE : 4;

    static Stream<Path> families() throws Exception {
        try (Stream<Path> files = Files.list(CALLS)) {
            return files.filter(file -> !file.endsWith("streams.json")).sorted().toList().stream();
        }
    }

    @ParameterizedTest
    @MethodSource("families")
    void callsOfAFamilyAreTold(Path file) throws Exception {
        JsonNode family = JsonMapper.shared().readTree(Files.readString(file));
        List<JsonNode> told = new ArrayList<>();
        for (JsonNode answer : family.get("cases").valueStream().limit(MOST).toList()) {
            if (isTold(family, answer)) {
                told.add(answer);
            }
        }
        assertThat(told).hasSizeGreaterThan(1);
        save(
                family,
                told.stream()
                        .filter(answer -> !answer.path("reasoning_open").asBoolean(false)
                                && !answer.get("expect").has("incomplete"))
                        .max(Comparator.comparingInt(
                                answer -> answer.get("expect").get("tool_calls").size()))
                        .orElseThrow());
    }

    /** Keeps a model for the clients of other languages, which {@code scripts/conformance.sh} asks. */
    private static void save(JsonNode family, JsonNode answer) throws IOException {
        Path folder = Files.createDirectories(
                Path.of("target/recorded").resolve(family.get("family").stringValue()));
        try (CausalLM model =
                Recorded.model(Recorded.prompt(""), answer.get("text").stringValue())) {
            model.save(folder, DType.BF16);
        }
        Recorded.TEMPLATE.save(folder);
        String expected = "{\"family\": " + family.get("family") + ", \"tools\": " + family.get("tools")
                + ", \"user\": \"" + Recorded.USER + "\", \"expect\": " + answer.get("expect") + "}";
        Files.writeString(folder.resolve("expected.json"), expected);
    }

    /** Whether a recorded answer is told; false if the grammar does not let the model say it. */
    private static boolean isTold(JsonNode family, JsonNode answer) throws Exception {
        String text = answer.get("text").stringValue();
        ToolFormat format = ToolFormat.named(family.get("family").stringValue());
        String thinks = answer.path("reasoning_open").asBoolean(false) ? format.thought() : "";
        boolean cut = answer.get("expect").has("incomplete");
        int[] tokens = Recorded.tokens(text);
        String ask = "{\"messages\": [{\"role\": \"user\", \"content\": \"" + Recorded.USER + "\"}], \"tools\": "
                + family.get("tools") + ", \"temperature\": 0, \"return_token_ids\": true, \"chat_template_kwargs\": {"
                + "\"thinks\": \"" + thinks + "\"}, \"max_tokens\": " + (cut ? tokens.length : tokens.length + 1);
        try (CausalLM model = Recorded.model(Recorded.prompt(thinks), text);
                Server server =
                        Server.start(Chat.Format.of(model, Recorded.TEMPLATE).withToolFormat(format), OPTIONS)) {
            JsonNode response =
                    JsonMapper.shared().readTree(send(server, CHAT, ask + "}").body());
            JsonNode choice = response.get("choices").get(0);
            List<Integer> said = choice.get("token_ids")
                    .valueStream()
                    .map(JsonNode::intValue)
                    .toList();
            if (said.size() < tokens.length
                    || !said.subList(0, tokens.length)
                            .equals(IntStream.of(tokens).boxed().toList())) {
                return false;
            }
            String name = family.get("family") + " " + answer.get("name");
            Told expected = Told.expected(answer.get("expect"));
            assertThat(Told.whole(choice)).as(name).isEqualTo(expected);
            JsonNode details = response.get("usage").get("completion_tokens_details");
            int least = expected.reasoning.isEmpty() ? 0 : 1;
            assertThat(details.get("reasoning_tokens").intValue()).as(name).isBetween(least, said.size());
            assertThat(Told.streamed(events(
                            send(server, CHAT, ask + ", \"stream\": true}").body())))
                    .as(name)
                    .isEqualTo(expected);
            String items = ask.replaceFirst(
                            "\"messages.*?], \"tools\"", "\"input\": \"" + Recorded.USER + "\", \"tools\"")
                    .replace(family.get("tools").toString(), flat(family.get("tools")))
                    .replace("max_tokens", "max_output_tokens");
            JsonNode whole = JsonMapper.shared()
                    .readTree(send(server, "/v1/responses", items + "}").body());
            assertThat(Told.items(whole.get("output").valueStream(), whole))
                    .as(name)
                    .isEqualTo(expected);
            List<JsonNode> told = events(
                    send(server, "/v1/responses", items + ", \"stream\": true}").body());
            Stream<JsonNode> done = told.stream()
                    .filter(event -> event.get("type").stringValue().equals("response.output_item.done"))
                    .map(event -> event.get("item"));
            assertThat(Told.items(done, told.getLast().get("response")))
                    .as(name)
                    .isEqualTo(expected);
            assertThat(Told.deltas(told))
                    .as(name)
                    .isEqualTo(expected.content + expected.reasoning + arguments(expected));
            return true;
        }
    }

    /** Tools as responses have them. */
    private static String flat(JsonNode tools) {
        return tools.valueStream()
                .map(tool -> "{\"type\": \"function\", "
                        + tool.get("function").toString().substring(1))
                .collect(Collectors.joining(", ", "[", "]"));
    }

    private static String arguments(Told told) {
        return IntStream.range(0, told.calls.size())
                .filter(i -> i % 2 == 1)
                .mapToObj(told.calls::get)
                .collect(Collectors.joining());
    }

    /** An answer as a client reads it; calls as names and arguments in turn. */
    private record Told(String content, String reasoning, List<String> calls, String finish) {
        static Told expected(JsonNode expect) {
            List<String> calls = new ArrayList<>();
            expect.get("tool_calls").forEach(call -> add(calls, call));
            return new Told(
                    expect.get("content").asString(""),
                    expect.get("reasoning_content").asString(""),
                    calls,
                    expect.get("finish_reason").stringValue());
        }

        static Told whole(JsonNode choice) {
            JsonNode message = choice.get("message");
            List<String> calls = new ArrayList<>();
            message.path("tool_calls").forEach(call -> add(calls, call.get("function")));
            return new Told(
                    message.get("content").asString(""),
                    message.path("reasoning_content").asString(""),
                    calls,
                    choice.get("finish_reason").stringValue());
        }

        /** The items of a response. */
        static Told items(Stream<JsonNode> items, JsonNode response) {
            StringBuilder content = new StringBuilder();
            StringBuilder reasoning = new StringBuilder();
            List<String> calls = new ArrayList<>();
            items.forEach(item -> {
                switch (item.get("type").stringValue()) {
                    case "message" -> content.append(item.at("/content/0/text").stringValue());
                    case "reasoning" ->
                        reasoning.append(item.at("/content/0/text").stringValue());
                    default -> add(calls, item);
                }
            });
            boolean cut = response.get("status").stringValue().equals("incomplete");
            String finish = cut ? "length" : calls.isEmpty() ? "stop" : "tool_calls";
            return new Told(content.toString(), reasoning.toString(), calls, finish);
        }

        /** The deltas of a stream by kind, each item whole before the next. */
        static String deltas(List<JsonNode> events) {
            Map<String, StringBuilder> texts = new HashMap<>();
            int open = 0;
            for (JsonNode event : events) {
                String type = event.get("type").stringValue();
                open += type.endsWith("item.added") ? 1 : type.endsWith("item.done") ? -1 : 0;
                assertThat(open).isBetween(0, 1);
                if (event.has("delta")) {
                    texts.computeIfAbsent(type, _ -> new StringBuilder())
                            .append(event.get("delta").stringValue());
                }
            }
            return texts.getOrDefault("response.output_text.delta", new StringBuilder())
                            .toString()
                    + texts.getOrDefault("response.reasoning_text.delta", new StringBuilder())
                    + texts.getOrDefault("response.function_call_arguments.delta", new StringBuilder());
        }

        private static void add(List<String> calls, JsonNode function) {
            calls.add(function.get("name").stringValue());
            calls.add(function.get("arguments").stringValue());
        }

        static Told streamed(List<JsonNode> events) {
            StringBuilder content = new StringBuilder();
            StringBuilder reasoning = new StringBuilder();
            List<String> calls = new ArrayList<>();
            String finish = "";
            for (JsonNode event : events) {
                JsonNode delta = event.get("choices").get(0).get("delta");
                content.append(delta.path("content").asString(""));
                reasoning.append(delta.path("reasoning_content").asString(""));
                for (JsonNode call : delta.path("tool_calls")) {
                    int at = 2 * call.get("index").intValue();
                    JsonNode function = call.get("function");
                    if (at == calls.size()) {
                        add(calls, function);
                    } else {
                        assertThat(at).isEqualTo(calls.size() - 2);
                        assertThat(function.has("name")).isFalse();
                        calls.set(
                                at + 1,
                                calls.get(at + 1) + function.get("arguments").stringValue());
                    }
                }
                finish = event.get("choices").get(0).get("finish_reason").asString("");
            }
            return new Told(content.toString(), reasoning.toString(), calls, finish);
        }
    }
}
