package dev.causal4j.server;

import dev.causal4j.json.Json;
import dev.causal4j.server.ServerOptions.Answered;
import io.undertow.server.HttpServerExchange;
import io.undertow.util.Headers;
import io.undertow.util.HttpString;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.xnio.IoUtils;
import org.xnio.channels.StreamSinkChannel;

/**
 * A request whose body was read, and its response. Writing parks the request's virtual thread, never a platform thread, and
 * closes a connection whose client reads nothing for half a minute. Confined to one thread, except {@link #depart}.
 */
final class Call {
    private static final int PIECE = 16 << 10; // bytes
    private static final int GONE = 499; // as nginx calls it
    private static final HttpString BUFFERING = HttpString.tryFromString("X-Accel-Buffering");

    final HttpServerExchange exchange;

    final Dialect dialect;

    /** The body; may be read once, which frees its memory. */
    final Supplier<byte[]> body;

    /** Bytes of the body. */
    final int size;

    /** Requests of one owner share keys and values; empty for those without a key. */
    final String owner;

    /** The caller that takes turns with others: the owner, or the network of a client without a key. */
    final Object caller;

    private final long start = System.nanoTime();
    private @Nullable StreamSinkChannel sink; // once the answer has begun
    private Runnable whenGone = () -> {};
    private final Semaphore writable = new Semaphore(0);
    private volatile double stalled = Double.POSITIVE_INFINITY; // #seconds at which the client stopped reading
    volatile String model = ""; // for the log, if there are several
    volatile int promptTokens;
    private final AtomicInteger newTokens = new AtomicInteger();
    private volatile OptionalDouble firstToken = OptionalDouble.empty();
    private String reason = ""; // of an error
    private boolean gone;
    private volatile boolean ended;

    Call(HttpServerExchange exchange, Dialect dialect, String owner, int size, Supplier<byte[]> body) {
        this.exchange = exchange;
        this.dialect = dialect;
        this.owner = owner;
        caller = owner.isEmpty() ? Access.network(exchange.getSourceAddress()) : owner;
        this.size = size;
        this.body = body;
    }

    /** Called when the client is gone. */
    synchronized void depart() {
        gone = !ended; // one that has its answer is done
        writable.release(); // a write then fails
        whenGone.run();
    }

    /** Whether the client is gone. */
    synchronized boolean isGone() {
        return gone;
    }

    /** Sets what is done when the client goes; at once if it has gone. It must not wait. */
    synchronized void whenGone(Runnable task) {
        whenGone = task;
        if (gone) {
            task.run();
        }
    }

    /** The entry for the log. */
    Answered answered() {
        int status = isGone() ? GONE : exchange.getStatusCode();
        String id = exchange.getResponseHeaders().getFirst(Routes.REQUEST_ID);
        String method = exchange.getRequestMethod().toString();
        String path = exchange.getRequestPath();
        int tokens = newTokens.get();
        return new Answered(id, method, path, model, status, seconds(), promptTokens, tokens, firstToken, reason);
    }

    /** Called for each token, on the thread that made it. */
    void token() {
        if (newTokens.getAndIncrement() == 0) {
            firstToken = OptionalDouble.of(seconds());
        }
    }

    /** Seconds since the body was read. */
    double seconds() {
        return (System.nanoTime() - start) / 1e9;
    }

    /** Seconds for which the client has read nothing; negative while it reads. */
    double stalledSeconds() {
        return seconds() - stalled;
    }

    /** Answers with JSON, which is made while it is sent. */
    void json(Object value) throws IOException {
        head(200, "application/json");
        OutputStream pieces = pieces();
        Json.write(value, pieces);
        pieces.flush();
        end();
    }

    /** Sends what is written to it, a piece at a time, after {@code flush} all of it. */
    private OutputStream pieces() {
        OutputStream sent = new OutputStream() {
            @Override
            public void write(byte[] from, int start, int count) throws IOException {
                Call.this.write(begun(), ByteBuffer.wrap(from, start, count));
            }

            @Override
            public void write(int each) throws IOException {
                write(new byte[] {(byte) each});
            }
        };
        return new BufferedOutputStream(sent, PIECE);
    }

    /** Answers. */
    void bytes(int status, String type, byte[] content) throws IOException {
        head(status, type);
        write(begun(), ByteBuffer.wrap(content));
        end();
    }

    private void head(int status, String type) {
        exchange.setStatusCode(status);
        exchange.getResponseHeaders().put(Headers.CONTENT_TYPE, type);
    }

    /** Answers without content. */
    void empty() throws IOException {
        exchange.setStatusCode(204);
        flush(begun()); // before the body is discarded
        end();
    }

    /** Answers with an error, or ends a stream with it. */
    void error(ApiError error) throws IOException {
        reason = String.valueOf(error.getMessage());
        if (sink != null) {
            for (Map<String, Object> each : dialect.failure(error)) {
                part(each);
            }
            end();
            return;
        }
        if (error.retryAfter > 0) {
            exchange.getResponseHeaders().put(Headers.RETRY_AFTER, error.retryAfter);
        }
        if (error.status == 503) {
            exchange.setPersistent(false);
        }
        bytes(error.status, "application/json", Json.write(dialect.error(error)));
    }

    /** Sends a part of a stream. The first begins it, so that an error before has a status of its own. */
    void part(Map<String, Object> part) throws IOException {
        OutputStream pieces = pieces();
        pieces.write(utf8(dialect.head(part)));
        beginStream();
        Json.write(part, pieces);
        pieces.write(utf8("\n\n"));
        pieces.flush();
    }

    /** Keeps a silent stream open. */
    void ping() throws IOException {
        beginStream();
        write(begun(), ByteBuffer.wrap(utf8(": ping\n\n")));
    }

    /** Ends a stream. */
    void done() throws IOException {
        write(begun(), ByteBuffer.wrap(utf8(dialect.done())));
        end();
    }

    /** Ends the connection. */
    void close() {
        IoUtils.safeClose(exchange.getConnection());
    }

    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private void beginStream() {
        if (sink == null) {
            exchange.getResponseHeaders()
                    .put(Headers.CONTENT_TYPE, "text/event-stream; charset=utf-8")
                    .put(Headers.CACHE_CONTROL, "no-store")
                    .put(BUFFERING, "no");
        }
    }

    private StreamSinkChannel begun() {
        StreamSinkChannel begun = sink == null ? exchange.getResponseChannel() : sink;
        sink = begun;
        return begun;
    }

    private void write(StreamSinkChannel to, ByteBuffer rest) throws IOException {
        while (rest.hasRemaining()) {
            if (to.write(rest) == 0) {
                awaitWritable(to);
            }
        }
        flush(to);
    }

    /**
     * Sends the last chunk and so ends the exchange. Runs on the I/O thread so that {@link Departure} stops reading before the
     * next request starts. Without a length in the head no client knows the end earlier.
     */
    private void end() {
        ended = true;
        exchange.getIoThread().execute(exchange::endExchange);
    }

    private void flush(StreamSinkChannel to) throws IOException {
        while (!to.flush()) {
            awaitWritable(to);
        }
    }

    private void awaitWritable(StreamSinkChannel to) throws IOException {
        to.getWriteSetter().set(channel -> {
            channel.suspendWrites();
            writable.release();
        });
        to.resumeWrites();
        stalled = seconds();
        try {
            if (writable.tryAcquire(Limits.STALL_SECONDS, TimeUnit.SECONDS)) {
                return;
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            stalled = Double.POSITIVE_INFINITY;
        }
        throw new IOException("client: expected one that reads, got none for " + Limits.STALL_SECONDS + " s");
    }
}
