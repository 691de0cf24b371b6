package dev.causal4j.langchain4j;

import dev.langchain4j.data.image.Image;
import dev.langchain4j.model.chat.ChatModel;
import dev.langchain4j.service.common.AbstractAiServiceWithToolsIT;
import java.util.List;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

/** LangChain4j's suite of AI services with tools. */
@EnabledIfSystemProperty(named = "causal4j.whole", matches = "true")
class Causal4jAiServiceWithToolsIT extends AbstractAiServiceWithToolsIT {
    @Override
    protected List<ChatModel> models() {
        return List.of(Taught.chat().build());
    }

    @Override
    protected boolean supportsRecursion() {
        return true;
    }

    @Override
    protected boolean supportsMapParameters() {
        return true;
    }

    /** Not the suite's own, which is on the web. */
    @Override
    protected Image catImage() {
        return Image.builder().base64Data("AAAA").mimeType("image/png").build();
    }
}
