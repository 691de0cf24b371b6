package dev.causal4j.chat;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ToolFormatTest {
    private static ChatTemplate template(String name) throws IOException {
        try (InputStream in = Objects.requireNonNull(ToolFormatTest.class.getResourceAsStream(name + ".jinja"))) {
            return ChatTemplate.parse(name, new String(in.readAllBytes(), StandardCharsets.UTF_8), Map.of());
        }
    }

    @ParameterizedTest
    @CsvSource({
        "qwen2.5-instruct, hermes",
        "qwen3, hermes",
        "qwen3-instruct-2507, hermes",
        "smollm3, hermes",
        "minimind, hermes",
        "qwen3-coder, qwen3-coder",
        "qwen3.5, qwen3-coder",
        "mistral-7b-instruct-v0.3, mistral",
        "mistral-nemo, mistral",
        "mistral-small-3.2, mistral-v11",
        "granite-3.3, granite",
        "granite-4.0, hermes",
        "granite-4.1, hermes",
        "gpt-oss, harmony",
        "deepseek-r1, deepseek-r1",
        "deepseek-v3.1, deepseek",
        "glm-4.5, glm",
        "own-gemma, none",
        "own-gemma4, gemma4",
        "granite-4.0, hermes",
        "granite-4.1, hermes",
        "ministral-3-reasoning, mistral-v11",
        "phi-3.5-mini, none",
        "zephyr-7b-beta, none",
        "own-chatml, none",
        "smollm2-instruct, none"
    })
    void aTemplateTellsItsFormat(String name, String format) throws IOException {
        assertThat(ToolFormat.of(template(name)).label()).isEqualTo(format);
    }

    @Test
    void formatsHaveLabels() {
        for (ToolFormat format : ToolFormat.values()) {
            assertThat(ToolFormat.named(format.label())).isSameAs(format);
        }
        assertThatIllegalArgumentException()
                .isThrownBy(() -> ToolFormat.named("x"))
                .withMessageStartingWith("tool format: expected one of harmony, deepseek-r1, ")
                .withMessageEndingWith(", none, got \"x\"");
    }

    private static String rendered(String name, String arguments) throws IOException {
        ChatTemplate template = template(name);
        ToolCall call = new ToolCall("a1b2c3d4e", "get_weather", arguments);
        List<Message> messages =
                List.of(new Message("user", "Hi"), new Answer("", "", List.of(call), "tool_calls").message());
        return template.render(template.adapted(messages), null, false, Map.of())
                .text();
    }

    /** A thought is a channel; without one the prompt has an empty one. */
    @Test
    void gemma4ThinksWhereItIsAskedTo() throws IOException {
        ChatTemplate template = template("own-gemma4");
        ToolFormat format = ToolFormat.of(template);
        List<Message> messages = List.of(new Message("user", "Hi"));
        String plain = template.render(messages, null, true, Map.of()).text();
        String thinking = template.render(messages, null, true, Map.of("enable_thinking", true))
                .text();
        assertThat(plain).endsWith("<|turn>model\n<|channel>thought\n<channel|>");
        assertThat(format.mayThink(template, plain)).isFalse();
        assertThat(format.mayThink(template, thinking)).isTrue();
        assertThat(format.opensThought(plain)).isFalse();
        assertThat(format.opensThought(thinking + "<|channel>thought\n")).isTrue();
        assertThat(rendered("own-gemma4", "{\"city\": \"Paris\"}"))
                .contains("<|tool_call>call:get_weather{city:<|\"|>Paris<|\"|>}<tool_call|>");
    }

    @Test
    void earlierCallsHaveArgumentsAsTheTemplateTakesThem() throws IOException {
        String own = "{\"city\":  \"Paris\"}"; // two spaces, as a model wrote it
        for (String name : List.of("qwen3", "minimind", "deepseek-r1")) {
            assertThat(rendered(name, own)).as(name).contains(own);
        }
        for (String name : List.of("qwen2.5-instruct", "mistral-7b-instruct-v0.3", "mistral-small-3.2", "gpt-oss")) {
            assertThat(rendered(name, own)).as(name).contains("{\"city\": \"Paris\"}");
        }
        assertThat(rendered("qwen3-coder", own)).contains("<parameter=city>\nParis\n</parameter>");
        assertThat(rendered("qwen2.5-instruct", "{\"cut")).contains("cut");
    }

    @Test
    void toolsAreChecked() {
        ToolDefinition now = new ToolDefinition(Map.of("name", "a.now"));
        ToolDefinition.check(List.of(now), ToolChoice.named("a.now"));
        assertThatIllegalArgumentException()
                .isThrownBy(() -> ToolDefinition.check(List.of(now), ToolChoice.parse("fly")))
                .withMessage("tool choice: expected one of [a.now], got \"fly\"");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> ToolDefinition.check(List.of(now, now), ToolChoice.AUTO))
                .withMessageContaining("expected another name than the tools before, got \"a.now\"");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> ToolDefinition.check(List.of(new ToolDefinition(Map.of())), ToolChoice.AUTO))
                .withMessageContaining("expected a name of letters, digits, _, - and ., got \"\"");
        assertThatIllegalArgumentException().isThrownBy(() -> ToolDefinition.check(List.of(), ToolChoice.REQUIRED));
    }
}
