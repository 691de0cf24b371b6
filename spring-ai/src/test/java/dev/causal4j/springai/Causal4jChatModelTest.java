package dev.causal4j.springai;

import static dev.causal4j.springai.Requests.generation;
import static dev.causal4j.springai.Requests.greedy;
import static dev.causal4j.springai.Requests.tool;
import static dev.causal4j.springai.Requests.warm;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.chat.ToolChoice;
import dev.causal4j.constraint.Constraint;
import dev.causal4j.constraint.ConstraintException;
import dev.causal4j.generation.Chat;
import dev.causal4j.generation.Engine;
import dev.causal4j.generation.EngineOptions;
import dev.causal4j.generation.Generation;
import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.generation.Generator;
import dev.causal4j.generation.TokenListener;
import dev.causal4j.model.CausalLM;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.springframework.ai.chat.messages.AssistantMessage;
import org.springframework.ai.chat.messages.Message;
import org.springframework.ai.chat.messages.SystemMessage;
import org.springframework.ai.chat.messages.ToolResponseMessage;
import org.springframework.ai.chat.messages.ToolResponseMessage.ToolResponse;
import org.springframework.ai.chat.messages.UserMessage;
import org.springframework.ai.chat.model.ChatModel;
import org.springframework.ai.chat.model.ChatResponse;
import org.springframework.ai.chat.model.MessageAggregator;
import org.springframework.ai.chat.prompt.ChatOptions;
import org.springframework.ai.chat.prompt.Prompt;
import org.springframework.ai.tool.ToolCallback;

class Causal4jChatModelTest extends SpringChecks {
    private static final CausalLM TOOLS = SmallModels.ENGINE.model();
    private static final ToolCallback FILE = tool("file", """
            {"type": "object", "properties": {"kind": {"enum": ["SPAM", "HAM"]}}, "required": ["kind"]}""");

    private static ChatModel plain() {
        return Causal4jChatModel.builder()
                .model(TOOLS)
                .chatTemplate(ChatTemplate.plain())
                .build();
    }

    /** The prompt that messages become. */
    private static String rendered(ChatModel model, Message... messages) {
        Generation made =
                generation(model.call(new Prompt(List.of(messages), warm(1, 1).build())));
        return TOOLS.requireTokenizer().decode(made.promptTokens());
    }

    /** The generation of a message by the engine alone. */
    private static Generation made(String message, GenerationOptions options) {
        return new Generator(SmallModels.ENGINE)
                .relay(
                        Chat.Format.of(TOOLS).request(List.of(new dev.causal4j.chat.Message("user", message)), options),
                        TokenListener.NONE);
    }

    private static ChatResponse aggregated(ChatModel model, Prompt prompt) {
        CompletableFuture<ChatResponse> whole = new CompletableFuture<>();
        new MessageAggregator().aggregate(model.stream(prompt), whole::complete).blockLast();
        return whole.join();
    }

    // ---- one path

    @Test
    void callStreamAndGenerationOfThePromptAreTheSame() {
        for (long seed = 0; seed < 5; seed++) {
            Generation called = generation(CHAT.call(prompt("Who is Emma?", seed, 40)));
            ChatResponse streamed = aggregated(CHAT, prompt("Who is Emma?", seed, 40));
            Generation made = made(
                    "Who is Emma?",
                    GenerationOptions.DEFAULT
                            .withTemperature(3)
                            .withMaxNewTokens(40)
                            .withSeed(seed));
            assertThat(called.tokens()).isEqualTo(generation(streamed).tokens()).isEqualTo(made.tokens());
            assertThat(called.promptTokens()).isEqualTo(made.promptTokens());
            assertThat(List.of(called.seed(), generation(streamed).seed(), made.seed()))
                    .containsOnly(seed);
        }
    }

    @Test
    void anAnswerHasTheSeedThatMakesItAgain() {
        ChatResponse answer = CHAT.call(new Prompt(
                "a", ChatOptions.builder().temperature(3.0).maxTokens(30).build()));
        assertThat(text(CHAT.call(prompt("a", generation(answer).seed(), 30)))).isEqualTo(text(answer));
    }

    /** The aggregator of clients makes the message of a call of the parts: text, thought, calls, reason. */
    @Test
    void aggregatedPartsAreTheWholeAnswer() {
        ChatOptions calls =
                warm(2, 300).toolCallbacks(FILE).toolChoice(ToolChoice.REQUIRED).build();
        for (Prompt each : List.of(prompt("a", 5, 40), new Prompt("file it", calls))) {
            ChatResponse whole = CHAT.call(each);
            ChatResponse parts = aggregated(CHAT, each);
            assertThat(Objects.requireNonNull(parts.getResult()).getOutput())
                    .isEqualTo(Objects.requireNonNull(whole.getResult()).getOutput());
            assertThat(reason(parts)).isEqualTo(reason(whole));
            assertThat(parts.getMetadata().getUsage().getTotalTokens())
                    .isEqualTo(whole.getMetadata().getUsage().getTotalTokens());
        }
        Prompt thinks = prompt("a", 1, 40);
        AssistantMessage thought = Objects.requireNonNull(
                        aggregated(S.thinking(), thinks).getResult())
                .getOutput();
        assertThat(thought.getMetadata()).containsKey("thinking");
        assertThat(thought)
                .isEqualTo(Objects.requireNonNull(S.thinking().call(thinks).getResult())
                        .getOutput());
    }

    @Test
    void plainTranscriptsHaveNoSpaceAroundContent() {
        Prompt asked = new Prompt(
                "a",
                warm(1, 60)
                        .generation(all -> all.withConstraint(Constraint.regex("  b c\\n\\n")))
                        .build());
        ChatModel model = plain();
        assertThat(generation(model.call(asked)).text()).isEqualTo("  b c\n\n");
        assertThat(text(model.call(asked))).isEqualTo("b c");
        assertThat(text(aggregated(model, asked))).isEqualTo("b c");
    }

    // ---- messages

    @Test
    void messagesAreThoseOfTheTemplate() {
        AssistantMessage calls = AssistantMessage.builder()
                .content("I will.")
                .toolCalls(List.of(new AssistantMessage.ToolCall("c1", "function", "file", "{}")))
                .build();
        ToolResponseMessage results = ToolResponseMessage.builder()
                .responses(List.of(
                        new ToolResponse("c1", "file", "\"filed\""), new ToolResponse("c2", "file", "{\"a\":1}")))
                .build();
        assertThat(rendered(
                        plain(),
                        new SystemMessage("Be brief."),
                        new SystemMessage("Be kind."),
                        new UserMessage("File it."),
                        calls,
                        results,
                        new SystemMessage("Be quick.")))
                .isEqualTo("""
                        System: Be brief.

                        Be kind.

                        User: File it.

                        Assistant: I will.

                        Tool: "filed"

                        Tool: {"a":1}

                        System: Be quick.

                        Assistant:""");
    }

    @Test
    void aThoughtGoesBackToTheTemplate() {
        AssistantMessage.Builder<?> answer = AssistantMessage.builder()
                .content("")
                .toolCalls(List.of(new AssistantMessage.ToolCall("c1", "function", "file", "{}")));
        ToolResponseMessage result = ToolResponseMessage.builder()
                .responses(List.of(new ToolResponse("c1", "file", "\"filed\"")))
                .build();
        ChatModel model = S.thinking();
        UserMessage user = new UserMessage("file it");
        assertThat(rendered(
                        model,
                        user,
                        answer.properties(Map.of("thinking", "I wonder.")).build(),
                        result))
                .contains("I wonder.");
        assertThat(rendered(model, user, answer.properties(Map.of()).build(), result))
                .doesNotContain("I wonder.");
    }

    // ---- tools

    /** A client gives a model its own options back, with its tools. */
    @Test
    void toolsOfTheModelAreListedOnce() {
        ChatModel model = Causal4jChatModel.builder()
                .model(TOOLS)
                .options(warm(1, 200).toolCallbacks(FILE).build())
                .build();
        Generation without = generation(model.call(new Prompt("a")));
        Generation with = generation(model.call(new Prompt("a", model.getOptions())));
        assertThat(with.promptTokens()).isEqualTo(without.promptTokens());
        assertThat(TOOLS.requireTokenizer().decode(with.promptTokens())).containsOnlyOnce("files a letter");
    }

    @Test
    void aNamedToolIsCalledUntilThereIsAResult() {
        ChatOptions named = warm(1, 200)
                .toolCallbacks(FILE, tool("other", "{\"type\": \"object\"}"))
                .toolChoice(ToolChoice.named("file"))
                .build();
        ChatResponse called = CHAT.call(new Prompt("file it", named));
        AssistantMessage answer = Objects.requireNonNull(called.getResult()).getOutput();
        assertThat(answer.getToolCalls())
                .singleElement()
                .satisfies(call -> assertThat(call.name()).isEqualTo("file"));
        ToolResponseMessage result = ToolResponseMessage.builder()
                .responses(List.of(
                        new ToolResponse(answer.getToolCalls().getFirst().id(), "file", "\"filed\"")))
                .build();
        ChatResponse then = CHAT.call(new Prompt(List.of(new UserMessage("file it"), answer, result), named));
        assertThat(then.hasToolCalls()).isFalse();
    }

    @Test
    void aSchemaThatCannotBeHeldNeedsToolsThatAreNotStrict() {
        ToolCallback odd = tool("odd", """
                {"type": "object", "properties": {"a": {"type": "string", "pattern": "^(?=a)b"}}}""");
        ChatOptions.Builder<?> asked = warm(1, 5).toolCallbacks(odd);
        assertThatThrownBy(() -> CHAT.call(new Prompt("a", asked.build())))
                .isInstanceOf(ConstraintException.class)
                .hasMessageContaining("odd");
        ChatOptions loose = warm(1, 5).toolCallbacks(odd).strictTools(false).build();
        assertThat(CHAT.call(new Prompt("a", loose)).getMetadata().getUsage().getCompletionTokens())
                .isEqualTo(5);
    }

    // ---- options

    @Test
    void allOtherOptionsOfTheEngineCanBeSet() {
        ChatOptions predicted =
                warm(1, 4).generation(all -> all.withLogProbabilities(2)).build();
        assertThat(generation(CHAT.call(new Prompt("a", predicted))).predictions())
                .hasSize(4);
        ChatOptions hurried = greedy().generation(all -> all.withDeadline(Duration.ofMillis(50)))
                .build();
        assertThat(reason(CHAT.call(new Prompt("a", hurried)))).isEqualTo("LENGTH");
        assertThat(rendered(S.thinking(), new UserMessage("a"))).endsWith("<think>\n");
        ChatOptions soon =
                warm(1, 1).templateVariables(Map.of("enable_thinking", false)).build();
        Generation at = generation(S.thinking().call(new Prompt("a", soon)));
        assertThat(TOOLS.requireTokenizer().decode(at.promptTokens())).endsWith("</think>\n\n");
    }

    @Test
    void numbersAreThoseOfTheEngine() {
        ChatOptions penalised = warm(1, 30)
                .minP(0.5)
                .typicalP(0.5)
                .repetitionPenalty(1.5)
                .minTokens(30)
                .frequencyPenalty(0.5)
                .presencePenalty(0.5)
                .topK(20)
                .topP(0.9)
                .build();
        GenerationOptions options = GenerationOptions.DEFAULT
                .withTemperature(3)
                .withMaxNewTokens(30)
                .withSeed(1)
                .withMinP(0.5)
                .withTypicalP(0.5)
                .withRepetitionPenalty(1.5)
                .withMinNewTokens(30)
                .withFrequencyPenalty(0.5)
                .withPresencePenalty(0.5)
                .withTopK(20)
                .withTopP(0.9);
        assertThat(generation(CHAT.call(new Prompt("a", penalised))).tokens())
                .isEqualTo(made("a", options).tokens());
    }

    @Test
    void whatCannotBeIsRefusedWhereItIsSet() {
        assertThatThrownBy(() -> Causal4jChatModel.builder().build())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("engine: expected one, got none; call engine(...) or model(...)");
        assertThatThrownBy(() -> Causal4jChatModel.builder()
                        .model(TOOLS)
                        .options(ChatOptions.builder().topP(2.0).build())
                        .build())
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageStartingWith("top-p: expected a number in (0, 1], got 2.0");
        assertThatThrownBy(() -> CHAT.call(
                        new Prompt("a", ChatOptions.builder().model("other").build())))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("model: expected tools, since others are not supported here, got other; leave it out");
    }

    // ---- ends

    @Test
    void anInterruptCancelsACallAndKeepsTheFlag() throws Exception {
        CompletableFuture<Boolean> flagged = new CompletableFuture<>();
        Thread caller = Thread.ofPlatform().start(() -> {
            try {
                CHAT.call(new Prompt("a", greedy().build()));
                flagged.complete(false);
            } catch (CancellationException e) {
                flagged.complete(Thread.currentThread().isInterrupted());
            }
        });
        while (SmallModels.ENGINE.running() == 0) {
            Thread.sleep(1);
        }
        caller.interrupt();
        assertThat(flagged.get(60, TimeUnit.SECONDS)).isTrue();
        caller.join();
    }

    @Test
    void aClosedEngineIsAnError() {
        Engine engine = new Engine(TOOLS, EngineOptions.DEFAULT);
        ChatModel model = Causal4jChatModel.builder().engine(engine).build();
        assertThat(text(model.call(prompt("a", 1, 5)))).isEqualTo(text(CHAT.call(prompt("a", 1, 5))));
        engine.close();
        assertThatThrownBy(() -> model.call(prompt("a", 1, 5))).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> model.stream(prompt("a", 1, 5)).blockLast()).isInstanceOf(IllegalStateException.class);
    }
}
