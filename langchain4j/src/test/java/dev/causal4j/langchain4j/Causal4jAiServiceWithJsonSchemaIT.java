package dev.causal4j.langchain4j;

import dev.langchain4j.model.chat.ChatModel;
import dev.langchain4j.service.common.AbstractAiServiceWithJsonSchemaIT;
import java.util.List;

/** LangChain4j's suite of AI services that return values. */
class Causal4jAiServiceWithJsonSchemaIT extends AbstractAiServiceWithJsonSchemaIT {
    @Override
    protected List<ChatModel> models() {
        return List.of(Causal4jChatModel.builder()
                .engine(Taught.ENGINE)
                .chatTemplate(Taught.TOOLS)
                .temperature(0.0)
                .build());
    }

    @Override
    protected boolean supportsRecursion() {
        return true;
    }

    @Override
    protected boolean isStrictJsonSchemaEnabled(ChatModel model) {
        return true;
    }
}
