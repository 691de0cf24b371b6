package dev.causal4j.springai;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.jspecify.annotations.NullUnmarked;
import org.junit.jupiter.api.Test;
import org.reactivestreams.Subscription;
import org.springframework.ai.chat.model.ChatModel;
import org.springframework.ai.chat.model.ChatResponse;
import org.springframework.ai.chat.observation.ChatModelObservationContext;
import org.springframework.ai.chat.prompt.Prompt;
import reactor.core.publisher.BaseSubscriber;
import reactor.core.publisher.Flux;

/** Streams, and what observers see of them and of calls. */
@NullUnmarked // where Spring AI has nothing to give, a check fails
class StreamChecksTest extends SpringChecks {

    @Test
    void partsAreTheWholeText() {
        ChatResponse whole = CHAT.call(prompt("a", 5, 80));
        List<ChatResponse> parts = CHAT.stream(prompt("a", 5, 80)).collectList().block();
        assertEquals(text(whole), parts.stream().map(SpringChecks::text).collect(Collectors.joining()));
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
                stream.map(SpringChecks::text).collect(Collectors.joining()).block();
        assertEquals(
                once,
                stream.map(SpringChecks::text).collect(Collectors.joining()).block());
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
                .map(SpringChecks::text)
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
        CHAT.stream(long1).map(SpringChecks::text).blockLast();
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

    // ---- observations

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
}
