package dev.causal4j.langchain4j;

import static org.mockito.ArgumentMatchers.any;
import static org.mockito.ArgumentMatchers.argThat;
import static org.mockito.Mockito.atLeastOnce;

import dev.langchain4j.model.chat.StreamingChatModel;
import dev.langchain4j.model.chat.common.AbstractStreamingChatModelIT;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.response.ChatResponseMetadata;
import dev.langchain4j.model.chat.response.CompleteToolCall;
import dev.langchain4j.model.chat.response.PartialToolCallContext;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import java.util.List;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.mockito.InOrder;

/** LangChain4j's suite of chat models that stream. It asks all that it may ask of every model, except images. */
@EnabledIfSystemProperty(named = "causal4j.whole", matches = "true")
class Causal4jStreamingChatModelIT extends AbstractStreamingChatModelIT {
    @Override
    protected List<StreamingChatModel> models() {
        return List.of(Taught.streaming().build());
    }

    @Override
    protected StreamingChatModel createModelWith(ChatRequestParameters parameters) {
        return Taught.streaming().defaultRequestParameters(parameters).build();
    }

    @Override
    protected ChatRequestParameters createIntegrationSpecificParameters(int maxOutputTokens) {
        return Causal4jChatRequestParameters.builder()
                .maxOutputTokens(maxOutputTokens)
                .build();
    }

    @Override
    protected Class<? extends ChatResponseMetadata> chatResponseMetadataType(StreamingChatModel model) {
        return Causal4jChatResponseMetadata.class;
    }

    @Override
    public StreamingChatModel createModelWith(ChatModelListener listener) {
        return Taught.streaming().listeners(List.of(listener)).build();
    }

    /** Another name than its own. */
    @Override
    protected boolean supportsModelNameParameter() {
        return false;
    }

    @Override
    protected boolean supportsSingleImageInputAsBase64EncodedString() {
        return false;
    }

    @Override
    protected boolean supportsSingleImageInputAsPublicURL() {
        return false;
    }

    @Override
    protected void verifyToolCallbacks(StreamingChatResponseHandler handler, InOrder order, String id) {
        verifyCall(handler, order, complete(0, id, "getWeather", "{\"city\":\"Munich\"}"));
    }

    @Override
    protected void verifyToolCallbacks(StreamingChatResponseHandler handler, InOrder order, String id1, String id2) {
        verifyCall(handler, order, complete(0, id1, "getWeather", "{\"city\":\"Munich\"}"));
        verifyCall(handler, order, complete(1, id2, "getTime", "{\"country\":\"France\"}"));
    }

    private static void verifyCall(StreamingChatResponseHandler handler, InOrder order, CompleteToolCall call) {
        order.verify(handler, atLeastOnce())
                .onPartialToolCall(argThat(part -> part.index() == call.index()), any(PartialToolCallContext.class));
        order.verify(handler).onCompleteToolCall(call);
    }
}
