package dev.causal4j.langchain4j;

import static dev.langchain4j.internal.ChatRequestValidationUtils.validate;

import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.chat.Message;
import dev.causal4j.generation.Chat;
import dev.causal4j.generation.Engine;
import dev.causal4j.generation.Generation;
import dev.causal4j.generation.GenerationRequest;
import dev.causal4j.generation.Generator;
import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.ChatMessage;
import dev.langchain4j.data.message.Content;
import dev.langchain4j.data.message.SystemMessage;
import dev.langchain4j.data.message.TextContent;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.exception.UnsupportedFeatureException;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.response.ChatResponse;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.UUID;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;

/** Conversations with a model. Immutable and thread-safe. */
final class Conversations {
    final Causal4jChatRequestParameters defaults;
    final List<ChatModelListener> listeners;
    private final Generator generator;
    private final Chat.Format format;

    /**
     * @throws UnsupportedFeatureException if a default is not supported
     * @throws IllegalArgumentException if one is out of its range
     */
    Conversations(
            Engine engine,
            ChatTemplate template,
            Causal4jChatRequestParameters defaults,
            List<ChatModelListener> listeners) {
        this.defaults = defaults;
        this.listeners = listeners;
        generator = new Generator(engine);
        format = Chat.Format.of(engine.model(), template);
        check(defaults);
        Sampling.options(format.model(), defaults);
    }

    /** @throws UnsupportedFeatureException naming the first thing that is not there */
    void check(ChatRequest request) {
        check(request.parameters());
        messages(request.messages());
    }

    private void check(ChatRequestParameters parameters) {
        String name = parameters.modelName();
        String own = format.model().name();
        if (name != null && !name.equals(own)) {
            throw new UnsupportedFeatureException("modelName: expected \"" + own
                    + "\", since others are not supported here, got \"" + name + "\"; leave it out");
        }
        validate(parameters.toolChoice()); // first: LangChain4j's suites expect its message
        validate(parameters.toolSpecifications());
        validate(parameters.responseFormat());
    }

    /**
     * Answers, and gives the text to a consumer on this thread, in parts.
     *
     * @param goesOn whether the answer is still wanted, asked before and behind each part
     */
    ChatResponse answer(ChatRequest request, Consumer<String> told, BooleanSupplier goesOn) {
        return Sampling.translating(() -> {
            UnaryOperator<String> shown = format.template().isPlain() ? new Edges()::without : UnaryOperator.identity();
            return response(generator.relay(request(request), token -> {
                String text = shown.apply(token.text());
                if (!text.isEmpty() && goesOn.getAsBoolean()) {
                    told.accept(text);
                }
                return goesOn.getAsBoolean();
            }));
        });
    }

    private GenerationRequest request(ChatRequest request) {
        Causal4jChatRequestParameters parameters = defaults.overrideWith(request.parameters());
        return format.request(messages(request.messages()), Sampling.options(format.model(), parameters));
    }

    private ChatResponse response(Generation generation) {
        String text = generation.text();
        return ChatResponse.builder()
                .aiMessage(AiMessage.from(format.template().isPlain() ? text.strip() : text))
                .metadata(new Causal4jChatResponseMetadata.Builder(generation)
                        .id(UUID.randomUUID().toString())
                        .modelName(format.model().name())
                        .tokenUsage(Sampling.usage(generation))
                        .finishReason(Sampling.finishReason(generation))
                        .build())
                .build();
    }

    /** @throws UnsupportedFeatureException if a message is no text */
    static List<Message> messages(Iterable<? extends ChatMessage> messages) {
        List<Message> all = new ArrayList<>();
        messages.forEach(message -> all.add(
                switch (Sampling.required("message", message)) {
                    case SystemMessage system -> new Message("system", system.text());
                    case UserMessage user -> message(user);
                    case AiMessage answer
                    when !answer.hasToolExecutionRequests() ->
                        new Message("assistant", answer.text() == null ? "" : answer.text());
                    default ->
                        throw new UnsupportedFeatureException("messages: expected texts of system, user and assistant,"
                                + " since tools and others are not supported, got "
                                + message.getClass().getSimpleName());
                }));
        return all;
    }

    private static Message message(UserMessage user) {
        Map<String, Object> fields = new LinkedHashMap<>();
        fields.put("role", "user");
        fields.put("content", user.contents().stream().map(Conversations::text).collect(Collectors.joining()));
        if (user.name() != null) {
            fields.put("name", user.name());
        }
        return new Message(fields);
    }

    private static String text(Content content) {
        if (content instanceof TextContent text) {
            return text.text();
        }
        throw new UnsupportedFeatureException("content: expected text, since others are not supported, got "
                + content.type().name().toLowerCase(Locale.ROOT));
    }

    /** Leaves out white space at the edges of a text that comes in parts, as that of a plain transcript has it. */
    private static final class Edges {
        private boolean begun;
        private String held = "";

        String without(String part) {
            String all = begun ? held + part : part.stripLeading();
            String told = all.stripTrailing();
            begun |= !all.isEmpty();
            held = all.substring(told.length());
            return told;
        }
    }
}
