package dev.causal4j.chat;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.causal4j.JavaProcess;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class HostileTemplateTest {
    private static final int MOST_MILLISECONDS = 2000; // of a processor

    /** In a process with little memory: none may exhaust it, or the stack. */
    @Test
    void everyHostileTemplateEndsSoonInALittleMemory() throws IOException, InterruptedException {
        List<String> lines =
                JavaProcess.run(0, List.of("-Xmx128m", "-XX:+UseSerialGC", "-Xbatch"), HostileTemplates.class);

        assertThat(lines).hasSize(HostileTemplates.some().size()).allSatisfy(line -> {
            assertThat(line).matches("[0-9]+ (text of [0-9]+|hostile.*: expected .*, got .*; .*)");
            assertThat(Integer.parseInt(line.substring(0, line.indexOf(' '))))
                    .as(line)
                    .isLessThan(MOST_MILLISECONDS);
        });
    }

    @Test
    void controlTokensInMessagesAreCountedBeforeTheyAreHidden() {
        ChatTemplate template = ChatTemplate.plain().withControlTokens(List.of("<s>", "</s>"));
        List<Message> many =
                List.of(new Message("user", "<s>".repeat(60_000)), new Message("user", "<s>".repeat(40_001)));
        assertThatExceptionOfType(IllegalArgumentException.class)
                .isThrownBy(() -> template.render(many, null, true, Map.of()))
                .withMessage("message: expected at most 100000 control tokens, got more; leave them out");
        assertThat(template.render(many.subList(0, 1), null, true, Map.of()).untrusted())
                .isNotEmpty();
    }
}
