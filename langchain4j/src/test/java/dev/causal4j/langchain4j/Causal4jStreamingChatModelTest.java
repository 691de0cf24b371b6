package dev.causal4j.langchain4j;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.constraint.Constraint;
import dev.causal4j.generation.Engine;
import dev.causal4j.generation.EngineOptions;
import dev.causal4j.generation.LogitRule;
import dev.langchain4j.agent.tool.ToolExecutionRequest;
import dev.langchain4j.agent.tool.ToolSpecification;
import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.exception.RateLimitException;
import dev.langchain4j.model.chat.ChatModel;
import dev.langchain4j.model.chat.StreamingChatModel;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.CompleteToolCall;
import dev.langchain4j.model.chat.response.PartialResponse;
import dev.langchain4j.model.chat.response.PartialResponseContext;
import dev.langchain4j.model.chat.response.PartialThinking;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import dev.langchain4j.model.chat.response.StreamingHandle;
import dev.langchain4j.model.output.FinishReason;
import java.io.Closeable;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** Claims that LangChain4j's suite does not make, or takes half a minute for. */
class Causal4jStreamingChatModelTest {
    /** Notes what comes, and waits in its first call until it may continue. */
    private static final class Handler implements StreamingChatResponseHandler {
        final List<String> parts = Collections.synchronizedList(new ArrayList<>());
        final List<String> complete = Collections.synchronizedList(new ArrayList<>()); // ids of calls
        final CountDownLatch called = new CountDownLatch(1);
        final CountDownLatch mayGoOn = new CountDownLatch(1);
        final CompletableFuture<ChatResponse> response = new CompletableFuture<>();
        final boolean cancels;
        volatile @Nullable StreamingHandle handle;
        volatile @Nullable Thread thread; // on which all parts come

        Handler(boolean waits, boolean cancels) {
            this.cancels = cancels;
            if (!waits) {
                mayGoOn.countDown();
            }
        }

        @Override
        public void onPartialResponse(PartialResponse part, PartialResponseContext context) {
            handle = context.streamingHandle();
            thread = Thread.currentThread();
            parts.add(part.text());
            called.countDown();
            try {
                assertThat(mayGoOn.await(60, TimeUnit.SECONDS)).isTrue();
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
            if (cancels) {
                context.streamingHandle().cancel();
            }
        }

        @Override
        public void onCompleteToolCall(CompleteToolCall call) {
            complete.add(call.toolExecutionRequest().id());
        }

        @Override
        public void onCompleteResponse(ChatResponse whole) {
            response.complete(whole);
        }

        @Override
        public void onError(Throwable error) {
            response.completeExceptionally(error);
        }

        /** Waits until nothing more can come. */
        void awaitEnd() throws InterruptedException {
            assertThat(Objects.requireNonNull(thread).join(Duration.ofSeconds(60)))
                    .isTrue();
        }

        /** Waits until all tokens that were made have been told: the thread waits for another one. */
        void awaitNextToken() throws InterruptedException {
            Thread told = Objects.requireNonNull(thread);
            for (int i = 0; i < 6000 && told.getState() != Thread.State.WAITING; i++) {
                Thread.sleep(10);
            }
            assertThat(told.getState()).isEqualTo(Thread.State.WAITING);
        }

        Throwable error() throws InterruptedException, TimeoutException {
            try {
                throw new AssertionError(response.get(60, TimeUnit.SECONDS));
            } catch (ExecutionException e) {
                return Objects.requireNonNull(e.getCause());
            }
        }
    }

    private static StreamingChatModel model(Engine engine) {
        return builder(engine).build();
    }

    private static Causal4jStreamingChatModel.Builder builder(Engine engine) {
        return Causal4jStreamingChatModel.builder()
                .engine(engine)
                .chatTemplate(Taught.TEMPLATE)
                .temperature(3.0)
                .seed(1L);
    }

    @Test
    void aHandlerThatWaitsHoldsNobodyUpAndMissesNothing() throws Exception {
        try (Engine engine = new Engine(Taught.MODEL)) {
            Handler slow = new Handler(true, false);
            model(engine).chat("hello", slow);
            assertThat(slow.called.await(60, TimeUnit.SECONDS)).isTrue();
            ChatModel other = Causal4jChatModel.builder()
                    .engine(engine)
                    .chatTemplate(Taught.TEMPLATE)
                    .temperature(3.0)
                    .seed(1L)
                    .build();
            String whole = other.chat("hello"); // as many tokens as the context has room for, and no engine was waiting
            assertThat(slow.parts).hasSize(1);
            slow.mayGoOn.countDown();
            assertThat(slow.response.get(60, TimeUnit.SECONDS).aiMessage().text())
                    .isEqualTo(String.join("", slow.parts))
                    .isEqualTo(whole);
        }
    }

    @Test
    void nothingComesAfterACancellationAndTheSequenceEnds() throws Exception {
        try (Engine engine = new Engine(Taught.MODEL)) {
            Handler cancelling = new Handler(false, true);
            model(engine).chat("hello", cancelling);
            assertThat(cancelling.called.await(60, TimeUnit.SECONDS)).isTrue();
            for (int i = 0; i < 6000 && engine.running() + engine.waiting() > 0; i++) {
                Thread.sleep(10);
            }
            assertThat(engine.running()).isZero();
            cancelling.awaitEnd();
            assertThat(cancelling.parts).hasSize(1);
            assertThat(cancelling.response).isNotDone();
        }
    }

    /** A token is held back, and the cancellation comes while nothing is told. */
    @Test
    void nothingComesAfterACancellationOfAnotherThread() throws Exception {
        Handler handler = new Handler(false, false);
        CountDownLatch held = new CountDownLatch(1);
        CompletableFuture<Boolean> cancelled = new CompletableFuture<>();
        LogitRule holds = (_, soFar) -> {
            if (soFar.length() == soFar.promptLength() + 8) {
                held.countDown();
                cancelled.join();
            }
        };
        try (Engine engine = new Engine(Taught.MODEL)) {
            builder(engine).options(options -> options.withRule(holds)).build().chat("hello", handler);
            assertThat(held.await(60, TimeUnit.SECONDS)).isTrue();
            assertThat(handler.called.await(60, TimeUnit.SECONDS)).isTrue();
            handler.awaitNextToken();
            int told = handler.parts.size();
            Objects.requireNonNull(handler.handle).cancel();
            cancelled.complete(true);
            handler.awaitEnd();
            assertThat(handler.parts).hasSize(told);
            assertThat(handler.response).isNotDone();
        }
    }

    @Test
    void aFullQueueIsARateLimit() throws Exception {
        EngineOptions one = EngineOptions.DEFAULT.withParallel(1).withQueue(1);
        CountDownLatch held = new CountDownLatch(1);
        CompletableFuture<Boolean> released = new CompletableFuture<>();
        LogitRule holds = (_, _) -> {
            held.countDown();
            released.join();
        };
        try (Engine engine = new Engine(Taught.MODEL, one);
                Closeable _ = () -> released.complete(true)) { // else the engine could not be closed
            Handler computed = new Handler(false, true);
            builder(engine).options(options -> options.withRule(holds)).build().chat("hello", computed);
            assertThat(held.await(60, TimeUnit.SECONDS)).isTrue();
            Handler waiting = new Handler(false, true);
            model(engine).chat("hello", waiting);
            for (int i = 0; i < 6000 && engine.waiting() == 0; i++) {
                Thread.sleep(10);
            }
            Handler refused = new Handler(false, false);
            model(engine).chat("hello", refused);
            assertThat(refused.error())
                    .isExactlyInstanceOf(RateLimitException.class)
                    .hasMessage("queue: expected at most 1 waiting sequences, got 2; try again later");
            released.complete(true);
            assertThat(waiting.called.await(60, TimeUnit.SECONDS)).isTrue();
        }
    }

    /** A plain transcript has no thoughts but beside calls, for the server and for a {@link Chat} alike. */
    @Test
    void thoughtsAreThoseOfAChatAndAStreamTellsThem() throws Exception {
        String text = "<think>a</think> b";
        ToolSpecification tool = ToolSpecification.builder().name("now").build();
        for (boolean tools : new boolean[] {false, true}) {
            StringBuilder thinking = new StringBuilder();
            CompletableFuture<ChatResponse> response = new CompletableFuture<>();
            ChatRequest request = ChatRequest.builder()
                    .messages(UserMessage.from("hello"))
                    .toolSpecifications(tools ? List.of(tool) : List.of())
                    .build();
            builder(Taught.ENGINE)
                    .options(options -> options.withConstraint(Constraint.choice(List.of(text))))
                    .build()
                    .chat(request, new StreamingChatResponseHandler() {
                        @Override
                        public void onPartialThinking(PartialThinking part) {
                            thinking.append(part.text());
                        }

                        @Override
                        public void onCompleteResponse(ChatResponse whole) {
                            response.complete(whole);
                        }

                        @Override
                        public void onError(Throwable error) {
                            response.completeExceptionally(error);
                        }
                    });
            AiMessage message = response.get(60, TimeUnit.SECONDS).aiMessage();
            assertThat(message.text()).isEqualTo(tools ? "b" : text);
            assertThat(message.thinking()).isEqualTo(tools ? "a" : null);
            assertThat(thinking).asString().isEqualTo(tools ? "a" : "");
        }
    }

    /** Whoever listens executes a call that is complete, so the message must have it. */
    @Test
    void theMessageOfACutAnswerHasTheCallsThatWereComplete() throws Exception {
        String call = "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>\n";
        int[] cut = Taught.MODEL.requireTokenizer().encode(call + "<tool_call>\n{\"name\": \"now\", \"arguments\": {");
        LogitRule dictates = (logits, soFar) -> {
            int token = cut[soFar.length() - soFar.promptLength()];
            float kept = logits[token];
            Arrays.fill(logits, Float.NEGATIVE_INFINITY);
            logits[token] = kept;
        };
        Handler handler = new Handler(false, false);
        ChatRequest request = ChatRequest.builder()
                .messages(UserMessage.from("hello"))
                .toolSpecifications(ToolSpecification.builder().name("now").build())
                .maxOutputTokens(cut.length)
                .build();
        Taught.streaming()
                .options(options -> options.withRule(dictates))
                .build()
                .chat(request, handler);
        ChatResponse answer = handler.response.get(60, TimeUnit.SECONDS);
        assertThat(answer.finishReason()).isEqualTo(FinishReason.LENGTH);
        assertThat(answer.aiMessage().toolExecutionRequests())
                .extracting(ToolExecutionRequest::id)
                .hasSize(1)
                .isEqualTo(handler.complete);
    }

    @Test
    void aPromptLongerThanTheContextIsToldToTheHandler() throws Exception {
        Handler handler = new Handler(false, false);
        model(Taught.ENGINE).chat("word ".repeat(400), handler);
        assertThat(handler.error())
                .isExactlyInstanceOf(InvalidRequestException.class)
                .hasMessageStartingWith("prompt: expected at most 256 tokens, the context length, got 4");
    }
}
