package dev.causal4j.langchain4j;

import dev.langchain4j.model.chat.ChatModel;
import dev.langchain4j.service.common.AbstractAiServiceWithJsonSchemaIT;
import java.util.List;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

/** LangChain4j's suite of AI services that return values. */
@EnabledIfSystemProperty(named = "causal4j.whole", matches = "true")
class Causal4jAiServiceWithJsonSchemaIT extends AbstractAiServiceWithJsonSchemaIT {
    @Override
    protected List<ChatModel> models() {
        return List.of(Taught.chat().build());
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
