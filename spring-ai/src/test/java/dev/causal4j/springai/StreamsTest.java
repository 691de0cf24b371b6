package dev.causal4j.springai;

import static dev.causal4j.springai.Requests.awaitIdle;
import static dev.causal4j.springai.Requests.endless;
import static dev.causal4j.springai.Requests.prompt;
import static dev.causal4j.springai.Requests.reason;
import static dev.causal4j.springai.Requests.registry;
import static dev.causal4j.springai.Requests.text;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.micrometer.observation.Observation;
import io.micrometer.observation.ObservationHandler;
import io.micrometer.observation.ObservationRegistry;
import io.micrometer.observation.contextpropagation.ObservationThreadLocalAccessor;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.springframework.ai.chat.model.ChatModel;
import org.springframework.ai.chat.model.ChatResponse;
import org.springframework.ai.chat.observation.ChatModelObservationContext;
import org.springframework.ai.chat.prompt.Prompt;
import reactor.core.publisher.Flux;

/** Streams beside calls, what observers see of both, and what is left. */
class StreamsTest {
    private static final ChatModel MODEL = Subject.IT.chat(ObservationRegistry.NOOP);

    @AfterEach
    void nothingIsLeft() throws InterruptedException {
        awaitIdle();
    }

    /** Passes the context of each observation that has stopped. */
    private static final class Stopped implements ObservationHandler<Observation.Context> {
        private final BlockingQueue<ChatModelObservationContext> all = new LinkedBlockingQueue<>();

        @Override
        public void onStop(Observation.Context context) {
            assertThat(Thread.currentThread().isInterrupted()).isFalse();
            all.add((ChatModelObservationContext) context);
        }

        @Override
        public boolean supportsContext(Observation.Context context) {
            return true;
        }

        ChatModelObservationContext next() throws InterruptedException {
            return Objects.requireNonNull(all.poll(60, TimeUnit.SECONDS));
        }
    }

    private static String joined(Flux<ChatResponse> stream) {
        return Objects.requireNonNull(
                stream.map(Requests::text).collect(Collectors.joining()).block());
    }

    private static long platformThreads() {
        return Thread.getAllStackTraces().size(); // of platform threads alone
    }

    /** Every second is a stream, and every fourth is cancelled after three parts. */
    private static String answer(int caller, ChatModel model) {
        Prompt asked = prompt("caller " + caller, caller, 20 + caller % 30);
        return switch (caller % 4) {
            case 0 -> joined(model.stream(asked).take(3));
            case 2 -> joined(model.stream(asked));
            default -> text(model.call(asked));
        };
    }

    @Test
    void manyCallersGetWhatEachGetsAloneAndLeaveNothing() throws Exception {
        List<String> alone =
                IntStream.range(0, 64).mapToObj(i -> answer(i, MODEL)).toList();
        awaitIdle();
        long threads = platformThreads();
        List<String> together = new ArrayList<>();
        try (var callers = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<String>> all = IntStream.range(0, 64)
                    .mapToObj(i -> callers.submit(() -> answer(i, MODEL)))
                    .toList();
            for (Future<String> each : all) {
                together.add(each.get());
            }
        }
        assertThat(together).isEqualTo(alone);
        assertThat(alone.stream().distinct()).hasSizeGreaterThan(40);
        awaitIdle();
        // Carriers of virtual threads come and go with the load.
        assertThat(platformThreads())
                .isLessThanOrEqualTo(threads + Runtime.getRuntime().availableProcessors());
    }

    /** A subscriber that cancels while it takes a part is not interrupted in what it does next. */
    @Test
    void whoCancelsMayAskTheModel() {
        List<String> asked = new ArrayList<>();
        MODEL.stream(new Prompt("a", endless().build()))
                .take(1)
                .doOnNext(_ -> asked.add(text(MODEL.call(prompt("b", 1, 9)))))
                .blockLast();
        MODEL.stream(new Prompt("a", endless().build()))
                .takeUntil(part -> {
                    asked.add(text(MODEL.call(prompt("b", 1, 9))));
                    return true;
                })
                .doOnCancel(() -> asked.add(text(MODEL.call(prompt("b", 1, 9)))))
                .blockLast();
        assertThat(asked).hasSizeGreaterThan(1).containsOnly(text(MODEL.call(prompt("b", 1, 9))));
    }

    @Test
    void observersSeeTheEndBeforeTheSubscriber() {
        Stopped stopped = new Stopped();
        ChatModel model = Subject.IT.chat(registry(stopped));
        ChatResponse last =
                Objects.requireNonNull(model.stream(prompt("a", 5, 20)).blockLast());
        ChatModelObservationContext context = Objects.requireNonNull(stopped.all.poll());
        ChatResponse seen = Objects.requireNonNull(context.getResponse());
        assertThat(text(seen)).isEqualTo(text(MODEL.call(prompt("a", 5, 20)))).isNotEmpty();
        assertThat(reason(seen)).isEqualTo(reason(last));
        assertThat(seen.getMetadata().getId()).isEqualTo(last.getMetadata().getId());
        assertThat(seen.getMetadata().getUsage()).isEqualTo(last.getMetadata().getUsage());
        assertThat(Objects.requireNonNull(context.getRequest().getOptions()).getModel())
                .isEqualTo("tools");
        assertThat(context.isStreaming()).isTrue();
    }

    @Test
    void observersSeeWhatWasToldUntilItWasCancelled() throws Exception {
        Stopped stopped = new Stopped();
        ChatModel model = Subject.IT.chat(registry(stopped));
        String told = joined(model.stream(new Prompt("a", endless().build())).take(3));
        ChatModelObservationContext context = stopped.next();
        ChatResponse seen = Objects.requireNonNull(context.getResponse());
        assertThat(reason(seen)).isEqualTo("CANCELLED");
        assertThat(text(seen)).startsWith(told);
        assertThat(seen.getMetadata().getUsage().getCompletionTokens()).isBetween(3, 5);
        assertThat(seen.getMetadata().getUsage().getPromptTokens()).isGreaterThan(5);
        assertThat(context.getError()).isNull();
    }

    @Test
    void observersSeeErrors() throws Exception {
        Stopped stopped = new Stopped();
        ChatModel model = Subject.IT.chat(registry(stopped));
        Prompt wrong = new Prompt("a", Causal4jChatOptions.builder().topP(2.0).build());
        assertThatThrownBy(() -> model.call(wrong)).isSameAs(stopped.next().getError());
        @Nullable
        Throwable streamed = model.stream(wrong).materialize().blockLast().getThrowable();
        assertThat(streamed).isNotNull().isSameAs(stopped.next().getError());
    }

    @Test
    void anObservationOfAStreamHasTheParentOfItsContext() throws Exception {
        Stopped stopped = new Stopped();
        ObservationRegistry registry = registry(stopped);
        Observation parent = Observation.createNotStarted("mine", ObservationRegistry.create());
        Subject.IT.chat(registry).stream(prompt("a", 1, 2))
                .contextWrite(context -> context.put(ObservationThreadLocalAccessor.KEY, parent))
                .blockLast();
        assertThat(stopped.next().getParentObservation()).isSameAs(parent);
    }
}
