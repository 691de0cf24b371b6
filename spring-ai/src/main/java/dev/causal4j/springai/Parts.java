package dev.causal4j.springai;

import dev.causal4j.chat.Answer;
import java.util.concurrent.CancellationException;
import java.util.concurrent.locks.LockSupport;
import java.util.function.UnaryOperator;
import org.springframework.ai.chat.model.ChatResponse;
import reactor.core.publisher.FluxSink;

/**
 * The parts of an answer, for the subscriber of a stream. Each waits until the subscriber asks for one, so a slow
 * subscriber holds up its own sequence alone. Used by one thread.
 */
final class Parts implements Answer.Listener {
    private final FluxSink<ChatResponse> sink;
    final Responses responses;
    private final UnaryOperator<String> edges;
    private final StringBuilder text = new StringBuilder();
    private int promptTokens;
    private int tokens;

    Parts(FluxSink<ChatResponse> sink, Responses responses) {
        this.sink = sink;
        this.responses = responses;
        edges = responses.format().template().isPlain() ? Answer.stripping() : UnaryOperator.identity();
    }

    /** Runs work on a virtual thread that the subscriber's requests wake and its cancellation interrupts. */
    static void start(FluxSink<ChatResponse> sink, Runnable work) {
        Thread thread = Thread.ofVirtual().name("causal4j-chat").unstarted(work);
        sink.onRequest(_ -> LockSupport.unpark(thread));
        sink.onCancel(() -> {
            if (Thread.currentThread() != thread) { // who cancels while it takes a part may call the model
                thread.interrupt();
            }
        });
        thread.start();
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
        String told = edges.apply(piece);
        if (!told.isEmpty()) {
            text.append(told);
            tell(responses.content(told));
        }
    }

    @Override
    public void reasoning(String piece) {
        if (!piece.isEmpty()) {
            tell(responses.thought(piece));
        }
    }

    @Override
    public boolean goesOn() {
        tokens++;
        return !isCancelled(); // an interrupt before the thread began is lost
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

    /** The answer as far as it was told, for observers. */
    ChatResponse cancelled() {
        return responses.cancelled(text.toString(), promptTokens, tokens);
    }
}
