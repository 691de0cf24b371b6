package dev.causal4j.langchain4j;

import dev.causal4j.chat.Answer;
import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.generation.Chat;
import dev.causal4j.generation.Engine;
import dev.causal4j.generation.Generation;
import dev.causal4j.generation.GenerationRequest;
import dev.causal4j.generation.Generator;
import dev.langchain4j.exception.LangChain4jException;
import dev.langchain4j.exception.UnsupportedFeatureException;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.output.FinishReason;
import java.util.List;
import java.util.UUID;

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
        Sampling.options(format, defaults);
    }

    /** @throws UnsupportedFeatureException naming the first unsupported feature */
    void check(ChatRequest request) {
        check(request.parameters());
        Translation.messages(request.messages());
    }

    private void check(ChatRequestParameters parameters) {
        String name = parameters.modelName();
        String own = format.model().name();
        if (name != null && !name.equals(own)) {
            throw new UnsupportedFeatureException("modelName: expected \"" + own
                    + "\", since others are not supported here, got \"" + name + "\"; leave it out");
        }
    }

    /** Answers, and gives the parts to a listener on this thread. */
    ChatResponse answer(ChatRequest request, Answer.Listener listener) {
        return Sampling.translating(() -> {
            Causal4jChatRequestParameters parameters = defaults.overrideWith(request.parameters());
            Chat.Format turn = format.withTools(Translation.tools(parameters), Translation.choice(parameters));
            GenerationRequest asked =
                    turn.request(Translation.messages(request.messages()), Sampling.options(format, parameters));
            Chat.Turn made = turn.answer(asked, generator::relay, listener);
            Generation generation = made.generation();
            boolean isDocument = Translation.isDocument(parameters.responseFormat());
            if (isDocument && Sampling.finishReason(generation) == FinishReason.LENGTH) { // nobody can read it
                throw new LangChain4jException("document: expected a whole one, got one that ended by "
                        + generation.finishReason().label() + " after " + generation.tokens().length
                        + " tokens; leave more room (maxOutputTokens, the context), or bound"
                        + " strings and lists in its schema");
            }
            return response(generation, made.answer());
        });
    }

    /** Whether answers are those of a plain transcript, in which they begin with white space. */
    boolean isPlain() {
        return format.template().isPlain();
    }

    private ChatResponse response(Generation generation, Answer answer) {
        String content = isPlain() ? answer.content().strip() : answer.content();
        FinishReason reason = Sampling.finishReason(generation);
        boolean calls = answer.finishReason().equals("tool_calls");
        return ChatResponse.builder()
                .aiMessage(Translation.message(answer, content))
                .metadata(new Causal4jChatResponseMetadata.Builder(generation)
                        .id(UUID.randomUUID().toString())
                        .modelName(format.model().name())
                        .tokenUsage(Sampling.usage(generation))
                        .finishReason(calls ? FinishReason.TOOL_EXECUTION : reason)
                        .build())
                .build();
    }
}
