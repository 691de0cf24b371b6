package dev.causal4j.langchain4j;

import dev.causal4j.chat.Answer;
import dev.causal4j.chat.AnswerParser;
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
import java.util.function.BooleanSupplier;

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

    /**
     * Answers, and gives the parts to a listener on this thread.
     *
     * @param goesOn whether the answer is still wanted, asked before and after each token
     */
    ChatResponse answer(ChatRequest request, AnswerParser.Listener listener, BooleanSupplier goesOn) {
        return Sampling.translating(() -> {
            Causal4jChatRequestParameters parameters = defaults.overrideWith(request.parameters());
            Chat.Format turn = format.withTools(Translation.tools(parameters), Translation.choice(parameters));
            GenerationRequest asked =
                    turn.request(Translation.messages(request.messages()), Sampling.options(format, parameters));
            AnswerParser parser = turn.parser(asked, isPlain() ? new Edges(listener) : listener);
            Generation generation = generator.relay(asked, token -> {
                if (goesOn.getAsBoolean()) {
                    parser.accept(token.text());
                }
                return goesOn.getAsBoolean();
            });
            boolean isDocument = Translation.isDocument(parameters.responseFormat());
            if (isDocument && Sampling.finishReason(generation) == FinishReason.LENGTH) { // nobody can read it
                throw new LangChain4jException("document: expected a whole one, got one that ended by length after "
                        + generation.tokens().length
                        + " tokens; leave more room (maxOutputTokens, the context), or bound"
                        + " strings and lists in its schema");
            }
            return response(generation, parser.end(generation.finishReason().ofTurn()));
        });
    }

    private boolean isPlain() {
        return format.template().isPlain();
    }

    private ChatResponse response(Generation generation, Answer answer) {
        String content = isPlain() ? answer.content().strip() : answer.content();
        FinishReason reason = Sampling.finishReason(generation);
        boolean calls = reason == FinishReason.STOP && !answer.calls().isEmpty();
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

    /** Leaves out white space at the edges of a content that comes in parts, as that of a plain transcript has it. */
    private static final class Edges implements AnswerParser.Listener {
        private final AnswerParser.Listener listener;
        private boolean begun;
        private String held = "";

        Edges(AnswerParser.Listener listener) {
            this.listener = listener;
        }

        @Override
        public void content(String piece) {
            String all = begun ? held + piece : piece.stripLeading();
            String told = all.stripTrailing();
            begun |= !all.isEmpty();
            held = all.substring(told.length());
            if (!told.isEmpty()) {
                listener.content(told);
            }
        }

        @Override
        public void reasoning(String piece) {
            listener.reasoning(piece);
        }

        @Override
        public void call(int index, String id, String name) {
            listener.call(index, id, name);
        }

        @Override
        public void arguments(int index, String piece) {
            listener.arguments(index, piece);
        }
    }
}
