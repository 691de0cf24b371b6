package dev.causal4j.springai;

import io.micrometer.observation.Observation;
import io.micrometer.observation.ObservationHandler;
import io.micrometer.observation.ObservationRegistry;
import java.util.Objects;
import org.springframework.ai.chat.model.ChatResponse;
import org.springframework.ai.chat.prompt.Prompt;
import org.springframework.ai.tool.ToolCallback;
import org.springframework.ai.tool.definition.ToolDefinition;

/** Prompts and tools of tests, and what their answers have. */
final class Requests {
    private Requests() {}

    /** Options under which a model of random weights says something. */
    static Causal4jChatOptions.Builder options(long seed, int tokens) {
        return Causal4jChatOptions.builder().seed(seed).maxTokens(tokens).temperature(3.0);
    }

    static Prompt prompt(String text, long seed, int tokens) {
        return new Prompt(text, options(seed, tokens).build());
    }

    /** At temperature 0 a model of random weights repeats itself and does not end. */
    static Causal4jChatOptions.Builder endless() {
        return Causal4jChatOptions.builder().maxTokens(15_000).temperature(0.0);
    }

    /** A tool that is described and never called. */
    static ToolCallback tool(String name, String schema) {
        ToolDefinition definition = ToolDefinition.builder()
                .name(name)
                .description("files a letter")
                .inputSchema(schema)
                .build();
        return new ToolCallback() {
            @Override
            public ToolDefinition getToolDefinition() {
                return definition;
            }

            @Override
            public String call(String arguments) {
                throw new AssertionError("a model executes no tool");
            }
        };
    }

    static String text(ChatResponse response) {
        return Objects.requireNonNull(
                Objects.requireNonNull(response.getResult()).getOutput().getText());
    }

    static String reason(ChatResponse response) {
        return Objects.requireNonNull(
                Objects.requireNonNull(response.getResult()).getMetadata().getFinishReason());
    }

    /** The engine's generation of an answer or of the last part of a stream. */
    static dev.causal4j.generation.Generation generation(ChatResponse response) {
        return Objects.requireNonNull(Objects.requireNonNull(response.getResult())
                .getMetadata()
                .<dev.causal4j.generation.Generation>get("generation"));
    }

    /** Waits until the engine has ended all sequences. */
    static void awaitIdle() throws InterruptedException {
        for (int i = 0; i < 3000 && SmallModels.ENGINE.running() > 0; i++) {
            Thread.sleep(10);
        }
        if (SmallModels.ENGINE.running() > 0) {
            throw new AssertionError("sequences that nobody waits for: " + SmallModels.ENGINE.running());
        }
    }

    /** A registry whose observations a handler sees. */
    static ObservationRegistry registry(ObservationHandler<Observation.Context> handler) {
        ObservationRegistry registry = ObservationRegistry.create();
        registry.observationConfig().observationHandler(handler);
        return registry;
    }
}
