package dev.causal4j.chat;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import dev.causal4j.TemplateException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;

/** Whatever the source, a template renders or is refused with one line. */
class ChatTemplateFuzzTest {
    private static final List<Message> MESSAGES = List.of(
            new Message("system", "Be brief."),
            new Message("user", "Hi <s>"),
            new Message(Map.of("role", "assistant")));

    @FuzzTest(maxDuration = "10s")
    void aTemplateRendersOrIsRefused(byte[] source) {
        try {
            ChatTemplate.parse("template", new String(source, StandardCharsets.UTF_8), Map.of("bos_token", "<s>"))
                    .withControlTokens(List.of("<s>"))
                    .render(MESSAGES, null, true, Map.of("x", List.of(1, 1.5, true)));
        } catch (TemplateException e) {
            assertThat(e.getMessage()).doesNotContain("\n", "\r", "\u001b").startsWith("template");
        }
    }
}
