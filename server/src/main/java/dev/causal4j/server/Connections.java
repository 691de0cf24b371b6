package dev.causal4j.server;

import java.net.InetSocketAddress;
import java.util.HashMap;
import java.util.Map;
import org.xnio.ChannelListener;
import org.xnio.IoUtils;
import org.xnio.StreamConnection;

/**
 * The connections of all clients, bounded: each holds the received part of a head. A network may have as many as are left to
 * others, so that few networks keep nobody out. One more is closed before it is read. Thread-safe.
 */
final class Connections implements ChannelListener<StreamConnection> {
    private final long most;
    private final ChannelListener<StreamConnection> next;
    private final Metrics.Counter refused;
    private final Map<Object, Integer> open = new HashMap<>(); // by network
    private int sum;

    /** @param next what reads them */
    Connections(ServerOptions options, ChannelListener<StreamConnection> next, Metrics.Counter refused) {
        most = (long) Limits.CONNECTIONS + options.parallel() + options.queue();
        this.next = next;
        this.refused = refused;
    }

    @Override
    public void handleEvent(StreamConnection connection) {
        Object network = Access.network(connection.getPeerAddress(InetSocketAddress.class));
        if (take(network)) {
            connection.setCloseListener(_ -> give(network)); // besides that of the next one
            try {
                Trailers.bound(connection);
                next.handleEvent(connection);
            } catch (Throwable e) {
                IoUtils.safeClose(connection); // else nobody would
                throw e;
            }
        } else {
            refused.add("connections_full", 1);
            IoUtils.safeClose(connection);
        }
    }

    /** Counts a connection of a network; false if the network may have no more. */
    synchronized boolean take(Object network) {
        if (open.getOrDefault(network, 0) >= most - sum) {
            return false;
        }
        open.merge(network, 1, Integer::sum);
        sum++;
        return true;
    }

    /** Counts a connection of a network as closed. */
    synchronized void give(Object network) {
        open.computeIfPresent(network, (_, all) -> all > 1 ? all - 1 : null);
        sum--;
    }
}
