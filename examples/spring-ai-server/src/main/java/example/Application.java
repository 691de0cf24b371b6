package example;

import org.springframework.ai.chat.client.ChatClient;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.annotation.Bean;

/** Spring AI's client of OpenAI, with {@code causal4j serve} as its server. */
@SpringBootApplication
public class Application {
    @Bean
    ChatClient client(ChatClient.Builder builder) {
        return builder.build();
    }

    public static void main(String[] arguments) {
        System.out.println(SpringApplication.run(Application.class, arguments)
                .getBean(ChatClient.class)
                .prompt(String.join(" ", arguments))
                .call()
                .content());
    }
}
