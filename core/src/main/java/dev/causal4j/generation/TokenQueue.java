package dev.causal4j.generation;

import dev.causal4j.generation.friend.EngineControl;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;

/** A sequence whose tokens another thread takes, perhaps more slowly than the engine generates them. */
final class TokenQueue implements TokenListener {
    private static final int MOST = 64;

    private final BlockingQueue<Optional<GeneratedToken>> tokens = new LinkedBlockingQueue<>();
    private final Engine engine;
    final CompletableFuture<Generation> result;

    TokenQueue(Engine engine, GenerationRequest request) {
        engine.checkCaller();
        this.engine = engine;
        result = engine.submit(request, this);
        var _ = result.whenComplete((_, _) -> tokens.add(Optional.empty()));
    }

    @Override
    public boolean accept(GeneratedToken token) {
        return tokens.add(Optional.of(token));
    }

    @Override
    public boolean ready() {
        return tokens.size() < MOST;
    }

    /** Waits for the next token; empty at the end. Throws the exception that ended the sequence. */
    Optional<GeneratedToken> next() {
        try {
            Optional<GeneratedToken> token = tokens.take();
            if (token.isEmpty()) {
                tokens.add(token); // for whoever asks again
                EngineControl.await(result);
            } else if (tokens.size() == MOST - 1) {
                engine.wake();
            }
            return token;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CancellationException("generation: cancelled while waiting for a token");
        }
    }

    /** Ends the sequence, unless it has ended, and waits for its end. */
    void end() {
        result.cancel(false);
        result.handle((_, _) -> 0).join();
    }
}
