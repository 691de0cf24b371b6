package dev.causal4j.generation;

import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;

/** Tokens on their way to a consumer that may be slower than the engine. */
final class TokenQueue implements TokenListener {
    private static final int MOST = 64;

    private final BlockingQueue<Optional<GeneratedToken>> tokens = new LinkedBlockingQueue<>();
    private final Engine engine;

    TokenQueue(Engine engine) {
        this.engine = engine;
    }

    @Override
    public boolean accept(GeneratedToken token) {
        return tokens.add(Optional.of(token));
    }

    @Override
    public boolean ready() {
        return tokens.size() < MOST;
    }

    /** No token will come. */
    void end() {
        tokens.add(Optional.empty());
    }

    /** The next token; empty at the end. */
    Optional<GeneratedToken> take() throws InterruptedException {
        Optional<GeneratedToken> token = tokens.take();
        if (tokens.size() == MOST - 1) {
            engine.wake();
        }
        return token;
    }
}
