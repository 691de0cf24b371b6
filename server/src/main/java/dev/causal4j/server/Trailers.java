package dev.causal4j.server;

import io.undertow.server.AbstractServerConnection;
import io.undertow.server.HttpServerExchange;
import io.undertow.util.Headers;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import org.xnio.StreamConnection;
import org.xnio.conduits.AbstractStreamSourceConduit;
import org.xnio.conduits.ConduitReadableByteChannel;
import org.xnio.conduits.StreamSourceConduit;

/**
 * Bounds what a connection sends in a chunked body besides data: sizes of chunks, and trailers. Undertow keeps these as
 * headers, 27 bytes for one, and bounds them only with the body. Used by one thread at a time.
 */
final class Trailers extends AbstractStreamSourceConduit<StreamSourceConduit> {
    private static final int PIECE = Limits.TRAILER_BYTES / 4;

    private boolean pieces = true; // whether it reads only a little ahead: a head may have trailers after it
    private int left = Integer.MAX_VALUE; // bytes before the next data

    private Trailers(StreamSourceConduit next) {
        super(next);
    }

    /** Bounds those of a new connection. */
    static void bound(StreamConnection connection) {
        connection
                .getSourceChannel()
                .setConduit(new Trailers(connection.getSourceChannel().getConduit()));
    }

    /** Begins to bound those of a request, until it ends. */
    static void bound(HttpServerExchange exchange) {
        if (((AbstractServerConnection) exchange.getConnection()).getOriginalSourceConduit()
                instanceof Trailers trailers) {
            trailers.pieces = exchange.getRequestHeaders().contains(Headers.TRANSFER_ENCODING);
            if (trailers.pieces) {
                trailers.left = Limits.TRAILER_BYTES;
                exchange.addRequestWrapper((factory, _) -> trailers.new Data(factory.create()));
            }
            Routes.whenDone(exchange, () -> {
                trailers.pieces = true;
                trailers.left = Integer.MAX_VALUE;
            });
        }
    }

    @Override
    public int read(ByteBuffer to) throws IOException {
        int end = to.limit();
        if (pieces) {
            to.limit(Math.min(end, to.position() + PIECE));
        }
        try {
            int count = super.read(to);
            left -= left == Integer.MAX_VALUE ? 0 : Math.max(0, count);
            if (left < 0) {
                throw new IOException("trailers: expected at most " + Limits.TRAILER_BYTES + " bytes, got more");
            }
            return count;
        } finally {
            to.limit(end);
        }
    }

    /** The data of a chunked body. */
    private final class Data extends AbstractStreamSourceConduit<StreamSourceConduit> {
        Data(StreamSourceConduit next) {
            super(next);
        }

        @Override
        public int read(ByteBuffer to) throws IOException {
            int end = to.limit();
            to.limit(Math.min(end, to.position() + 2 * PIECE)); // for which Undertow reads at most three pieces
            try {
                int count = super.read(to);
                left = count > 0 ? Limits.TRAILER_BYTES : left;
                return count;
            } finally {
                to.limit(end);
            }
        }

        @Override
        public long transferTo(long position, long count, FileChannel target) throws IOException {
            return target.transferFrom(new ConduitReadableByteChannel(this), position, count);
        }
    }
}
