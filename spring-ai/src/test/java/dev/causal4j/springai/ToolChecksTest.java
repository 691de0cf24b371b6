package dev.causal4j.springai;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.jspecify.annotations.NullUnmarked;
import org.junit.jupiter.api.Test;
import org.springframework.ai.chat.client.ChatClient;
import org.springframework.ai.chat.client.advisor.MessageChatMemoryAdvisor;
import org.springframework.ai.chat.memory.ChatMemory;
import org.springframework.ai.chat.memory.MessageWindowChatMemory;
import org.springframework.ai.chat.messages.AssistantMessage;
import org.springframework.ai.chat.messages.Message;
import org.springframework.ai.chat.messages.ToolResponseMessage;
import org.springframework.ai.chat.messages.UserMessage;
import org.springframework.ai.chat.model.ChatResponse;
import org.springframework.ai.chat.prompt.ChatOptions;
import org.springframework.ai.chat.prompt.Prompt;
import org.springframework.ai.model.tool.ToolCallingChatOptions;
import org.springframework.ai.support.ToolCallbacks;

/** Tools, and advisors of clients. */
@NullUnmarked // where Spring AI has nothing to give, a check fails
class ToolChecksTest extends SpringChecks {

    private static ChatOptions calling(Tools tools, long seed, int tokens) {
        ToolCallingChatOptions.Builder<?> builder =
                (ToolCallingChatOptions.Builder<?>) S.mustCall(options(seed, tokens));
        return builder.toolCallbacks(ToolCallbacks.from(tools)).build();
    }

    /** A client that must call a tool of these first. */
    private static ChatClient.ChatClientRequestSpec asking(Tools tools) {
        return ChatClient.create(CHAT)
                .prompt("file it")
                .options(S.mustCall(options(1, 200).temperature(0.0)))
                .tools(tools);
    }

    @Test
    void aCallIsWholeAndNotExecuted() {
        Tools tools = new Tools();
        for (int seed = 0; seed < 5; seed++) {
            ChatResponse answer = CHAT.call(new Prompt("file it", calling(tools, seed, 500)));
            assertTrue(answer.hasToolCalls());
            AssistantMessage.ToolCall call =
                    answer.getResult().getOutput().getToolCalls().getFirst();
            assertEquals("file", call.name());
            assertEquals("function", call.type());
            assertFalse(call.id().isEmpty());
            Map<String, Object> arguments = JSON.fromJsonToMap(call.arguments());
            assertTrue(
                    List.of("SPAM", "HAM", "UNKNOWN").contains(arguments.get("kind"))
                            && arguments.get("urgent") instanceof Boolean,
                    call.arguments());
            assertEquals("TOOL_CALLS", reason(answer));
        }
        assertEquals(0, tools.calls.get(), "since 2.0 an advisor executes tools, never a model");
    }

    @Test
    void aStreamHasACallInOnePart() { // aggregators add the calls of all parts up
        ChatOptions asked = calling(new Tools(), 2, 500);
        AssistantMessage.ToolCall whole = CHAT.call(new Prompt("file it", asked))
                .getResult()
                .getOutput()
                .getToolCalls()
                .getFirst();
        List<ChatResponse> with = CHAT.stream(new Prompt("file it", asked))
                .filter(ChatResponse::hasToolCalls)
                .collectList()
                .block();
        assertEquals(1, with.size());
        assertEquals(List.of(whole), with.getFirst().getResult().getOutput().getToolCalls());
        assertEquals("TOOL_CALLS", reason(with.getFirst()));
    }

    @Test
    void aCallThatIsCutIsNone() {
        Tools tools = new Tools();
        ChatResponse cut = CHAT.call(new Prompt("file it", calling(tools, 1, 3)));
        assertFalse(cut.hasToolCalls(), "it would be executed");
        assertEquals("LENGTH", reason(cut));
        assertFalse(CHAT.stream(new Prompt("file it", calling(tools, 1, 3)))
                .any(ChatResponse::hasToolCalls)
                .block());
    }

    @Test
    void aClientExecutesTools() {
        Tools tools = new Tools();
        ChatResponse end = asking(tools).call().chatResponse();
        assertEquals(1, tools.calls.get());
        assertNotNull(tools.last.get());
        assertFalse(end.hasToolCalls());
        assertTrue(out(end) > 10 && in(end) > 200, "the usage of both rounds: " + usage(end));
    }

    @Test
    void aClientExecutesToolsOfAStream() {
        Tools tools = new Tools();
        String told =
                asking(tools).stream().content().collect(Collectors.joining()).block();
        assertEquals(1, tools.calls.get());
        assertFalse(told.contains("\"name\""), told);
    }

    @Test
    void aHistoryOfCallsIsRead() {
        AssistantMessage calls = AssistantMessage.builder()
                .content("")
                .toolCalls(List.of(
                        new AssistantMessage.ToolCall("c1", "function", "file", "{\"kind\":\"HAM\",\"urgent\":true}"),
                        new AssistantMessage.ToolCall(
                                "c2", "function", "file", "{\"kind\":\"SPAM\",\"urgent\":false}")))
                .build();
        ToolResponseMessage results = ToolResponseMessage.builder()
                .responses(List.of(
                        new ToolResponseMessage.ToolResponse("c1", "file", "\"filed\""),
                        new ToolResponseMessage.ToolResponse("c2", "file", "\"refused\"")))
                .build();
        List<Message> history = List.of(new UserMessage("file both"), calls, results);
        int with = in(CHAT.call(new Prompt(history, options(1, 2).build())));
        int without =
                in(CHAT.call(new Prompt(history.subList(0, 2), options(1, 2).build())));
        assertTrue(with - without >= "filed".length() + "refused".length(), with + " " + without);
    }

    // ---- advisors

    @Test
    void memoryKeepsWhatWasSaid() {
        ChatClient client = ChatClient.builder(CHAT)
                .defaultAdvisors(MessageChatMemoryAdvisor.builder(
                                MessageWindowChatMemory.builder().build())
                        .build())
                .build();
        int first = in(client.prompt("I am Emma.")
                .advisors(a -> a.param(ChatMemory.CONVERSATION_ID, "1"))
                .options(options(1, 10))
                .call()
                .chatResponse());
        int second = in(client.prompt("I am Emma.")
                .advisors(a -> a.param(ChatMemory.CONVERSATION_ID, "1"))
                .options(options(1, 10))
                .call()
                .chatResponse());
        int other = in(client.prompt("I am Emma.")
                .advisors(a -> a.param(ChatMemory.CONVERSATION_ID, "2"))
                .options(options(1, 10))
                .call()
                .chatResponse());
        assertTrue(second > first + 10, first + " " + second);
        assertEquals(first, other);
    }
}
