package dev.causal4j.springboot;

import static dev.causal4j.springboot.Applications.CHAT;
import static dev.causal4j.springboot.Applications.GREEDY;
import static dev.causal4j.springboot.Applications.THINKING;
import static dev.causal4j.springboot.Applications.TOOLS;
import static dev.causal4j.springboot.Applications.messages;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import java.io.InputStream;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.NullUnmarked;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.springframework.ai.chat.client.ChatClient;
import org.springframework.ai.chat.model.ChatModel;
import org.springframework.ai.chat.model.ChatResponse;
import org.springframework.ai.chat.prompt.ChatOptions;
import org.springframework.ai.chat.prompt.Prompt;
import org.springframework.ai.converter.ListOutputConverter;
import org.springframework.ai.embedding.EmbeddingModel;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.boot.health.contributor.Health;
import org.springframework.boot.health.contributor.HealthIndicator;
import org.springframework.boot.health.contributor.Status;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;

/** The starter, by its properties and Spring's interfaces alone. */
@Timeout(60)
@NullUnmarked // a missing answer fails the check
class StarterChecksTest {
    private static final String EMBEDDING = "spring.ai.causal4j.embedding.model=" + TOOLS;
    private static final String SHORT = "spring.ai.causal4j.chat.max-tokens=9";

    private static ConfigurableApplicationContext run(String... properties) {
        return Applications.run(Applications.Whole.class, properties);
    }

    @Configuration(proxyBeanMethods = false)
    @EnableAutoConfiguration
    static class AppWithModel {
        @Bean
        ChatModel mine() {
            return prompt -> new ChatResponse(List.of());
        }
    }

    record Verdict(boolean spam, Level level) {}

    enum Level {
        LOW,
        HIGH
    }

    @Test
    void aFolderIsAChatModel() {
        try (var context = run(
                CHAT,
                SHORT,
                GREEDY,
                "spring.ai.causal4j.chat.seed=3",
                "spring.ai.causal4j.chat.stop-sequences=STOP,END")) {
            ChatModel model = context.getBean(ChatModel.class);
            assertEquals(9, model.getOptions().getMaxTokens());
            assertEquals(0.0, model.getOptions().getTemperature());
            assertEquals(List.of("STOP", "END"), model.getOptions().getStopSequences());
            ChatResponse answer = context.getBean(ChatClient.Builder.class)
                    .build()
                    .prompt("a")
                    .call()
                    .chatResponse();
            assertEquals(9, answer.getMetadata().getUsage().getCompletionTokens());
            assertEquals("tools", answer.getMetadata().getModel());
            assertTrue(
                    context.getBeansOfType(EmbeddingModel.class).isEmpty(),
                    "an embedding model is one that was asked for");
        }
    }

    @Test
    void anotherProviderIsChosen() {
        for (String chat : List.of("none", "openai")) {
            try (var context = run("spring.ai.model.chat=" + chat, "spring.ai.chat.client.enabled=false")) {
                assertTrue(context.getBeansOfType(ChatModel.class).isEmpty(), chat);
            }
        }
        try (var context = run("spring.ai.model.chat=causal4j", "spring.ai.model.embedding=none", CHAT, EMBEDDING)) {
            assertEquals(1, context.getBeansOfType(ChatModel.class).size());
            assertTrue(context.getBeansOfType(EmbeddingModel.class).isEmpty());
        }
    }

    @Test
    void anotherModelStandsBesideIt() { // as with Spring AI's own starters; a client's builder wants one, so it is off
        try (var context = Applications.run(AppWithModel.class, CHAT, "spring.ai.chat.client.enabled=false")) {
            assertEquals(2, context.getBeansOfType(ChatModel.class).size());
        }
    }

    @Test
    void whatIsMissingIsNamed() {
        String none = messages(assertThrows(RuntimeException.class, () -> run().close()));
        assertTrue(none.contains("spring.ai.causal4j.chat.model"), none);
        String wrong = messages(assertThrows(
                RuntimeException.class,
                () -> run("spring.ai.causal4j.chat.model=/no/such/folder").close()));
        assertTrue(wrong.contains("spring.ai.causal4j.chat.model") && wrong.contains("/no/such/folder"), wrong);
        String dtype = messages(assertThrows(
                RuntimeException.class,
                () -> run(CHAT, "spring.ai.causal4j.chat.dtype=int3").close()));
        assertTrue(dtype.contains("dtype") && dtype.contains("int3"), dtype);
    }

    @Test
    void lazyLoadsAtTheFirstCall() {
        try (var context = run("spring.ai.causal4j.chat.model=/no/such/folder", "spring.ai.causal4j.lazy=true")) {
            ChatModel model = context.getBean(ChatModel.class);
            assertEquals(
                    Status.UNKNOWN,
                    context.getBean("causal4jHealthIndicator", HealthIndicator.class)
                            .health(true)
                            .getStatus());
            String said = messages(assertThrows(RuntimeException.class, () -> model.call(new Prompt("a"))));
            assertTrue(said.contains("/no/such/folder"), said);
        }
        try (var context = run(CHAT, SHORT, GREEDY, "spring.ai.causal4j.lazy=true")) {
            assertEquals(
                    9,
                    context.getBean(ChatModel.class)
                            .call(new Prompt("a"))
                            .getMetadata()
                            .getUsage()
                            .getCompletionTokens());
        }
    }

    @Test
    void recordsAreHeldWithoutAWord() {
        try (var context = run(CHAT, "spring.ai.causal4j.chat.seed=1")) {
            ChatClient client = context.getBean(ChatClient.Builder.class).build();
            var answer = client.prompt("a").call().responseEntity(Verdict.class);
            assertNotNull(answer.entity().level());
            int prompt = answer.response().getMetadata().getUsage().getPromptTokens();
            int plain = client.prompt("a")
                    .options(ChatOptions.builder().maxTokens(2))
                    .call()
                    .chatResponse()
                    .getMetadata()
                    .getUsage()
                    .getPromptTokens();
            assertEquals(plain, prompt, "the schema is held while it writes, not described in the prompt");
            int list = client.prompt("a")
                    .options(ChatOptions.builder().maxTokens(2))
                    .call()
                    .responseEntity(new ListOutputConverter())
                    .response()
                    .getMetadata()
                    .getUsage()
                    .getPromptTokens();
            assertTrue(list > plain, "a converter without a schema is still described in the prompt");
        }
    }

    @Test
    void aModelMayHaveTwoUses() {
        try (var context = run(CHAT, EMBEDDING, SHORT)) {
            EmbeddingModel embedding = context.getBean(EmbeddingModel.class);
            assertEquals(64, embedding.dimensions());
            assertEquals(64, embedding.embed("a").length);
            Health health = context.getBean("causal4jHealthIndicator", HealthIndicator.class)
                    .health(true);
            assertEquals(Status.UP, health.getStatus());
            assertEquals(List.of("tools"), List.copyOf(health.getDetails().keySet()));
            assertTrue(health.getDetails().get("tools").toString().contains("running"), health::toString);
        }
        try (var context = run(CHAT, "spring.ai.causal4j.embedding.model=" + THINKING)) {
            Health health = context.getBean("causal4jHealthIndicator", HealthIndicator.class)
                    .health(true);
            assertEquals(2, health.getDetails().size());
        }
    }

    @Test
    void figuresAreThere() {
        try (var context = run(CHAT, SHORT, EMBEDDING, GREEDY)) {
            context.getBean(ChatModel.class).call(new Prompt("a"));
            context.getBean(ChatModel.class).stream(new Prompt("a")).blockLast();
            context.getBean(EmbeddingModel.class).embed("a");
            MeterRegistry meters = context.getBean(MeterRegistry.class);
            assertEquals(
                    18,
                    meters.get("gen_ai.client.token.usage")
                            .tag("gen_ai.token.type", "output")
                            .tag("gen_ai.operation.name", "chat")
                            .counter()
                            .count());
            assertEquals(
                    2,
                    meters.get("gen_ai.client.operation")
                            .tag("gen_ai.operation.name", "chat")
                            .tag("gen_ai.response.model", "tools")
                            .timer()
                            .count());
            assertEquals(
                    1,
                    meters.get("gen_ai.client.operation")
                            .tag("gen_ai.operation.name", "embedding")
                            .timer()
                            .count());
            Gauge running = meters.get("causal4j.sequences.running").gauge();
            while (running.value() > 0) { // a sequence counts for a moment after its result
                Thread.onSpinWait();
            }
            assertEquals(0, meters.get("causal4j.sequences.waiting").gauge().value());
        }
    }

    @Test
    void aClosedApplicationLeavesNothing() throws Exception {
        String text;
        CompletableFuture<ChatResponse> left;
        ChatModel gone;
        String[] settings = {CHAT, GREEDY, "spring.ai.causal4j.chat.max-tokens=12000"};
        try (var context = run(settings)) {
            gone = context.getBean(ChatModel.class);
            text = ChatClient.create(gone)
                    .prompt("a")
                    .options(ChatOptions.builder().maxTokens(5))
                    .call()
                    .content();
            left = CompletableFuture.supplyAsync(() -> gone.call(new Prompt("a")));
            Thread.sleep(300);
        }
        assertThrows(
                ExecutionException.class, () -> left.get(5, TimeUnit.SECONDS), "a call that was under way must end");
        assertThrows(RuntimeException.class, () -> gone.call(new Prompt("a")));
        try (var context = run(settings)) { // as devtools restarts
            assertEquals(
                    text,
                    ChatClient.create(context.getBean(ChatModel.class))
                            .prompt("a")
                            .options(ChatOptions.builder().maxTokens(5))
                            .call()
                            .content());
        }
    }

    @Test
    void editorsKnowTheProperties() throws Exception {
        List<String> ours = new ArrayList<>();
        for (URL url : Collections.list(
                StarterChecksTest.class.getClassLoader().getResources("META-INF/spring-configuration-metadata.json"))) {
            try (InputStream in = url.openStream()) {
                String text = new String(in.readAllBytes(), StandardCharsets.UTF_8);
                if (text.contains("spring.ai.causal4j")) {
                    ours.add(text);
                }
            }
        }
        assertEquals(1, ours.size());
        for (String name : List.of(
                "lazy",
                "chat.model",
                "chat.dtype",
                "chat.adapter",
                "chat.temperature",
                "chat.seed",
                "chat.native-structured-output",
                "engine.prefix-memory",
                "engine.queue",
                "embedding.model",
                "embedding.pooling")) {
            assertTrue(ours.getFirst().contains("\"spring.ai.causal4j." + name + "\""), name);
        }
        assertFalse(
                ours.getFirst()
                        .lines()
                        .filter(line -> line.contains("\"description\""))
                        .toList()
                        .isEmpty(),
                "descriptions");
    }
}
