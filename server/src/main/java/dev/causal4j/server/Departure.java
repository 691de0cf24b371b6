package dev.causal4j.server;

import io.undertow.connector.PooledByteBuffer;
import io.undertow.server.HttpServerExchange;
import io.undertow.server.protocol.http.HttpServerConnection;
import io.undertow.util.AttachmentKey;
import java.io.IOException;
import java.util.concurrent.atomic.AtomicReference;
import org.xnio.conduits.ConduitStreamSourceChannel;

/** Notices at once that the client of a request has closed its connection, also while nothing is sent. */
final class Departure {
    /** The task to run when the client goes: one reference for each connection, which may have many requests. */
    private static final AttachmentKey<AtomicReference<Runnable>> KEY = AttachmentKey.create(AtomicReference.class);

    private Departure() {}

    private static void nothing() {}

    /**
     * Watches a connection until the exchange ends or bytes of the next request come. To be called when the body was read,
     * on the connection's thread.
     *
     * @param gone called at most once
     */
    static void watch(HttpServerExchange exchange, Runnable gone) {
        HttpServerConnection connection = (HttpServerConnection) exchange.getConnection();
        AtomicReference<Runnable> known = connection.getAttachment(KEY);
        if (known == null) {
            known = new AtomicReference<>(Departure::nothing);
            connection.putAttachment(KEY, known);
            AtomicReference<Runnable> closed = known;
            connection.addCloseListener(
                    _ -> closed.getAndSet(Departure::nothing).run());
        }
        AtomicReference<Runnable> todo = known;
        todo.set(gone);
        Routes.whenDone(exchange, () -> todo.set(Departure::nothing));
        if (connection.getExtraBytes() != null) {
            return; // of the next request: what is read now would come before them
        }
        ConduitStreamSourceChannel source = connection.getChannel().getSourceChannel();
        source.setConduit(connection.getOriginalSourceConduit()); // else the finished body hides the socket
        source.getReadSetter().set(_ -> read(connection, source, todo));
        source.resumeReads();
    }

    /** Reads on: the end of the stream is a departure; bytes belong to the next request. */
    private static void read(
            HttpServerConnection connection, ConduitStreamSourceChannel source, AtomicReference<Runnable> todo) {
        PooledByteBuffer buffer = connection.getByteBufferPool().allocate();
        boolean kept = false;
        try {
            int n = source.read(buffer.getBuffer());
            if (n < 0) {
                source.suspendReads();
                todo.getAndSet(Departure::nothing).run();
            } else if (n > 0) {
                source.suspendReads();
                buffer.getBuffer().flip();
                connection.ungetRequestBytes(buffer);
                kept = true;
            }
        } catch (IOException e) {
            source.suspendReads();
            todo.getAndSet(Departure::nothing).run();
        } finally {
            if (!kept) {
                buffer.close();
            }
        }
    }
}
