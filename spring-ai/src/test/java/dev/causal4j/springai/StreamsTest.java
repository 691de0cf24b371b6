package dev.causal4j.springai;

import static dev.causal4j.springai.Requests.greedy;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.micrometer.observation.Observation;
import io.micrometer.observation.ObservationRegistry;
import io.micrometer.observation.contextpropagation.ObservationThreadLocalAccessor;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.springframework.ai.chat.model.ChatModel;
import org.springframework.ai.chat.model.ChatResponse;
import org.springframework.ai.chat.observation.ChatModelObservationContext;
import org.springframework.ai.chat.prompt.Prompt;
import reactor.core.publisher.Flux;

/** Streams beside calls, what observers see of both, and what is left. */
class StreamsTest extends SpringChecks {
    private static ChatModelObservationContext chat(Seen seen) throws InterruptedException {
        ChatModelObservationContext only = (ChatModelObservationContext) seen.only();
        seen.stopped.clear();
        return only;
    }

    private static String joined(Flux<ChatResponse> stream) {
        return Objects.requireNonNull(
                stream.map(SpringChecks::text).collect(Collectors.joining()).block());
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
                IntStream.range(0, 64).mapToObj(i -> answer(i, CHAT)).toList();
        idle();
        long threads = platformThreads();
        List<String> together = new ArrayList<>();
        try (var callers = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<String>> all = IntStream.range(0, 64)
                    .mapToObj(i -> callers.submit(() -> answer(i, CHAT)))
                    .toList();
            for (Future<String> each : all) {
                together.add(each.get());
            }
        }
        assertThat(together).isEqualTo(alone);
        assertThat(alone.stream().distinct()).hasSizeGreaterThan(40);
        idle();
        // Carriers of virtual threads come and go with the load.
        assertThat(platformThreads())
                .isLessThanOrEqualTo(threads + Runtime.getRuntime().availableProcessors());
    }

    /** A subscriber that cancels while it takes a part is not interrupted in what it does next. */
    @Test
    void whoCancelsMayAskTheModel() {
        List<String> asked = new ArrayList<>();
        CHAT.stream(new Prompt("a", greedy().build()))
                .take(1)
                .doOnNext(_ -> asked.add(text(CHAT.call(prompt("b", 1, 9)))))
                .blockLast();
        CHAT.stream(new Prompt("a", greedy().build()))
                .takeUntil(part -> {
                    asked.add(text(CHAT.call(prompt("b", 1, 9))));
                    return true;
                })
                .doOnCancel(() -> asked.add(text(CHAT.call(prompt("b", 1, 9)))))
                .blockLast();
        assertThat(asked).hasSizeGreaterThan(1).containsOnly(text(CHAT.call(prompt("b", 1, 9))));
    }

    @Test
    void observersSeeTheEndBeforeTheSubscriber() {
        Seen seen = new Seen();
        ChatModel model = S.chat(Seen.registry(seen));
        ChatResponse last =
                Objects.requireNonNull(model.stream(prompt("a", 5, 20)).blockLast());
        ChatModelObservationContext context = (ChatModelObservationContext) seen.stopped.getFirst();
        ChatResponse response = Objects.requireNonNull(context.getResponse());
        assertThat(text(response))
                .isEqualTo(text(CHAT.call(prompt("a", 5, 20))))
                .isNotEmpty();
        assertThat(reason(response)).isEqualTo(reason(last));
        assertThat(response.getMetadata().getId()).isEqualTo(last.getMetadata().getId());
        assertThat(response.getMetadata().getUsage())
                .isEqualTo(last.getMetadata().getUsage());
        assertThat(Objects.requireNonNull(context.getRequest().getOptions()).getModel())
                .isEqualTo("tools");
        assertThat(context.isStreaming()).isTrue();
    }

    @Test
    void observersSeeWhatWasToldUntilItWasCancelled() throws Exception {
        Seen seen = new Seen();
        ChatModel model = S.chat(Seen.registry(seen));
        String told = joined(model.stream(new Prompt("a", greedy().build())).take(3));
        ChatModelObservationContext context = chat(seen);
        ChatResponse response = Objects.requireNonNull(context.getResponse());
        assertThat(reason(response)).isEqualTo("CANCELLED");
        assertThat(text(response)).startsWith(told);
        assertThat(response.getMetadata().getUsage().getCompletionTokens()).isBetween(3, 5);
        assertThat(response.getMetadata().getUsage().getPromptTokens()).isGreaterThan(5);
        assertThat(context.getError()).isNull();
        assertThat(seen.interrupted).isFalse(); // observers are not cancelled
    }

    @Test
    void observersSeeErrors() throws Exception {
        Seen seen = new Seen();
        ChatModel model = S.chat(Seen.registry(seen));
        Prompt wrong = new Prompt("a", Causal4jChatOptions.builder().topP(2.0).build());
        assertThatThrownBy(() -> model.call(wrong)).isSameAs(chat(seen).getError());
        assertThatThrownBy(() -> model.stream(wrong).blockLast())
                .isSameAs(chat(seen).getError())
                .hasMessageContaining("top-p");
    }

    @Test
    void anObservationOfAStreamHasTheParentOfItsContext() throws Exception {
        Seen seen = new Seen();
        ObservationRegistry registry = Seen.registry(seen);
        Observation parent = Observation.createNotStarted("mine", ObservationRegistry.create());
        S.chat(registry).stream(prompt("a", 1, 2))
                .contextWrite(context -> context.put(ObservationThreadLocalAccessor.KEY, parent))
                .blockLast();
        assertThat(chat(seen).getParentObservation()).isSameAs(parent);
    }
}
