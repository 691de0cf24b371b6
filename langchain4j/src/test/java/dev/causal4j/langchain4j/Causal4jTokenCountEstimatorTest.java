package dev.causal4j.langchain4j;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.chat.ChatTemplate;
import dev.langchain4j.agent.tool.ToolExecutionRequest;
import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.ImageContent;
import dev.langchain4j.data.message.SystemMessage;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.exception.UnsupportedFeatureException;
import dev.langchain4j.memory.chat.TokenWindowChatMemory;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class Causal4jTokenCountEstimatorTest {
    private final Causal4jTokenCountEstimator estimator =
            new Causal4jTokenCountEstimator(Taught.MODEL, Taught.TEMPLATE);

    private static int tokens(String text) {
        return Taught.MODEL.requireTokenizer().encode(text).length;
    }

    @Test
    void messagesCountWithWhatTheTemplateWrites() {
        assertThat(estimator.estimateTokenCountInText("hello")).isEqualTo(tokens("hello"));
        assertThat(estimator.estimateTokenCountInMessage(UserMessage.from("hello")))
                .isEqualTo(tokens("User: hello\n\n"));
        assertThat(estimator.estimateTokenCountInMessages(
                        List.of(SystemMessage.from("Be kind."), UserMessage.from("hello"))))
                .isEqualTo(tokens("System: Be kind.\n\nUser: hello\n\n"));
    }

    @Test
    void callsCountAsTheTemplateTakesTheirArguments() {
        ChatTemplate objects =
                ChatTemplate.parse("objects", "{{ messages[0].tool_calls[0].function.arguments | tojson }}", Map.of());
        ToolExecutionRequest call = ToolExecutionRequest.builder()
                .name("getWeather")
                .arguments("{\"city\": \"Munich\"}")
                .build();
        assertThat(new Causal4jTokenCountEstimator(Taught.MODEL, objects)
                        .estimateTokenCountInMessage(AiMessage.from(call)))
                .isEqualTo(tokens("{\"city\": \"Munich\"}"));
    }

    @Test
    void aConversationThatTheTemplateRefusesCountsAsItsTexts() {
        ChatTemplate strict = ChatTemplate.parse("strict", "{{ raise_exception('no') }}", Map.of());
        assertThat(new Causal4jTokenCountEstimator(Taught.MODEL, strict)
                        .estimateTokenCountInMessages(List.of(AiMessage.from("Berlin"), UserMessage.from("hello"))))
                .isEqualTo(tokens("Berlin") + tokens("hello"));
    }

    @Test
    void aMemoryOfAWindowOfTokensForgetsByIt() {
        TokenWindowChatMemory memory = TokenWindowChatMemory.withMaxTokens(30, estimator);
        for (int i = 0; i < 9; i++) {
            memory.add(UserMessage.from("message " + i));
        }
        assertThat(memory.messages()).hasSizeBetween(1, 5).last().isEqualTo(UserMessage.from("message 8"));
        assertThat(estimator.estimateTokenCountInMessages(memory.messages())).isLessThanOrEqualTo(30);
    }

    @Test
    @SuppressWarnings("NullAway")
    void whatIsNoTextIsRefused() {
        assertThatThrownBy(() -> estimator.estimateTokenCountInText(null))
                .isExactlyInstanceOf(InvalidRequestException.class)
                .hasMessage("text: expected one, got null");
        assertThatThrownBy(() ->
                        estimator.estimateTokenCountInMessage(UserMessage.from(ImageContent.from("http://a/b.png"))))
                .isExactlyInstanceOf(UnsupportedFeatureException.class)
                .hasMessage("content: expected text, since non-text content is not supported, got image");
    }
}
