package dev.causal4j.springai;

import dev.causal4j.chat.Answer;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.locks.LockSupport;
import org.springframework.ai.chat.messages.AssistantMessage;
import org.springframework.ai.chat.metadata.ChatGenerationMetadata;
import org.springframework.ai.chat.metadata.ChatResponseMetadata;
import org.springframework.ai.chat.metadata.DefaultUsage;
import org.springframework.ai.chat.model.ChatResponse;
import org.springframework.ai.chat.model.Generation;
import reactor.core.publisher.FluxSink;

/**
 * The parts of an answer, for the subscriber of a stream. Each waits until the subscriber asks for one, so a slow
 * subscriber holds up its own sequence alone. Used by one thread.
 */
final class Parts implements Answer.Listener {
    private final FluxSink<ChatResponse> sink;
    private final String id;
    private final String model;
    private final ChatResponseMetadata metadata; // of all parts but the last
    private final StringBuilder text = new StringBuilder();
    private int promptTokens;
    private int tokens;

    Parts(FluxSink<ChatResponse> sink, String id, String model) {
        this.sink = sink;
        this.id = id;
        this.model = model;
        metadata = ChatResponseMetadata.builder().id(id).model(model).build();
    }

    /** Runs work on a virtual thread that the subscriber's requests wake and its cancellation interrupts. */
    static void start(FluxSink<ChatResponse> sink, Runnable work) {
        Thread thread = Thread.ofVirtual().name("causal4j-chat").unstarted(work);
        sink.onRequest(_ -> LockSupport.unpark(thread));
        sink.onCancel(() -> {
            if (Thread.currentThread()
                    != thread) { // a subscriber that cancels while it takes a part may call the model
                thread.interrupt();
            }
        });
        thread.start();
    }

    String id() {
        return id;
    }

    /** Takes the length of the prompt, once it is known. */
    void begin(int promptTokens) {
        this.promptTokens = promptTokens;
    }

    boolean isCancelled() {
        return sink.isCancelled();
    }

    @Override
    public void content(String piece) {
        if (!piece.isEmpty()) {
            text.append(piece);
            tell(piece, ChatGenerationMetadata.NULL);
        }
    }

    @Override
    public void reasoning(String piece) {
        if (!piece.isEmpty()) {
            tell(
                    "",
                    ChatGenerationMetadata.builder()
                            .metadata(Translation.THINKING, piece)
                            .build());
        }
    }

    @Override
    public boolean goesOn() {
        tokens++;
        return !sink.isCancelled(); // an interrupt before the thread began is lost
    }

    private void tell(String piece, ChatGenerationMetadata about) {
        tell(new ChatResponse(List.of(new Generation(new AssistantMessage(piece), about)), metadata));
    }

    /**
     * Waits until the subscriber asks for a part, and passes it; nothing once it has cancelled.
     *
     * @throws CancellationException if this thread is interrupted while it waits
     */
    void tell(ChatResponse part) {
        while (!isCancelled() && sink.requestedFromDownstream() == 0) {
            LockSupport.park(this);
            if (Thread.currentThread().isInterrupted()) {
                throw new CancellationException("stream: cancelled while it waited for its subscriber");
            }
        }
        if (!isCancelled()) {
            sink.next(part);
        }
    }

    /** What was told until it was cancelled, for observers. */
    ChatResponse cancelled() {
        return new ChatResponse(
                List.of(new Generation(
                        new AssistantMessage(text.toString()),
                        ChatGenerationMetadata.builder()
                                .finishReason("CANCELLED")
                                .build())),
                ChatResponseMetadata.builder()
                        .id(id)
                        .model(model)
                        .usage(new DefaultUsage(promptTokens, tokens))
                        .build());
    }
}
