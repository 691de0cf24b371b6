package example;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.causal4j.austen.AustenModel;
import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.model.CausalLM;
import dev.causal4j.server.Server;
import dev.causal4j.server.ServerOptions;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

/** The server is that of {@code causal4j serve}, started here on a free port. */
class FirstExamplesTest {
    private static String printed(Consumer<String[]> main, String... arguments) {
        PrintStream before = System.out;
        ByteArrayOutputStream printed = new ByteArrayOutputStream();
        System.setOut(new PrintStream(printed, true, StandardCharsets.UTF_8));
        try {
            main.accept(arguments);
        } finally {
            System.setOut(before);
        }
        return printed.toString(StandardCharsets.UTF_8);
    }

    @Test
    void theFirstExamplesPrintAnAnswer() throws Exception {
        ServerOptions options = ServerOptions.DEFAULT
                .withAddress("127.0.0.1", 0)
                .withAliases(List.of("gpt-5.2", "gpt-4o-mini"));
        try (CausalLM model = AustenModel.load();
                Server server = Server.start(model, ChatTemplate.plain(), options)) {
            String url = "http://127.0.0.1:" + server.address().getPort() + "/v1";
            System.setProperty("openai.baseUrl", url);
            System.setProperty("openai.apiKey", "none");
            assertTrue(printed(OpenAi::main).length() > 20);
            assertTrue(printed(LangChain::main, url).length() > 20);
        }
    }
}
