package dev.causal4j.langchain4j;

import dev.causal4j.chat.ChatTemplate;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.model.chat.StreamingChatModel;
import dev.langchain4j.model.chat.common.AbstractStreamingChatModelListenerIT;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import java.util.List;
import java.util.Map;

/** LangChain4j's suite of listeners. */
class Causal4jStreamingChatModelListenerIT extends AbstractStreamingChatModelListenerIT {
    private StreamingChatModel model(ChatModelListener listener, ChatTemplate template) {
        return Causal4jStreamingChatModel.builder()
                .engine(Taught.ENGINE)
                .chatTemplate(template)
                .temperature(temperature())
                .topP(topP())
                .maxOutputTokens(maxTokens())
                .listeners(List.of(listener))
                .build();
    }

    @Override
    protected StreamingChatModel createModel(ChatModelListener listener) {
        return model(listener, Taught.TEMPLATE);
    }

    @Override
    protected StreamingChatModel createFailingModel(ChatModelListener listener) {
        return model(listener, ChatTemplate.parse("refusing", "{{ raise_exception('no') }}", Map.of()));
    }

    @Override
    protected Class<? extends Exception> expectedExceptionClass() {
        return InvalidRequestException.class;
    }

    @Override
    protected String modelName() {
        return Taught.MODEL.name();
    }
}
