package dev.causal4j.langchain4j;

import dev.langchain4j.model.chat.ChatModel;
import dev.langchain4j.service.common.AbstractAiServiceIT;
import java.util.List;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

/** LangChain4j's suite of AI services. */
@EnabledIfSystemProperty(named = "causal4j.whole", matches = "true")
class Causal4jAiServiceIT extends AbstractAiServiceIT {
    @Override
    protected List<ChatModel> models() {
        return List.of(Taught.chat().build());
    }
}
