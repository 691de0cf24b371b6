package dev.causal4j.server;

import static dev.causal4j.server.Served.SERVER;
import static dev.causal4j.server.Served.connect;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIOException;

import java.io.OutputStream;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TrailersTest {
    private static final String CHUNKED = " HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n";

    private static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.US_ASCII);
    }

    /** Two connections with 12 MB of trailers each ended a server of 512 MB. */
    @ParameterizedTest
    @ValueSource(strings = {"POST /tokenize", "GET /health", "POST /nope"})
    void aConnectionWithManyTrailersIsClosed(String request) throws Exception {
        try (Socket socket = connect(SERVER)) {
            OutputStream out = socket.getOutputStream();
            out.write(ascii(request + CHUNKED + "\r\nf\r\n{\"content\":\"a\"}\r\n0\r\n"));
            assertThatIOException().isThrownBy(() -> {
                for (int i = 0; i < 2 * Limits.TRAILER_BYTES / 100; i++) {
                    out.write(ascii("x: \r\n".repeat(20)));
                    Thread.sleep(10); // until the close of the other end is seen; a body may take 30 seconds
                }
            });
        }
    }

    @Test
    void chunksOfAnySizeAreReadAndAFewTrailers() throws Exception {
        String body = "{\"content\":\"" + "a ".repeat(30_000) + "\"}";
        for (int size : new int[] {1, 1000, 5000, body.length()}) {
            StringBuilder chunks = new StringBuilder("\r\n");
            for (int i = 0; i < body.length(); i += size) {
                String piece = body.substring(i, Math.min(i + size, body.length()));
                chunks.append(Integer.toHexString(piece.length()));
                chunks.append(";x=y\r\n").append(piece).append("\r\n");
            }
            chunks.append("0\r\nx: y\r\n").append("z: 1\r\n".repeat(100)).append("\r\n");
            try (Socket socket = connect(SERVER)) {
                socket.setSoTimeout(10_000);
                String request = "POST /tokenize" + CHUNKED;
                socket.getOutputStream().write(ascii(request + chunks + request + "Connection: close\r\n" + chunks));
                String answers = new String(socket.getInputStream().readAllBytes(), StandardCharsets.US_ASCII);
                assertThat(answers.split("HTTP/1.1 200", -1))
                        .as("chunks of %d", size)
                        .hasSize(3);
            }
        }
    }
}
