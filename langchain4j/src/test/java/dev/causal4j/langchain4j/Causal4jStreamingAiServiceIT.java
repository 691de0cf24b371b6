package dev.causal4j.langchain4j;

import dev.langchain4j.model.chat.StreamingChatModel;
import dev.langchain4j.model.chat.response.ChatResponseMetadata;
import dev.langchain4j.service.common.AbstractStreamingAiServiceIT;
import java.util.List;
import org.junit.jupiter.api.Disabled;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** LangChain4j's suite of AI services. */
class Causal4jStreamingAiServiceIT extends AbstractStreamingAiServiceIT {
    @Override
    protected List<StreamingChatModel> models() {
        return List.of(Causal4jStreamingChatModel.builder()
                .engine(Taught.ENGINE)
                .chatTemplate(Taught.TEMPLATE)
                .temperature(0.0)
                .build());
    }

    @Override
    protected Class<? extends ChatResponseMetadata> chatResponseMetadataType(StreamingChatModel model) {
        return Causal4jChatResponseMetadata.class;
    }

    @Override
    @ParameterizedTest
    @MethodSource("models")
    @Disabled("tools are not there yet")
    protected void should_execute_tool_without_arguments(StreamingChatModel model) {}

    @Override
    @ParameterizedTest
    @MethodSource("models")
    @Disabled("tools are not there yet")
    protected void should_keep_memory_consistent_when_streaming_using_immediate_tool(StreamingChatModel model) {}
}
