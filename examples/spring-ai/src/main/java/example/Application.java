package example;

import dev.causal4j.austen.AustenModel;
import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.model.CausalLM;
import org.springframework.ai.chat.client.ChatClient;
import org.springframework.ai.chat.model.ChatModel;
import org.springframework.ai.chat.prompt.ChatOptions;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.annotation.Bean;

/** Spring AI with a model in the same process. */
@SpringBootApplication
public class Application {
    /** Closed with the application. */
    @Bean
    CausalLM model() {
        return AustenModel.load(); // or CausalLM.load(Path.of("a folder or a GGUF file"))
    }

    @Bean
    ChatModel chatModel(CausalLM model) {
        ChatTemplate template = ChatTemplate.plain(); // or ChatTemplate.read(folder)
        return new InProcessChatModel(
                model,
                template,
                ChatOptions.builder().temperature(0.0).maxTokens(20).build());
    }

    @Bean
    ChatClient client(ChatModel chatModel) {
        return ChatClient.create(chatModel);
    }

    public static void main(String[] arguments) {
        System.out.println(SpringApplication.run(Application.class, arguments)
                .getBean(ChatClient.class)
                .prompt(String.join(" ", arguments))
                .call()
                .content());
    }
}
