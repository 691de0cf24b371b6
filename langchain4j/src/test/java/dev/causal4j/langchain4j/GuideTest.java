package dev.causal4j.langchain4j;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.austen.AustenModel;
import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.generation.Engine;
import dev.causal4j.generation.EngineOptions;
import dev.causal4j.generation.Generation;
import dev.causal4j.model.CausalLM;
import dev.langchain4j.agent.tool.Tool;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.data.segment.TextSegment;
import dev.langchain4j.memory.chat.TokenWindowChatMemory;
import dev.langchain4j.model.chat.ChatModel;
import dev.langchain4j.model.chat.StreamingChatModel;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.PartialResponse;
import dev.langchain4j.model.chat.response.PartialResponseContext;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import dev.langchain4j.model.scoring.ScoringModel;
import dev.langchain4j.service.AiServices;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.LocalDate;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;

/** The Java examples of README.md and of the guide, which {@code ReadmeTest} compares with this file. */
class GuideTest {
    private interface Example {
        void run() throws IOException;
    }

    private static void chat() {
        // example: begin
        CausalLM model = AustenModel.load(); // or CausalLM.load(Path.of("a folder or a GGUF file"))
        ChatTemplate template = model.chatTemplate().orElse(ChatTemplate.plain());
        ChatModel chat = Causal4jChatModel.builder()
                .model(model)
                .chatTemplate(template)
                .temperature(0.0)
                .build();
        System.out.println(chat.chat("What is the capital of Germany?"));
        // example: end
    }

    private static void stream(CausalLM model, ChatTemplate template) {
        // example: begin
        try (Engine engine = new Engine(model, EngineOptions.DEFAULT.withPrefixBytes(256 << 20))) {
            StreamingChatModel streaming = Causal4jStreamingChatModel.builder()
                    .engine(engine)
                    .chatTemplate(template)
                    .temperature(0.0)
                    .build();
            CompletableFuture<ChatResponse> done = new CompletableFuture<>();
            streaming.chat("Say 'Hello World'", new StreamingChatResponseHandler() {
                @Override
                public void onPartialResponse(PartialResponse part, PartialResponseContext context) {
                    System.out.print(part.text()); // context.streamingHandle().cancel() ends it
                }

                @Override
                public void onCompleteResponse(ChatResponse response) {
                    done.complete(response);
                }

                @Override
                public void onError(Throwable error) {
                    done.completeExceptionally(error);
                }
            });
            System.out.println(" " + done.join().finishReason());
        }
        // example: end
    }

    // example: begin
    interface Assistant {
        String chat(String message);
    }
    // example: end

    private static void service(CausalLM model, ChatTemplate template, ChatModel chat) {
        // example: begin
        Assistant assistant = AiServices.builder(Assistant.class)
                .chatModel(chat)
                .chatMemory(TokenWindowChatMemory.withMaxTokens(200, new Causal4jTokenCountEstimator(model, template)))
                .build();
        System.out.println(assistant.chat("hello"));
        // example: end
    }

    // example: begin
    record Clock(LocalDate today) {
        @Tool("today's date")
        String currentDate() {
            return today.toString();
        }
    }

    record Person(String name, int age, double height, boolean married) {}

    interface Reader {
        Person person(String text);
    }
    // example: end

    private static void calls(ChatModel chat) {
        // example: begin
        Assistant secretary = AiServices.builder(Assistant.class)
                .chatModel(chat)
                .tools(new Clock(LocalDate.of(2026, 11, 29)))
                .build();
        System.out.println(secretary.chat("What is the date today?"));
        Reader reader = AiServices.create(Reader.class, chat);
        Person klaus = reader.person("Extract the person's information from the following text: "
                + "Klaus is 37 years old, 1.78m height and single");
        System.out.println(klaus.name() + ", " + klaus.age());
        // example: end
    }

    private static void probabilities(ChatModel chat) {
        // example: begin
        ChatResponse response = chat.chat(ChatRequest.builder()
                .messages(UserMessage.from("Who wrote Emma?"))
                .parameters(Causal4jChatRequestParameters.builder()
                        .seed(1L)
                        .options(options -> options.withLogProbabilities(3)) // with three alternatives
                        .build())
                .build());
        Generation generation = ((Causal4jChatResponseMetadata) response.metadata()).generation();
        System.out.println(generation.pieces().getFirst() + " "
                + Math.round(100 * Math.exp(generation.predictions().getFirst().logProbability())) + " %");
        // example: end
    }

    private static void rank(CausalLM model) {
        // example: begin
        ScoringModel scoring = new Causal4jScoringModel(Engine.shared(model));
        List<TextSegment> texts = List.of(
                TextSegment.from("The carriage was at the door, and the horses were tired."),
                TextSegment.from("At the ball Mr. Bingley danced with Jane twice."));
        List<Double> scores =
                scoring.scoreAll(texts, "With whom did Mr. Bingley dance?").content();
        System.out.println(scores.get(1) > scores.get(0));
        // example: end
    }

    private static ChatModel model(ChatTemplate template) {
        return Causal4jChatModel.builder()
                .model(Taught.MODEL)
                .chatTemplate(template)
                .temperature(0.0)
                .build();
    }

    @Test
    void theExampleOfTheReadmeAnswers() throws IOException {
        assertThat(printed(GuideTest::chat)).startsWith("\"I am sure I am not afraid of it");
    }

    @Test
    void theExamplesOfTheGuideDoWhatItSays() throws IOException {
        assertThat(printed(() -> stream(Taught.MODEL, Taught.TEMPLATE))).isEqualTo("Hello World STOP\n");
        assertThat(printed(() -> service(Taught.MODEL, Taught.TEMPLATE, model(Taught.TEMPLATE))))
                .isEqualTo("Hello, how are you?\n");
        assertThat(printed(() -> calls(model(Taught.TOOLS)))).isEqualTo("That is the date.\nKlaus, 37\n");
        assertThat(printed(() -> probabilities(model(Taught.TEMPLATE)))).matches(" J\\w* (9\\d|100) %\n");
        try (CausalLM austen = AustenModel.load()) { // knows the order of words better than one that learned by heart
            assertThat(printed(() -> rank(austen))).isEqualTo("true\n");
        }
    }

    private static String printed(Example example) throws IOException {
        PrintStream standardOutput = System.out;
        ByteArrayOutputStream printed = new ByteArrayOutputStream();
        System.setOut(new PrintStream(printed, true, StandardCharsets.UTF_8));
        try {
            example.run();
        } finally {
            System.setOut(standardOutput);
        }
        return printed.toString(StandardCharsets.UTF_8);
    }
}
