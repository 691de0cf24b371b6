package example;

import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.generation.Engine;
import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.generation.GenerationRequest;
import dev.causal4j.generation.Generator;
import dev.causal4j.generation.TokenListener;
import dev.causal4j.model.CausalLM;
import dev.causal4j.tokenizer.Tokenizer;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import org.springframework.ai.chat.messages.AssistantMessage;
import org.springframework.ai.chat.messages.Message;
import org.springframework.ai.chat.metadata.ChatGenerationMetadata;
import org.springframework.ai.chat.metadata.ChatResponseMetadata;
import org.springframework.ai.chat.metadata.DefaultUsage;
import org.springframework.ai.chat.model.ChatModel;
import org.springframework.ai.chat.model.ChatResponse;
import org.springframework.ai.chat.model.Generation;
import org.springframework.ai.chat.prompt.ChatOptions;
import org.springframework.ai.chat.prompt.Prompt;
import reactor.core.publisher.Flux;

/** A model in this process as Spring AI's chat model. Thread-safe; owns neither the model nor its engine. */
final class InProcessChatModel implements ChatModel {
    private final CausalLM model;
    private final ChatTemplate template;
    private final ChatOptions defaults;
    private final Generator generator;

    InProcessChatModel(CausalLM model, ChatTemplate template, ChatOptions defaults) {
        this.model = model;
        this.template = template;
        this.defaults = defaults;
        this.generator = new Generator(Engine.shared(model));
    }

    @Override
    public ChatOptions getOptions() {
        return defaults;
    }

    @Override
    public ChatResponse call(Prompt prompt) {
        dev.causal4j.generation.Generation made = generator.relay(request(prompt), TokenListener.NONE);
        return response(made.text(), made);
    }

    /** Each part as it comes; the last is empty and has the finish reason and the usage. A subscriber that goes ends it. */
    @Override
    public Flux<ChatResponse> stream(Prompt prompt) {
        return Flux.create(sink -> Thread.startVirtualThread(() -> {
            try {
                dev.causal4j.generation.Generation made = generator.relay(request(prompt), token -> {
                    if (!token.text().isEmpty()) {
                        sink.next(new ChatResponse(List.of(new Generation(new AssistantMessage(token.text())))));
                    }
                    return !sink.isCancelled();
                });
                sink.next(response("", made));
                sink.complete();
            } catch (RuntimeException e) {
                sink.error(e);
            }
        }));
    }

    private ChatResponse response(String text, dev.causal4j.generation.Generation made) {
        String reason = made.finishReason().label().replace("eos", "stop").toUpperCase(Locale.ROOT);
        return new ChatResponse(
                List.of(new Generation(
                        new AssistantMessage(text),
                        ChatGenerationMetadata.builder().finishReason(reason).build())),
                ChatResponseMetadata.builder()
                        .model(model.name())
                        .usage(new DefaultUsage(made.promptTokens().length, made.tokens().length))
                        .build());
    }

    private GenerationRequest request(Prompt prompt) {
        ChatOptions given = prompt.getOptions();
        ChatOptions options = given == null
                ? defaults
                : defaults.mutate().combineWith(given.mutate()).build();
        Tokenizer tokenizer = model.requireTokenizer();
        Set<Integer> ends = new HashSet<>(model.eos());
        ends.addAll(template.ends(tokenizer, model.head().vocabularySize()));
        List<String> stops = new ArrayList<>(template.stops());
        GenerationOptions.Builder sampling = GenerationOptions.builder(model)
                .maxNewTokens(model.contextLength())
                .eos(ends);
        set(options.getStopSequences(), stops::addAll);
        set(options.getMaxTokens(), sampling::maxNewTokens);
        set(options.getTemperature(), sampling::temperature);
        set(options.getTopP(), sampling::topP);
        set(options.getTopK(), sampling::topK);
        set(options.getFrequencyPenalty(), sampling::frequencyPenalty);
        set(options.getPresencePenalty(), sampling::presencePenalty);
        int[] tokens = template.encode(
                tokenizer,
                prompt.getInstructions().stream().map(InProcessChatModel::message).toList(),
                null,
                true,
                Map.of());
        return new GenerationRequest(tokens, sampling.stop(stops).build());
    }

    private static dev.causal4j.chat.Message message(Message message) {
        return new dev.causal4j.chat.Message(message.getMessageType().getValue(), message.getText());
    }

    private static <T> void set(T value, Consumer<T> setter) {
        if (value != null) {
            setter.accept(value);
        }
    }
}
