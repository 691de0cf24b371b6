package example;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.causal4j.austen.AustenModel;
import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.model.CausalLM;
import dev.causal4j.server.Server;
import dev.causal4j.server.ServerOptions;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.springframework.ai.chat.client.ChatClient;
import org.springframework.ai.chat.model.ChatResponse;
import org.springframework.boot.SpringApplication;
import org.springframework.context.ConfigurableApplicationContext;

/** The server is that of {@code causal4j serve}, started here on a free port. */
class ApplicationTest {
    @Test
    void springAiCallsAndStreams() throws Exception {
        ServerOptions options = ServerOptions.DEFAULT.withAddress("127.0.0.1", 0);
        try (CausalLM model = AustenModel.load();
                Server server = Server.start(model, ChatTemplate.plain(), options);
                ConfigurableApplicationContext context = SpringApplication.run(
                        Application.class,
                        "--spring.ai.openai.base-url=http://127.0.0.1:" + server.address().getPort() + "/v1",
                        "--spring.ai.openai.chat.model=" + model.name())) {
            ChatClient client = context.getBean(ChatClient.class);
            ChatResponse whole = client.prompt("Who is Emma?").call().chatResponse();
            assertEquals(20, whole.getMetadata().getUsage().getCompletionTokens());
            List<String> parts =
                    client.prompt("Who is Emma?").stream().content().collectList().block();
            assertEquals(whole.getResult().getOutput().getText(), String.join("", parts));
            assertTrue(parts.size() > 5, parts::toString);
        }
    }
}
