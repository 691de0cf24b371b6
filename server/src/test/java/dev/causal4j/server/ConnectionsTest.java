package dev.causal4j.server;

import static dev.causal4j.server.Served.OPTIONS;
import static dev.causal4j.server.Served.await;
import static dev.causal4j.server.Served.connect;
import static dev.causal4j.server.Served.send;
import static dev.causal4j.server.Served.start;
import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.server.Metrics.Counter;
import java.io.IOException;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class ConnectionsTest {
    private static final int MOST = Limits.CONNECTIONS + 3;

    private final Connections connections =
            new Connections(OPTIONS.withBounds(1, 2), _ -> {}, new Counter("rejected", "", "reason"));

    private int takeAll(Object network) {
        int taken = 0;
        while (connections.take(network)) {
            taken++;
        }
        return taken;
    }

    @Test
    void aNetworkGetsAsManyAsAreLeftToOthers() {
        int first = takeAll("first");
        int second = takeAll("second");
        assertThat(first).isEqualTo((MOST + 1) / 2);
        assertThat(second).isEqualTo((MOST - first + 1) / 2);
        for (int i = 0; i < 5; i++) {
            assertThat(takeAll("other " + i)).isPositive();
        }
    }

    @Test
    void allGetNoMoreThanThereAre() {
        int taken = 0;
        for (int i = 0; i < 3000; i++) {
            taken += takeAll("network " + i % 1500);
        }
        assertThat(taken).isEqualTo(MOST);
    }

    @Test
    void whatIsGivenBackIsThereForOthers() {
        int taken = takeAll("first");
        for (int i = 0; i < taken; i++) {
            connections.give("first");
        }
        assertThat(takeAll("second")).isEqualTo(taken);
    }

    private static Socket unfinished(Server server) throws IOException {
        Socket socket = connect(server);
        socket.setSoTimeout(1);
        try {
            socket.getOutputStream().write("GET /health HTTP/1.1\r\nHost: ".getBytes(StandardCharsets.US_ASCII));
        } catch (IOException e) {
            // It is closed already.
        }
        return socket;
    }

    private static boolean isClosed(Socket socket) {
        try {
            return socket.getInputStream().read() < 0;
        } catch (SocketTimeoutException e) {
            return false;
        } catch (IOException e) {
            return true; // with bytes that the server did not read
        }
    }

    private static boolean isHealthy(Server server) {
        try {
            return send(server, "/health", "").statusCode() == 200;
        } catch (IOException e) {
            return false;
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void headsOfOneClientThatAreNotFinishedHaveABound() throws Exception {
        List<Socket> sockets = new ArrayList<>();
        try (Server small = start(OPTIONS.withBounds(1, 2))) {
            for (int i = 0; i < (MOST + 1) / 2 + 5; i++) {
                sockets.add(unfinished(small));
            }
            String rejected = "causal4j_rejected_total{reason=\"connections_full\"} 5\n";
            await(() -> small.figures().text().contains(rejected));
            await(() -> sockets.stream().filter(ConnectionsTest::isClosed).count() == 5);
            for (Socket socket : sockets) {
                socket.close();
            }
            await(() -> isHealthy(small));
        }
    }
}
