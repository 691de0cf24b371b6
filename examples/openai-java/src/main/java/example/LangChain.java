package example;

import dev.langchain4j.model.openai.OpenAiChatModel;

/** The first example of LangChain4j's documentation ("Get Started"), with the address of a server. */
public class LangChain {
    public static void main(String[] arguments) {
        String baseUrl = arguments.length > 0 ? arguments[0] : "http://127.0.0.1:8080/v1";
        OpenAiChatModel model = OpenAiChatModel.builder()
                .baseUrl(baseUrl)
                .apiKey("none")
                .modelName("gpt-4o-mini")
                .build();

        String answer = model.chat("Say 'Hello World'");
        System.out.println(answer);
    }
}
