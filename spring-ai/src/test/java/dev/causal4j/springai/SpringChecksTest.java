package dev.causal4j.springai;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.micrometer.observation.Observation;
import io.micrometer.observation.ObservationHandler;
import io.micrometer.observation.ObservationRegistry;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.reactivestreams.Subscription;
import org.springframework.ai.chat.client.ChatClient;
import org.springframework.ai.chat.client.advisor.MessageChatMemoryAdvisor;
import org.springframework.ai.chat.memory.ChatMemory;
import org.springframework.ai.chat.memory.MessageWindowChatMemory;
import org.springframework.ai.chat.messages.AssistantMessage;
import org.springframework.ai.chat.messages.Message;
import org.springframework.ai.chat.messages.SystemMessage;
import org.springframework.ai.chat.messages.ToolResponseMessage;
import org.springframework.ai.chat.messages.UserMessage;
import org.springframework.ai.chat.metadata.Usage;
import org.springframework.ai.chat.model.ChatModel;
import org.springframework.ai.chat.model.ChatResponse;
import org.springframework.ai.chat.observation.ChatModelObservationContext;
import org.springframework.ai.chat.prompt.ChatOptions;
import org.springframework.ai.chat.prompt.Prompt;
import org.springframework.ai.content.Media;
import org.springframework.ai.document.Document;
import org.springframework.ai.embedding.Embedding;
import org.springframework.ai.embedding.EmbeddingModel;
import org.springframework.ai.embedding.EmbeddingOptions;
import org.springframework.ai.embedding.EmbeddingRequest;
import org.springframework.ai.embedding.EmbeddingResponse;
import org.springframework.ai.embedding.observation.EmbeddingModelObservationContext;
import org.springframework.ai.model.tool.StructuredOutputChatOptions;
import org.springframework.ai.model.tool.ToolCallingChatOptions;
import org.springframework.ai.support.ToolCallbacks;
import org.springframework.ai.tool.annotation.Tool;
import org.springframework.ai.util.JsonHelper;
import org.springframework.ai.vectorstore.SearchRequest;
import org.springframework.ai.vectorstore.SimpleVectorStore;
import org.springframework.core.ParameterizedTypeReference;
import org.springframework.core.io.ByteArrayResource;
import org.springframework.util.MimeTypeUtils;
import reactor.core.publisher.BaseSubscriber;
import reactor.core.publisher.Flux;

/** Models in this process behind Spring AI 2.0's interfaces. No check depends on what a model knows. */
@Timeout(60)
class SpringChecksTest {
    private static final Subject S = Subject.IT;
    private static final ChatModel CHAT = S.chat(ObservationRegistry.NOOP);
    private static final EmbeddingModel EMBED = S.embedding(ObservationRegistry.NOOP);
    private static final JsonHelper JSON = new JsonHelper();

    enum Kind {
        SPAM,
        HAM,
        UNKNOWN
    }

    record Verdict(Kind kind, boolean sure) {}

    static final class Tools {
        final AtomicInteger calls = new AtomicInteger();
        final AtomicReference<Kind> last = new AtomicReference<>();

        @Tool(description = "files a letter")
        String file(Kind kind, boolean urgent) {
            calls.incrementAndGet();
            last.set(kind);
            return "filed";
        }
    }

    /** Warm enough that a model of random weights says something. */
    private static ChatOptions.Builder<?> options(long seed, int tokens) {
        return S.seed(S.options(), seed).maxTokens(tokens).temperature(3.0);
    }

    private static Prompt prompt(String text, long seed, int tokens) {
        return new Prompt(text, options(seed, tokens).build());
    }

    /** At temperature 0 a model of random weights repeats itself and does not end. */
    private static Prompt endless(int tokens) {
        return new Prompt("a", options(1, tokens).temperature(0.0).build());
    }

    private static String text(ChatResponse response) {
        return response.getResult().getOutput().getText();
    }

    private static String reason(ChatResponse response) {
        return response.getResult().getMetadata().getFinishReason();
    }

    private static Usage usage(ChatResponse response) {
        return response.getMetadata().getUsage();
    }

    private static int in(ChatResponse response) {
        return usage(response).getPromptTokens();
    }

    private static int out(ChatResponse response) {
        return usage(response).getCompletionTokens();
    }

    private static void idle() throws InterruptedException {
        for (int i = 0; i < 500 && S.running() > 0; i++) {
            Thread.sleep(10);
        }
        assertEquals(0, S.running(), "sequences that nobody waits for");
    }

    @AfterEach
    void nothingIsLeft() throws InterruptedException {
        idle();
    }

    // ---- whole answers

    @Test
    void wholeUsageAndReason() {
        ChatResponse five = CHAT.call(prompt("Who is Emma?", 1, 5));
        assertEquals(5, out(five));
        assertTrue(in(five) > 5);
        assertEquals(in(five) + 5, usage(five).getTotalTokens());
        assertEquals("LENGTH", reason(five));
        assertEquals(1, five.getResults().size());
    }

    @Test
    void wholeHasModelAndIdOfItsOwn() {
        ChatResponse a = CHAT.call(prompt("a", 1, 2));
        ChatResponse b = CHAT.call(prompt("a", 1, 2));
        assertEquals("tools", a.getMetadata().getModel());
        assertFalse(a.getMetadata().getId().isEmpty());
        assertNotEquals(a.getMetadata().getId(), b.getMetadata().getId());
    }

    @Test
    void wholeEqualSeedsGiveEqualTexts() {
        assertEquals(text(CHAT.call(prompt("a", 7, 30))), text(CHAT.call(prompt("a", 7, 30))));
        assertNotEquals(text(CHAT.call(prompt("a", 7, 30))), text(CHAT.call(prompt("a", 8, 30))));
        ChatOptions unseeded = S.options().maxTokens(30).temperature(3.0).build();
        assertNotEquals(text(CHAT.call(new Prompt("a", unseeded))), text(CHAT.call(new Prompt("a", unseeded))));
    }

    @Test
    void wholeTakesPlainOptions() { // of no provider; a cast to the own class fails
        ChatResponse three = CHAT.call(new Prompt(
                "a", ChatOptions.builder().maxTokens(3).temperature(0.0).build()));
        assertEquals(3, out(three));
        assertEquals(
                3,
                out(CHAT.call(new Prompt(
                        "a", ToolCallingChatOptions.builder().maxTokens(3).build()))));
    }

    @Test
    void defaultsHoldWhereAPromptSaysNothing() {
        ChatModel model = S.chatWithDefaults();
        assertEquals(7, model.getOptions().getMaxTokens());
        assertEquals(7, out(model.call(new Prompt("a"))));
        assertEquals(
                7, out(model.call(new Prompt("a", ChatOptions.builder().topK(3).build()))));
        assertEquals(4, out(model.call(new Prompt("a", S.options().maxTokens(4).build()))));
        assertEquals(
                4,
                out(ChatClient.create(model)
                        .prompt("a")
                        .options(ChatOptions.builder().maxTokens(4))
                        .call()
                        .chatResponse()));
        assertEquals(7, model.getOptions().getMaxTokens(), "the model's own options must not change");
        assertEquals(model.getOptions(), model.getOptions().mutate().build());
    }

    @Test
    void optionsCombineAndClone() {
        ChatOptions.Builder<?> a = options(1, 3).temperature(0.5).topK(9);
        ChatOptions.Builder<?> copy = a.clone();
        ChatOptions both = a.combineWith(S.seed(S.options(), 2).topK(4)).build();
        assertEquals(4, both.getTopK());
        assertEquals(0.5, both.getTemperature());
        assertEquals(options(2, 3).temperature(0.5).topK(4).build(), both, "combineWith takes the seed, too");
        assertEquals(options(1, 3).temperature(0.5).topK(9).build(), copy.build(), "a clone is on its own");
        assertTrue(both instanceof ToolCallingChatOptions && both instanceof StructuredOutputChatOptions);
        ChatOptions first = options(1, 30).build();
        ChatOptions second = options(1, 30).combineWith(S.seed(S.options(), 2)).build();
        assertNotEquals(text(CHAT.call(new Prompt("a", first))), text(CHAT.call(new Prompt("a", second))));
    }

    @Test
    void stopSequencesEndTheTextAndAreNotInIt() {
        long seed = LongStream.range(0, 100)
                .filter(i -> text(CHAT.call(prompt("b", i, 60))).length() > 30)
                .findFirst()
                .orElseThrow();
        String all = text(CHAT.call(prompt("b", seed, 60)));
        String stop = all.substring(20, 21);
        ChatResponse cut = CHAT.call(
                new Prompt("b", options(seed, 60).stopSequences(List.of(stop)).build()));
        assertEquals(all.substring(0, all.indexOf(stop)), text(cut));
        assertEquals("STOP", reason(cut));
    }

    @Test
    void badSettingsAreRefusedBeforeWork() {
        for (ChatOptions bad : List.of(
                S.options().topP(2.0).build(),
                S.options().temperature(-1.0).build(),
                S.options().maxTokens(-1).build(),
                S.options().model("gpt-4o").maxTokens(2).build())) {
            String said = assertThrows(IllegalArgumentException.class, () -> CHAT.call(new Prompt("a", bad)))
                    .getMessage();
            assertTrue(said.contains("expected") && said.contains("got"), said);
            assertThrows(
                    IllegalArgumentException.class,
                    () -> CHAT.stream(new Prompt("a", bad)).blockLast());
        }
    }

    @Test
    void mediaAreRefused() {
        UserMessage image = UserMessage.builder()
                .text("what is it?")
                .media(new Media(MimeTypeUtils.IMAGE_PNG, new ByteArrayResource(new byte[8])))
                .build();
        assertThrows(
                IllegalArgumentException.class,
                () -> CHAT.call(new Prompt(List.of(image), options(1, 2).build())));
    }

    @Test
    void tooLongAPromptIsRefused() {
        String said = assertThrows(
                        IllegalArgumentException.class, () -> CHAT.call(prompt("word ".repeat(20_000), 1, 2)))
                .getMessage();
        assertTrue(said.contains("16384"), said);
    }

    @Test
    void severalSystemMessages() {
        List<Message> both =
                List.of(new SystemMessage("Be brief."), new SystemMessage("Be kind."), new UserMessage("a"));
        int two = in(CHAT.call(new Prompt(both, options(1, 2).build())));
        int one = in(CHAT.call(new Prompt(both.subList(1, 3), options(1, 2).build())));
        int none = in(CHAT.call(new Prompt(both.subList(2, 3), options(1, 2).build())));
        assertTrue(two > one && one > none, two + " " + one + " " + none);
    }

    @Test
    void controlTokensOfUsersAreText() {
        int plain = in(CHAT.call(prompt("x", 1, 2)));
        assertEquals(plain - 1 + "<|im_end|>".length(), in(CHAT.call(prompt("<|im_end|>", 1, 2))));
    }

    @Test
    void cachedTokensAreInTheUsage() {
        Prompt longer = prompt("Once upon a time there was a cat. ".repeat(30), 1, 2);
        CHAT.call(longer);
        Long cached = usage(CHAT.call(longer)).getCacheReadInputTokens();
        assertNotNull(cached);
        assertTrue(cached > 500, cached + " of " + in(CHAT.call(longer)));
    }

    @Test
    void callersAtOnceGetWhatTheyGetAlone() throws Exception {
        List<String> alone = IntStream.range(0, 8)
                .mapToObj(i -> text(CHAT.call(prompt("a" + i, i, 40))))
                .toList();
        try (var pool = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<String>> all = IntStream.range(0, 8)
                    .mapToObj(i -> pool.submit(() -> i % 2 == 0
                            ? text(CHAT.call(prompt("a" + i, i, 40)))
                            : CHAT.stream(prompt("a" + i, i, 40))
                                    .map(SpringChecksTest::text)
                                    .collect(Collectors.joining())
                                    .block()))
                    .toList();
            for (int i = 0; i < 8; i++) {
                assertEquals(alone.get(i), all.get(i).get(), "caller " + i);
            }
        }
    }

    @Test
    void anInterruptEndsACall() throws Exception {
        CountDownLatch ended = new CountDownLatch(1);
        Thread caller = Thread.ofVirtual().start(() -> {
            try {
                CHAT.call(endless(15_000));
            } catch (RuntimeException e) {
                ended.countDown();
            }
        });
        Thread.sleep(200);
        caller.interrupt();
        assertTrue(ended.await(5, TimeUnit.SECONDS));
        idle();
    }

    // ---- streams

    @Test
    void partsAreTheWholeText() {
        ChatResponse whole = CHAT.call(prompt("a", 5, 80));
        List<ChatResponse> parts = CHAT.stream(prompt("a", 5, 80)).collectList().block();
        assertEquals(text(whole), parts.stream().map(SpringChecksTest::text).collect(Collectors.joining()));
        assertTrue(parts.size() > 20, "parts: " + parts.size());
        parts.subList(0, parts.size() - 1)
                .forEach(each -> assertFalse(text(each).isEmpty(), "an empty part"));
    }

    @Test
    void theLastPartHasReasonAndUsageAlone() {
        ChatResponse whole = CHAT.call(prompt("a", 5, 20));
        List<ChatResponse> parts = CHAT.stream(prompt("a", 5, 20)).collectList().block();
        ChatResponse last = parts.getLast();
        assertEquals(reason(whole), reason(last));
        assertEquals(out(whole), out(last));
        assertEquals(in(whole), in(last));
        for (ChatResponse part : parts.subList(0, parts.size() - 1)) {
            assertTrue(reason(part) == null || reason(part).isEmpty(), "an early reason");
            assertEquals(0, usage(part).getTotalTokens(), "an early usage, which advisors would add");
            assertEquals(last.getMetadata().getId(), part.getMetadata().getId());
            assertEquals("tools", part.getMetadata().getModel());
        }
    }

    @Test
    void aStreamIsColdAndCanBeTakenTwice() throws Exception {
        CHAT.stream(endless(15_000)); // nobody subscribes
        Thread.sleep(100);
        assertEquals(0, S.running());
        Flux<ChatResponse> stream = CHAT.stream(prompt("a", 5, 20));
        String once =
                stream.map(SpringChecksTest::text).collect(Collectors.joining()).block();
        assertEquals(
                once,
                stream.map(SpringChecksTest::text).collect(Collectors.joining()).block());
    }

    @Test
    void whoTakesNoMoreEndsTheSequence() throws Exception {
        assertEquals(
                3, CHAT.stream(endless(15_000)).take(3).collectList().block().size());
        idle();
        CHAT.stream(endless(15_000)).subscribe().dispose(); // before its first token
        idle();
        assertThrows(
                RuntimeException.class,
                () -> CHAT.stream(endless(15_000)).timeout(Duration.ofMillis(1)).blockLast());
        idle();
    }

    @Test
    void aSlowSubscriberHoldsUpItselfAlone() throws Exception {
        Prompt long1 = endless(2_000);
        String whole = CHAT.stream(long1)
                .map(SpringChecksTest::text)
                .collect(Collectors.joining())
                .block();
        StringBuilder told = new StringBuilder();
        CountDownLatch first = new CountDownLatch(1);
        CountDownLatch end = new CountDownLatch(1);
        BaseSubscriber<ChatResponse> slow = new BaseSubscriber<>() {
            @Override
            protected void hookOnSubscribe(Subscription subscription) {
                request(1);
            }

            @Override
            protected void hookOnNext(ChatResponse part) {
                told.append(text(part));
                first.countDown();
            }

            @Override
            protected void hookFinally(reactor.core.publisher.SignalType type) {
                end.countDown();
            }
        };
        long from = System.nanoTime();
        CHAT.stream(long1).map(SpringChecksTest::text).blockLast();
        long takes = (System.nanoTime() - from) / 1_000_000;
        CHAT.stream(long1).subscribe(slow);
        assertTrue(first.await(10, TimeUnit.SECONDS));
        Thread.sleep(Math.max(1_000, 3 * takes));
        assertEquals(1, S.running(), "nobody asked for more, and yet all was computed and kept");
        assertEquals(5, out(CHAT.call(prompt("b", 1, 5))), "others go on beside it");
        slow.requestUnbounded();
        assertTrue(end.await(30, TimeUnit.SECONDS));
        assertEquals(whole, told.toString());
    }

    @Test
    void errorsOfAStreamAreSignals() {
        Flux<ChatResponse> stream = CHAT.stream(prompt("word ".repeat(20_000), 1, 2)); // not thrown here
        assertThrows(IllegalArgumentException.class, stream::blockLast);
        assertThrows(
                IllegalStateException.class,
                () -> CHAT.stream(prompt("a", 1, 50))
                        .doOnNext(_ -> {
                            throw new IllegalStateException("mine");
                        })
                        .blockLast());
    }

    @Test
    void aSubscriberMayAskTheModel() {
        assertTimeoutPreemptively(
                Duration.ofSeconds(20),
                () -> CHAT.stream(prompt("a", 1, 10))
                        .take(2)
                        .doOnNext(_ -> assertEquals(2, out(CHAT.call(prompt("b", 1, 2)))))
                        .blockLast());
    }

    // ---- values

    @Test
    void aSchemaIsHeldAndNotPrompted() {
        String schema =
                "{\"type\":\"object\",\"properties\":{\"kind\":{\"enum\":[\"SPAM\",\"HAM\"]},\"sure\":{\"type\":\"boolean\"}},\"required\":[\"kind\",\"sure\"],\"additionalProperties\":false}";
        ChatOptions held = ((StructuredOutputChatOptions.Builder<?>) options(1, 500))
                .outputSchema(schema)
                .build();
        for (int seed = 0; seed < 5; seed++) {
            ChatResponse answer = CHAT.call(new Prompt(
                    "a",
                    ((StructuredOutputChatOptions.Builder<?>) options(seed, 500))
                            .outputSchema(schema)
                            .build()));
            Map<String, Object> map = JSON.fromJsonToMap(text(answer));
            assertTrue(
                    List.of("SPAM", "HAM").contains(map.get("kind")) && map.get("sure") instanceof Boolean,
                    text(answer));
            assertEquals("STOP", reason(answer));
        }
        assertEquals(in(CHAT.call(prompt("a", 1, 2))), in(CHAT.call(new Prompt("a", held))));
    }

    @Test
    void aClientMakesRecords() {
        for (int seed = 0; seed < 5; seed++) {
            Verdict verdict = ChatClient.create(CHAT)
                    .prompt("spam?")
                    .options(options(seed, 500))
                    .call()
                    .entity(
                            Verdict.class,
                            spec -> spec.useProviderStructuredOutput().validateSchema());
            assertNotNull(verdict.kind());
        }
        List<String> one = ChatClient.create(CHAT)
                .prompt("spam?")
                .options(
                        ((StructuredOutputChatOptions.Builder<?>) options(1, 500))
                                .outputSchema(
                                        "{\"type\":\"array\",\"minItems\":2,\"maxItems\":2,\"items\":{\"enum\":[\"a\",\"b\"]}}"))
                .call()
                .entity(new ParameterizedTypeReference<List<String>>() {});
        assertEquals(2, one.size());
    }

    @Test
    void aStreamHoldsASchema() {
        ChatOptions held = ((StructuredOutputChatOptions.Builder<?>) options(3, 500))
                .outputSchema("{\"enum\":[\"one\",\"two\"]}")
                .build();
        String told = CHAT.stream(new Prompt("a", held))
                .map(SpringChecksTest::text)
                .collect(Collectors.joining())
                .block();
        assertTrue(told.strip().matches("\"(one|two)\""), told);
    }

    @Test
    void badSchemasAreRefused() {
        for (String bad : List.of("{", "{\"type\":\"what\"}", "{\"$ref\":\"https://example.org/x\"}")) {
            ChatOptions asked = ((StructuredOutputChatOptions.Builder<?>) options(1, 20))
                    .outputSchema(bad)
                    .build();
            assertThrows(IllegalArgumentException.class, () -> CHAT.call(new Prompt("a", asked)), bad);
            assertThrows(
                    IllegalArgumentException.class,
                    () -> CHAT.stream(new Prompt("a", asked)).blockLast(),
                    bad);
        }
    }

    // ---- thoughts

    @Test
    void thoughtsAreNoContent() {
        ChatModel model = S.thinking();
        ChatResponse whole = model.call(prompt("a", 1, 40));
        assertEquals("", text(whole));
        String thought =
                String.valueOf(whole.getResult().getOutput().getMetadata().get("thinking"));
        assertTrue(thought.length() > 10, thought);
        List<ChatResponse> parts =
                model.stream(prompt("a", 1, 40)).collectList().block();
        assertEquals("", parts.stream().map(SpringChecksTest::text).collect(Collectors.joining()));
        StringBuilder told = new StringBuilder();
        parts.forEach(each -> told.append(each.getResult().getMetadata().<String>getOrDefault("thinking", "")));
        assertEquals(thought, told.toString());
        assertTrue(parts.size() > 5, "thoughts in parts: " + parts.size());
    }

    // ---- tools

    private static ChatOptions calling(Tools tools, long seed, int tokens) {
        ToolCallingChatOptions.Builder<?> builder =
                (ToolCallingChatOptions.Builder<?>) S.mustCall(options(seed, tokens));
        return builder.toolCallbacks(ToolCallbacks.from(tools)).build();
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
        ChatResponse end = ChatClient.create(CHAT)
                .prompt("file it")
                .options(S.mustCall(options(1, 200).temperature(0.0)))
                .tools(tools)
                .call()
                .chatResponse();
        assertEquals(1, tools.calls.get());
        assertNotNull(tools.last.get());
        assertFalse(end.hasToolCalls());
        assertTrue(out(end) > 10 && in(end) > 200, "the usage of both rounds: " + usage(end));
    }

    @Test
    void aClientExecutesToolsOfAStream() {
        Tools tools = new Tools();
        String told = ChatClient.create(CHAT)
                .prompt("file it")
                .options(S.mustCall(options(1, 200).temperature(0.0)))
                .tools(tools)
                .stream()
                .content()
                .collect(Collectors.joining())
                .block();
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

    // ---- observations

    private static final class Seen implements ObservationHandler<Observation.Context> {
        final List<Observation.Context> stopped = new ArrayList<>();

        @Override
        public synchronized void onStop(Observation.Context context) {
            stopped.add(context);
        }

        @Override
        public boolean supportsContext(Observation.Context context) {
            return true;
        }

        static ObservationRegistry registry(Seen seen) {
            ObservationRegistry registry = ObservationRegistry.create();
            registry.observationConfig().observationHandler(seen);
            return registry;
        }

        Observation.Context only() throws InterruptedException {
            for (int i = 0; i < 300 && stopped.isEmpty(); i++) {
                Thread.sleep(10);
            }
            assertEquals(1, stopped.size());
            return stopped.getFirst();
        }
    }

    @Test
    void callsAndStreamsAreObserved() throws Exception {
        for (boolean stream : List.of(false, true)) {
            Seen seen = new Seen();
            ChatModel model = S.chat(Seen.registry(seen));
            if (stream) {
                model.stream(prompt("a", 1, 5)).blockLast();
            } else {
                model.call(prompt("a", 1, 5));
            }
            ChatModelObservationContext context = (ChatModelObservationContext) seen.only();
            assertEquals("gen_ai.client.operation", context.getName());
            Map<String, String> all =
                    context.getAllKeyValues().stream().collect(Collectors.toMap(k -> k.getKey(), v -> v.getValue()));
            assertTrue(all.containsValue("causal4j"), all::toString);
            assertEquals("tools", all.get("gen_ai.response.model"));
            assertEquals("5", all.get("gen_ai.usage.output_tokens"));
            assertEquals("5", all.get("gen_ai.request.max_tokens"));
            assertNotNull(all.get("gen_ai.usage.cache_read.input_tokens"), all::toString);
        }
    }

    @Test
    void aCancelledStreamIsObserved() throws Exception {
        Seen seen = new Seen();
        S.chat(Seen.registry(seen)).stream(endless(15_000)).take(3).blockLast();
        seen.only();
        seen.stopped.clear();
        assertThrows(
                IllegalArgumentException.class,
                () -> S.chat(Seen.registry(seen)).call(new Prompt("word ".repeat(20_000))));
    }

    // ---- embeddings

    @Test
    void vectorsHaveLengthOneAndTheSameBitsInAnyCompany() {
        List<String> texts =
                IntStream.range(0, 20).mapToObj(i -> "text " + "ab".repeat(i)).toList();
        List<float[]> all = EMBED.embed(texts);
        for (int i = 0; i < 20; i++) {
            assertArrayEquals(EMBED.embed(texts.get(i)), all.get(i), 0, texts.get(i));
            double length = 0;
            for (float x : all.get(i)) {
                length += x * x;
            }
            assertEquals(1, length, 1e-5);
        }
        assertEquals(EMBED.dimensions(), all.getFirst().length);
    }

    @Test
    void embeddingsHaveIndexesModelAndUsage() {
        EmbeddingResponse two = EMBED.embedForResponse(List.of("a", "bc"));
        assertEquals(
                List.of(0, 1),
                two.getResults().stream().map(Embedding::getIndex).toList());
        assertEquals("tools", two.getMetadata().getModel());
        assertEquals(
                "abc".getBytes(StandardCharsets.UTF_8).length,
                two.getMetadata().getUsage().getPromptTokens());
        assertEquals(
                0,
                EMBED.call(new EmbeddingRequest(List.of(), null)).getResults().size());
    }

    @Test
    void embeddingsRefuseWhatTheyCannotDo() {
        assertThrows(
                IllegalArgumentException.class,
                () -> EMBED.call(new EmbeddingRequest(
                        List.of("a"), EmbeddingOptions.builder().dimensions(7).build())));
        assertThrows(
                IllegalArgumentException.class,
                () -> EMBED.call(new EmbeddingRequest(
                        List.of("a"), EmbeddingOptions.builder().model("other").build())));
        assertThrows(IllegalArgumentException.class, () -> EMBED.embed("word ".repeat(20_000)));
        assertEquals(
                EMBED.dimensions(),
                EMBED.call(new EmbeddingRequest(
                                List.of("a"),
                                EmbeddingOptions.builder()
                                        .dimensions(EMBED.dimensions())
                                        .build()))
                        .getResult()
                        .getOutput()
                        .length);
    }

    @Test
    void aVectorStoreFindsTheTextItself() {
        SimpleVectorStore store = SimpleVectorStore.builder(EMBED).build();
        List<String> texts = List.of("the cat sat on the mat", "rain in May", "an engine of steam", "letters to Emma");
        store.add(texts.stream().map(Document::new).toList());
        for (String each : texts) {
            List<Document> found = store.similaritySearch(
                    SearchRequest.builder().query(each).topK(1).build());
            assertEquals(each, found.getFirst().getText());
            assertEquals(1.0, found.getFirst().getScore(), 1e-5);
        }
    }

    @Test
    void embeddingsAreObserved() throws Exception {
        Seen seen = new Seen();
        S.embedding(Seen.registry(seen)).embed(List.of("a", "b"));
        EmbeddingModelObservationContext context = (EmbeddingModelObservationContext) seen.only();
        assertEquals("gen_ai.client.operation", context.getName());
        Map<String, String> all =
                context.getAllKeyValues().stream().collect(Collectors.toMap(k -> k.getKey(), v -> v.getValue()));
        assertEquals("tools", all.get("gen_ai.request.model"));
        assertEquals("2", all.get("gen_ai.usage.input_tokens"));
    }
}
