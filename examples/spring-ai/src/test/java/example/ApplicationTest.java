package example;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.causal4j.generation.Engine;
import dev.causal4j.model.CausalLM;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.springframework.ai.chat.client.ChatClient;
import org.springframework.ai.chat.model.ChatResponse;
import org.springframework.ai.chat.prompt.ChatOptions;
import org.springframework.boot.SpringApplication;
import org.springframework.context.ConfigurableApplicationContext;

class ApplicationTest {
    private static final ConfigurableApplicationContext CONTEXT = SpringApplication.run(Application.class);
    private static final ChatClient CLIENT = CONTEXT.getBean(ChatClient.class);

    @AfterAll
    static void close() {
        CONTEXT.close();
    }

    @Test
    void aStreamSaysTheWholeAnswer() {
        ChatResponse whole = CLIENT.prompt("Who is Emma?").call().chatResponse();
        assertEquals(20, whole.getMetadata().getUsage().getCompletionTokens());
        assertEquals("LENGTH", whole.getResult().getMetadata().getFinishReason());
        List<String> parts = CLIENT.prompt("Who is Emma?").stream()
                .content()
                .collectList()
                .block();
        assertEquals(whole.getResult().getOutput().getText(), String.join("", parts));
        assertTrue(parts.size() > 5, parts::toString);
    }

    @Test
    void optionsOfAPromptWin() {
        ChatResponse short3 = CLIENT.prompt("Who is Emma?")
                .options(ChatOptions.builder().maxTokens(3))
                .call()
                .chatResponse();
        assertEquals(3, short3.getMetadata().getUsage().getCompletionTokens());
    }

    @Test
    void whoTakesNoMoreEndsTheSequence() throws InterruptedException {
        List<String> three = CLIENT.prompt("Who is Emma?")
                .options(ChatOptions.builder().maxTokens(200))
                .stream()
                .content()
                .take(3)
                .collectList()
                .block();
        assertEquals(3, three.size());
        Engine engine = Engine.shared(CONTEXT.getBean(CausalLM.class));
        for (int i = 0; i < 3000 && engine.running() > 0; i++) {
            Thread.sleep(10);
        }
        assertEquals(0, engine.running());
    }
}
