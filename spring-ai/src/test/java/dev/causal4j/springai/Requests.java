package dev.causal4j.springai;

import java.util.Objects;
import org.springframework.ai.chat.model.ChatResponse;
import org.springframework.ai.tool.ToolCallback;
import org.springframework.ai.tool.definition.ToolDefinition;

/** Options and tools of tests that know these models. */
final class Requests {
    private Requests() {}

    /** Options under which a model of random weights says something. */
    static Causal4jChatOptions.Builder warm(long seed, int tokens) {
        return Causal4jChatOptions.builder().seed(seed).maxTokens(tokens).temperature(3.0);
    }

    /** At temperature 0 a model of random weights repeats itself and does not end. */
    static Causal4jChatOptions.Builder greedy() {
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

    /** The engine's generation of an answer or of the last part of a stream. */
    static dev.causal4j.generation.Generation generation(ChatResponse response) {
        return Objects.requireNonNull(Objects.requireNonNull(response.getResult())
                .getMetadata()
                .<dev.causal4j.generation.Generation>get("generation"));
    }
}
