package dev.causal4j.springai;

import dev.causal4j.chat.ToolChoice;
import dev.causal4j.generation.Embedder;
import dev.causal4j.generation.Engine;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.EmbeddingConfig.Pooling;
import io.micrometer.observation.ObservationRegistry;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.List;
import org.springframework.ai.chat.model.ChatModel;
import org.springframework.ai.chat.prompt.ChatOptions;
import org.springframework.ai.embedding.EmbeddingModel;

/** The models of this module, on engines that all tests share. */
public final class SmallModels implements Subject {
    private static final CausalLM TOOLS_MODEL = load(TOOLS);
    private static final CausalLM THINKING_MODEL = load(THINKING);
    static final Engine ENGINE = Engine.shared(TOOLS_MODEL);

    private static CausalLM load(Path folder) {
        try {
            return CausalLM.load(folder);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public ChatModel chat(ObservationRegistry observations) {
        return Causal4jChatModel.builder()
                .engine(ENGINE)
                .observationRegistry(observations)
                .build();
    }

    @Override
    public ChatModel chatWithDefaults() {
        return Causal4jChatModel.builder()
                .engine(ENGINE)
                .options(Causal4jChatOptions.builder()
                        .temperature(0.0)
                        .maxTokens(7)
                        .stopSequences(List.of("STOP"))
                        .build())
                .build();
    }

    @Override
    public ChatModel thinking() {
        return Causal4jChatModel.builder().model(THINKING_MODEL).build();
    }

    @Override
    public EmbeddingModel embedding(ObservationRegistry observations) {
        return Causal4jEmbeddingModel.builder()
                .engine(ENGINE)
                .embedder(new Embedder(TOOLS_MODEL, Pooling.MEAN, true))
                .observationRegistry(observations)
                .build();
    }

    @Override
    public ChatOptions.Builder<?> options() {
        return Causal4jChatOptions.builder();
    }

    @Override
    public ChatOptions.Builder<?> seed(ChatOptions.Builder<?> options, long seed) {
        return ((Causal4jChatOptions.Builder) options).seed(seed);
    }

    @Override
    public ChatOptions.Builder<?> mustCall(ChatOptions.Builder<?> options) {
        return ((Causal4jChatOptions.Builder) options).toolChoice(ToolChoice.REQUIRED);
    }

    @Override
    public int running() {
        return ENGINE.running();
    }
}
