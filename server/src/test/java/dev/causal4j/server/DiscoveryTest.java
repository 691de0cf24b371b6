package dev.causal4j.server;

import static dev.causal4j.server.Served.MODEL;
import static dev.causal4j.server.Served.OPTIONS;
import static dev.causal4j.server.Served.SERVER;
import static dev.causal4j.server.Served.send;
import static dev.causal4j.server.Served.start;
import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.chat.ToolFormat;
import dev.causal4j.generation.Chat;
import dev.causal4j.model.CausalLM;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

class DiscoveryTest {
    private static JsonNode get(Server server, String path) throws Exception {
        HttpResponse<String> response = send(server, path, "");
        assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
        return JsonMapper.shared().readTree(response.body());
    }

    /** Capabilities of a template: tools, calls, several calls, the system's message; each is its letter or a dash. */
    private static String capabilities(CausalLM model, Chat.Format format) throws Exception {
        try (Server server = Server.start(format, OPTIONS)) {
            JsonNode props = get(server, "/props");
            assertThat(props.get("model_path").stringValue()).isEqualTo(model.name());
            JsonNode all = props.get("chat_template_caps");
            assertThat(all.propertyNames())
                    .containsExactly(
                            "supports_tools",
                            "supports_tool_calls",
                            "supports_parallel_tool_calls",
                            "supports_system_role");
            StringBuilder told = new StringBuilder();
            for (String letter : List.of("tools T", "tool_calls C", "parallel_tool_calls P", "system_role S")) {
                String[] parts = letter.split(" ", -1);
                told.append(all.get("supports_" + parts[0]).booleanValue() ? parts[1] : "-");
            }
            return told.toString();
        }
    }

    @ParameterizedTest
    @CsvSource({
        "qwen3-instruct-2507, TCPS",
        "mistral-nemo, TCPS", // refuses calls whose ids have not nine letters
        "glm-4.5, TCPS",
        "own-gemma4, TCPS",
        "gpt-oss, TC-S", // writes the first call of a message alone
        "smollm3, TC-S", // leaves earlier calls out
        "mistral-7b-instruct-v0.3, TCP-", // leaves the system's message out
        "deepseek-v3.1, ---S", // writes calls, but shows the model no tools
        "zephyr-7b-beta, ---S",
    })
    void editorsLearnFromTheTemplateWhatAModelIsShown(String name, String told) throws Exception {
        String source = Files.readString(Recorded.RESOURCES.resolve("chat/" + name + ".jinja"));
        try (CausalLM model = Recorded.model(Recorded.prompt(""), "Good.")) {
            ChatTemplate template = ChatTemplate.parse(name, source, Map.of("bos_token", "<s>", "eos_token", "</s>"));
            assertThat(capabilities(model, Chat.Format.of(model, template))).isEqualTo(told);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "'{{ raise_exception(\"none\") }}', ----",
        "'{% for m in messages %}{% if m.role == \"system\" %}{{ raise_exception(\"none\") }}{% endif %}{% endfor %}', ----",
        "'<tool_call> {{ tools }}{% if messages|length > 1 %}{{ raise_exception(\"none\") }}{% endif %}', TC--",
        "'{% for i in range(99999) %}{% for j in range(99999) %}{{ messages }}{% endfor %}{% endfor %}', ----",
        "'{{ messages }}', ---S",
    })
    void aTemplateThatRefusesOrNeverEndsSupportsNothingAndIsServed(String source, String told) throws Exception {
        try (CausalLM model = Recorded.model(Recorded.prompt(""), "Good.")) {
            ChatTemplate template = ChatTemplate.parse("own", source, Map.of());
            assertThat(capabilities(model, Chat.Format.of(model, template))).isEqualTo(told);
        }
    }

    @Test
    void aFormatOfCallsAloneShowsNoTools() throws Exception {
        try (CausalLM model = Recorded.model(Recorded.prompt(""), "Good.")) {
            Chat.Format plain = Chat.Format.of(model, ChatTemplate.plain());
            assertThat(capabilities(model, plain.withToolFormat(ToolFormat.HERMES)))
                    .isEqualTo(capabilities(model, plain))
                    .isEqualTo("---S");
        }
    }

    @Test
    void propsSayWhatTheServerIsAndThatItSeesNothing() throws Exception {
        JsonNode props = get(SERVER, "/props");
        assertThat(props.get("modalities").toString()).isEqualTo("{\"vision\":false,\"audio\":false}");
        assertThat(props.get("build_info").stringValue()).matches("causal4j \\S.*");
        assertThat(props.get("total_slots").intValue()).isEqualTo(OPTIONS.parallel());
    }

    @Test
    void theContextThatIsServedIsTheSameWhereverItIsTold() throws Exception {
        int length = MODEL.contextLength();
        JsonNode settings = get(SERVER, "/props").get("default_generation_settings");
        assertThat(settings.get("n_ctx").intValue()).isEqualTo(length);
        JsonNode entry = get(SERVER, "/v1/models").get("data").get(0);
        for (String field : List.of("max_model_len", "max_input_tokens", "max_tokens")) {
            assertThat(entry.get(field).intValue()).as(field).isEqualTo(length);
        }
        assertThat(entry.get("meta").get("n_ctx").intValue()).isEqualTo(length);
        assertThat(entry.get("meta").get("n_ctx_train").intValue()).isEqualTo(length);
    }

    @Test
    void oneListServesTheClientsOfAll() throws Exception {
        JsonNode list = get(SERVER, "/v1/models");
        // Codex reads a field "models" as entries of its own, and Zed takes one with a status for a router's.
        assertThat(list.propertyNames()).containsExactly("object", "data", "has_more", "first_id", "last_id");
        assertThat(list.get("object").stringValue()).isEqualTo("list");
        assertThat(list.get("has_more").booleanValue()).isFalse();
        assertThat(list.get("data").size()).isEqualTo(1);
        JsonNode entry = list.get("data").get(0);
        assertThat(entry.has("status")).isFalse();
        assertThat(List.of(entry.get("id"), list.get("first_id"), list.get("last_id"), entry.get("display_name")))
                .allMatch(name -> name.stringValue().equals(MODEL.name()));
        assertThat(entry.get("object").stringValue()).isEqualTo("model");
        assertThat(entry.get("type").stringValue()).isEqualTo("model");
        assertThat(entry.get("capabilities").isNull()).isTrue();
        assertThat(Instant.parse(entry.get("created_at").stringValue()).getEpochSecond())
                .isEqualTo(entry.get("created").longValue());
        assertThat(get(SERVER, "/v1/models/" + MODEL.name())).isEqualTo(entry);
    }

    @Test
    void propsAreThoseOfTheModelThatIsAskedFor() throws Exception {
        try (Server server = start(OPTIONS.withAliases(List.of("org/na+me:Q4 é")))) {
            JsonNode props = get(server, "/props");
            String name = MODEL.name();
            for (String query :
                    List.of("", "model=", "model=" + name, "autoload=false&model=org%2Fna%2Bme%3AQ4%20%C3%A9")) {
                assertThat(get(server, "/props?" + query)).as(query).isEqualTo(props);
            }
            for (String query : List.of("other", "org%252Fna%2Bme", name + "&model=other", "x".repeat(9000))) {
                HttpResponse<String> refused = send(server, "/props?model=" + query, "");
                assertThat(refused.statusCode()).as(query).isEqualTo(404);
                assertThat(refused.body())
                        .contains("\"code\":\"model_not_found\"")
                        .hasSizeLessThan(400);
            }
        }
    }

    @Test
    void discoveryTellsNothingToStrangers() throws Exception {
        try (Server keyed = start(OPTIONS.withKeys(List.of("one")))) {
            for (String path : List.of("/props", "/props?model=other", "/v1/models", "/tokenizer_info")) {
                assertThat(send(keyed, path, "").statusCode()).as(path).isEqualTo(401);
                int status = path.contains("other") ? 404 : 200;
                assertThat(send(keyed, path, "", "Authorization", "Bearer one").statusCode())
                        .as(path)
                        .isEqualTo(status);
            }
            for (String path : List.of("/props", "/v1/models")) {
                String head = "GET " + path + " HTTP/1.1\r\nHost: evil.example\r\nAuthorization: Bearer one\r\n\r\n";
                try (var socket = Served.connect(keyed)) {
                    socket.getOutputStream().write(head.getBytes(StandardCharsets.US_ASCII));
                    byte[] answer = socket.getInputStream().readNBytes(12);
                    assertThat(new String(answer, StandardCharsets.US_ASCII)).isEqualTo("HTTP/1.1 403");
                }
            }
        }
    }
}
