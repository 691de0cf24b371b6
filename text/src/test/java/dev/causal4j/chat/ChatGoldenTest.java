package dev.causal4j.chat;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.causal4j.TemplateException;
import dev.causal4j.json.Json;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** Renderings and errors as Python's Jinja 3.1 has them, of real templates and of small ones with a feature each. */
class ChatGoldenTest {
    private static final Clock CLOCK = Clock.fixed(Instant.parse("2026-01-15T14:30:05Z"), ZoneOffset.UTC);

    /** A generator prints its address in Python, and messages are always there; no template uses the others. */
    private static final Set<String> EXCEPTIONS = Set.of(
            "{{ m | map(attribute='role') }}",
            "{{ messages }}",
            "{{ '%s' % 'a' }}",
            "{{ d | tojson(indent=4, sort_keys=true) }}",
            "{{ s.find('o') }} {{ s.find('z') }} {{ s.count('l') }} {{ '12'.isdigit() }} {{ ''.isdigit() }}");

    private static byte[] resource(String name) throws IOException {
        try (InputStream in = ChatGoldenTest.class.getResourceAsStream(name)) {
            return in.readAllBytes();
        }
    }

    private static Map<?, ?> map(@Nullable Object value) {
        return value instanceof Map<?, ?> map ? map : Map.of();
    }

    private static String text(Map<?, ?> map, String key) {
        return String.valueOf(map.get(key));
    }

    private static List<?> list(@Nullable Object value) {
        return value instanceof List<?> list ? list : List.of();
    }

    private static Map<String, Object> named(@Nullable Object value) {
        Map<String, Object> named = new LinkedHashMap<>();
        map(value).forEach((name, each) -> named.put((String) name, each));
        return named;
    }

    @TestFactory
    Stream<DynamicTest> aConversationRendersAsInTransformers() throws IOException {
        Map<String, Object> cases = Json.tree("cases", resource("cases.json"));
        Map<String, Object> more = Json.tree("cases2", resource("cases2.json")); // of the same conversations
        Map<Object, Object> templates = new LinkedHashMap<>(map(cases.get("templates")));
        templates.putAll(map(more.get("templates")));
        List<DynamicTest> tests = new ArrayList<>();
        for (Map.Entry<?, ?> template : templates.entrySet()) {
            String name = template.getKey() + ".jinja";
            String source = new String(resource(name), StandardCharsets.UTF_8);
            ChatTemplate parsed = ChatTemplate.parse(name, source, Map.of()).withClock(CLOCK);
            Map<?, ?> golden = map(template.getValue());
            for (Object each : list(cases.get("conversations"))) {
                Map<?, ?> conversation = map(each);
                Object expected = map(golden.get("expected")).get(conversation.get("name"));
                tests.add(DynamicTest.dynamicTest(
                        name + " " + conversation.get("name"),
                        () -> check(map(expected), () -> render(parsed, golden, conversation))));
            }
        }
        assertThat(tests).hasSize(25 * 32);
        return tests.stream();
    }

    private static String render(ChatTemplate template, Map<?, ?> golden, Map<?, ?> conversation) {
        Map<String, Object> variables = named(golden.get("variables"));
        variables.putAll(named(conversation.get("variables")));
        List<Message> messages = list(conversation.get("messages")).stream()
                .map(message -> new Message(named(message)))
                .toList();
        List<ToolDefinition> tools = !(conversation.get("tools") instanceof List<?> given)
                ? null
                : given.stream().map(tool -> new ToolDefinition(named(tool))).toList();
        boolean prompt = Boolean.TRUE.equals(conversation.get("add_generation_prompt"));
        return template.render(messages, tools, prompt, variables).text();
    }

    private interface Rendering {
        String text();
    }

    private static void check(Map<?, ?> expected, Rendering rendering) {
        if (expected.get("text") instanceof String text) {
            assertThat(rendering.text()).isEqualTo(text);
            return;
        }
        Throwable error = catchThrowable(rendering::text);
        assertThat(error).isInstanceOf(TemplateException.class);
        assertThat(error.getMessage()).doesNotContain("\n").contains(", line ", ": expected ", ", got ", "; ");
        String message = text(expected, "error");
        if (message.contains(" ")) {
            assertThat(((TemplateException) error).refusal()).hasValue(message);
        }
    }

    @TestFactory
    Stream<DynamicTest> aFeatureIsThatOfJinja() throws IOException {
        Map<String, Object> features = Json.tree("features", resource("features.json"));
        Map<String, Object> variables = named(features.get("variables"));
        List<?> cases = list(features.get("cases"));
        assertThat(cases).hasSize(165);
        return cases.stream()
                .map(ChatGoldenTest::map)
                .filter(each -> !EXCEPTIONS.contains(each.get("template")))
                .map(each -> DynamicTest.dynamicTest(
                        text(each, "template"),
                        () -> check(each, () -> {
                            ChatTemplate template = ChatTemplate.parse("feature", text(each, "template"), Map.of())
                                    .withClock(CLOCK);
                            return template.render(List.of(), null, false, variables)
                                    .text();
                        })));
    }
}
