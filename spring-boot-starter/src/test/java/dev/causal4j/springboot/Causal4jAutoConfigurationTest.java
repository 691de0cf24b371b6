package dev.causal4j.springboot;

import static dev.causal4j.springboot.Applications.CHAT;
import static dev.causal4j.springboot.Applications.GREEDY;
import static dev.causal4j.springboot.Applications.THINKING;
import static dev.causal4j.springboot.Applications.TOOLS;
import static dev.causal4j.springboot.Applications.messages;
import static dev.causal4j.springboot.Applications.run;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.springai.Causal4jChatOptions;
import dev.causal4j.springai.Causal4jEmbeddingModel;
import io.micrometer.core.instrument.MeterRegistry;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.springframework.ai.chat.client.ChatClient;
import org.springframework.ai.chat.messages.AssistantMessage;
import org.springframework.ai.chat.model.ChatModel;
import org.springframework.ai.chat.model.ChatResponse;
import org.springframework.ai.chat.model.Generation;
import org.springframework.ai.chat.prompt.ChatOptions;
import org.springframework.ai.chat.prompt.Prompt;
import org.springframework.ai.document.Document;
import org.springframework.ai.embedding.EmbeddingModel;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.diagnostics.FailureAnalysis;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Primary;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The beans, what properties make of them, and what is said when one is wrong. */
@Timeout(60)
class Causal4jAutoConfigurationTest {
    private static final String SHORT = "spring.ai.causal4j.chat.max-tokens=3";
    private static final String TEMPLATE = "spring.ai.causal4j.chat.template=";

    @TempDir
    Path folder;

    private static int promptTokens(ChatModel model) {
        return model.call(new Prompt("a")).getMetadata().getUsage().getPromptTokens();
    }

    private static int promptTokens(String... properties) {
        try (var context = run(properties)) {
            return promptTokens(context.getBean(ChatModel.class));
        }
    }

    private static String failure(String... properties) {
        return messages(catchThrowable(() -> run(properties).close()));
    }

    @Configuration(proxyBeanMethods = false)
    static class Plain extends Applications.Small {
        @Bean
        ChatTemplate template() {
            return ChatTemplate.plain();
        }
    }

    @Test
    void aTemplateIsABeanAFileOrThatOfTheModel() throws Exception {
        int plain = promptTokens(CHAT, SHORT, TEMPLATE + "plain");
        assertThat(promptTokens(CHAT, SHORT)).isNotEqualTo(plain);
        try (var context = run(Plain.class, CHAT, SHORT)) {
            assertThat(promptTokens(context.getBean(ChatModel.class))).isEqualTo(plain);
        }
        Path file = Files.writeString(folder.resolve("one.jinja"), "{{ messages[0].content }}");
        assertThat(promptTokens(CHAT, SHORT, TEMPLATE + file)).isEqualTo(1);
        assertThat(failure(CHAT, TEMPLATE + folder.resolve("none.jinja")))
                .contains("spring.ai.causal4j.chat.template=" + folder.resolve("none.jinja") + ": expected a file");
        for (String name : List.of("config.json", "tokenizer.json", "model.safetensors")) {
            Files.copy(TOOLS.resolve(name), folder.resolve(name));
        }
        assertThat(failure("spring.ai.causal4j.chat.model=" + folder))
                .contains("spring.ai.causal4j.chat.template: expected one, since the model's files have none, got none;"
                        + " set it to a file, or to plain");
    }

    @Test
    void theEmbeddedModelNeedsItsNameAlone() {
        try (var context = run("spring.ai.causal4j.chat.model=austen", SHORT, GREEDY)) {
            ChatResponse answer = context.getBean(ChatModel.class).call(new Prompt("Emma was"));
            assertThat(answer.getMetadata().getModel()).isEqualTo("causal4j-austen");
            assertThat(answer.getMetadata().getUsage().getCompletionTokens()).isEqualTo(3);
        }
    }

    @Test
    void aVariableOfATemplateIsATruthNotAText() {
        String thinking = "spring.ai.causal4j.chat.model=" + THINKING;
        String variable = "spring.ai.causal4j.chat.template-variables.enable_thinking=";
        int off;
        try (var context = run(thinking, SHORT)) {
            Causal4jChatOptions options = Causal4jChatOptions.builder()
                    .templateVariables(Map.of("enable_thinking", false))
                    .build();
            ChatModel model = context.getBean(ChatModel.class);
            off = model.call(new Prompt("a", options)).getMetadata().getUsage().getPromptTokens();
            assertThat(promptTokens(model)).isNotEqualTo(off);
        }
        assertThat(promptTokens(thinking, SHORT, variable + "false")).isEqualTo(off);
    }

    @Test
    void anOptionOutOfItsRangeFailsAtTheStart() {
        assertThat(failure(CHAT, "spring.ai.causal4j.chat.top-p=1.5"))
                .contains("spring.ai.causal4j.chat: ", "1.5")
                .containsAnyOf("top-p", "topP");
    }

    record Verdict(boolean spam) {}

    /** Another provider's, which every client takes. */
    @Configuration(proxyBeanMethods = false)
    static class Another extends Applications.Small {
        @Bean
        @Primary
        ChatModel another() {
            return prompt -> new ChatResponse(List.of(new Generation(new AssistantMessage(
                    prompt.getContents().contains("JSON Schema") ? "{\"spam\": true}" : "{\"spam\": false}"))));
        }
    }

    @Test
    void clientsOfAnotherModelStillDescribeSchemas() {
        try (var context = run(Another.class, CHAT)) {
            ChatClient client = context.getBean(ChatClient.Builder.class).build();
            assertThat(client.prompt("a").call().entity(Verdict.class)).isEqualTo(new Verdict(true));
        }
    }

    @Test
    void nativeOutputMayBeOff() {
        try (var context = run(CHAT, "spring.ai.causal4j.chat.native-structured-output=false")) {
            ChatClient client = context.getBean(ChatClient.Builder.class).build();
            ChatOptions.Builder<?> two = ChatOptions.builder().maxTokens(2);
            assertThat(catchThrowable(
                            () -> client.prompt("a").options(two).call().entity(Verdict.class)))
                    .as("two tokens are no record, and nothing holds them to one")
                    .isNotNull();
        }
    }

    @Test
    void poolingAndMetadataAreThoseOfTheProperties() {
        String embedding = "spring.ai.causal4j.embedding.";
        float[] mean;
        try (var context = run(CHAT, embedding + "model=" + TOOLS)) {
            mean = context.getBean(EmbeddingModel.class).embed("a b");
            assertThat(context.getBean(EmbeddingModel.class)).isInstanceOf(Causal4jEmbeddingModel.class);
        }
        try (var context =
                run(CHAT, embedding + "model=" + TOOLS, embedding + "pooling=last", embedding + "metadata-mode=all")) {
            EmbeddingModel model = context.getBean(EmbeddingModel.class);
            assertThat(model.embed("a b")).isNotEqualTo(mean);
            Document document = new Document("a b", Map.of("k", "v"));
            assertThat(model.getEmbeddingContent(document)).contains("k: v");
        }
    }

    @Test
    void timesOfAnswersAreMeters() {
        try (var context = run(Applications.Whole.class, CHAT, SHORT, GREEDY)) {
            context.getBean(ChatModel.class).call("a");
            MeterRegistry meters = context.getBean(MeterRegistry.class);
            for (String name : List.of("gen_ai.server.time_to_first_token", "gen_ai.server.time_per_output_token")) {
                assertThat(meters.get(name)
                                .tag("gen_ai.response.model", "tools")
                                .timer()
                                .count())
                        .isEqualTo(1);
            }
            assertThat(meters.get("causal4j.cache.pages")
                            .tag("model", "tools")
                            .gauge()
                            .value())
                    .isPositive();
        }
    }

    @Test
    void aFailureIsAPropertyAndAnAction() {
        Throwable thrown = catchThrowable(
                () -> run("spring.ai.causal4j.chat.model=/no/such/folder").close());
        FailureAnalysis analysis = Objects.requireNonNull(new PropertyFailureAnalyzer().analyze(thrown));
        assertThat(analysis.getDescription())
                .isEqualTo(
                        "spring.ai.causal4j.chat.model=/no/such/folder: expected a model's folder or GGUF file, got no"
                                + " such folder.");
        assertThat(analysis.getAction()).isEqualTo("Check the path.");
    }

    @Test
    void everyPropertyIsDescribed() throws Exception {
        try (InputStream in =
                Causal4jProperties.class.getResourceAsStream("/META-INF/spring-configuration-metadata.json")) {
            JsonNode all =
                    JsonMapper.shared().readTree(Objects.requireNonNull(in)).get("properties");
            assertThat(all).hasSizeGreaterThan(25).allSatisfy(each -> {
                assertThat(each.get("name").stringValue()).startsWith("spring.ai.causal4j.");
                assertThat(each.get("description").stringValue()).endsWith(".");
            });
        }
    }

    /** An application in a JVM of its own. */
    static final class Main {
        public static void main(String[] args) {
            SpringApplication.run(Applications.Small.class, args).close();
        }
    }

    @Test
    void plainJavaIsWarnedOfOnceWithTheFlag() throws Exception {
        Process java = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-XX:TieredStopAtLevel=1", // starts in half of the time
                        "-cp",
                        System.getProperty("java.class.path"),
                        Main.class.getName(),
                        "--" + CHAT)
                .redirectErrorStream(true)
                .start();
        String said = new String(java.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(java.waitFor()).as(said).isZero();
        assertThat(said.lines()
                        .filter(each -> each.contains("WARN") && each.contains("--add-modules jdk.incubator.vector")))
                .as(said)
                .hasSize(1);
        assertThat(said).contains("; kernels scalar, ");
    }
}
