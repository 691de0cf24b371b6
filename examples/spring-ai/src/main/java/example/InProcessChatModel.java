package example;

import dev.causal4j.chat.Answer;
import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.generation.Chat;
import dev.causal4j.generation.Engine;
import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.generation.GenerationOptions.Setting;
import dev.causal4j.generation.GenerationRequest;
import dev.causal4j.generation.Generator;
import dev.causal4j.model.CausalLM;
import java.util.List;
import java.util.Locale;
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
    private final Chat.Format format;
    private final ChatOptions defaults;
    private final Generator generator;

    InProcessChatModel(CausalLM model, ChatTemplate template, ChatOptions defaults) {
        this.model = model;
        this.format = Chat.Format.of(model, template);
        this.defaults = defaults;
        this.generator = new Generator(Engine.shared(model));
    }

    @Override
    public ChatOptions getOptions() {
        return defaults;
    }

    @Override
    public ChatResponse call(Prompt prompt) {
        Chat.Turn turn = format.answer(request(prompt), generator::relay, Answer.Listener.NONE);
        return response(turn.answer().content(), turn.generation());
    }

    /** Each part as it comes; the last is empty and has the finish reason and the usage. A subscriber that goes ends it. */
    @Override
    public Flux<ChatResponse> stream(Prompt prompt) {
        return Flux.create(sink -> Thread.startVirtualThread(() -> {
            try {
                Chat.Turn turn = format.answer(request(prompt), generator::relay, new Answer.Listener() {
                    @Override
                    public void content(String piece) {
                        sink.next(new ChatResponse(List.of(new Generation(new AssistantMessage(piece)))));
                    }

                    @Override
                    public boolean goesOn() {
                        return !sink.isCancelled();
                    }
                });
                sink.next(response("", turn.generation()));
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
        GenerationOptions sampling = GenerationOptions.of(model)
                .withMaxNewTokens(model.contextLength())
                .with(Setting.MAX_NEW_TOKENS, options.getMaxTokens())
                .with(Setting.TEMPERATURE, options.getTemperature())
                .with(Setting.TOP_P, options.getTopP())
                .with(Setting.TOP_K, options.getTopK())
                .with(Setting.FREQUENCY_PENALTY, options.getFrequencyPenalty())
                .with(Setting.PRESENCE_PENALTY, options.getPresencePenalty());
        List<String> stops = options.getStopSequences();
        return format.request(
                prompt.getInstructions().stream().map(InProcessChatModel::message).toList(),
                stops == null ? sampling : sampling.withStop(stops));
    }

    private static dev.causal4j.chat.Message message(Message message) {
        return new dev.causal4j.chat.Message(message.getMessageType().getValue(), message.getText());
    }
}
