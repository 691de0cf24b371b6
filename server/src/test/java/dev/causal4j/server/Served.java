package dev.causal4j.server;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.austen.AustenModel;
import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.model.CausalLM;
import java.io.IOException;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.List;
import java.util.function.BooleanSupplier;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** A server of the embedded model for all tests, as long as their process, and what clients do with it. */
final class Served {
    static final ServerOptions OPTIONS = ServerOptions.DEFAULT.withAddress("127.0.0.1", 0);
    static final String PROMPT = "It is a truth universally acknowledged, that a";
    static final CausalLM MODEL = AustenModel.load();
    static final Server SERVER = start(OPTIONS);
    static final HttpClient CLIENT = HttpClient.newHttpClient();

    private Served() {}

    static Server start(ServerOptions options) {
        try {
            return Server.start(MODEL, ChatTemplate.plain(), options);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    static Socket connect(Server server) throws IOException {
        return new Socket(server.address().getAddress(), server.address().getPort());
    }

    static HttpRequest request(Server server, String path, String body, String... headers) {
        URI uri = URI.create("http://127.0.0.1:" + server.address().getPort() + path);
        HttpRequest.Builder request = HttpRequest.newBuilder(uri).timeout(Duration.ofSeconds(60));
        if (headers.length > 0) {
            request.headers(headers);
        }
        return (body.isEmpty() ? request.GET() : request.POST(HttpRequest.BodyPublishers.ofString(body))).build();
    }

    static HttpResponse<String> send(Server server, String path, String body, String... headers)
            throws IOException, InterruptedException {
        return CLIENT.send(request(server, path, body.replace('\'', '"'), headers), BodyHandlers.ofString());
    }

    static JsonNode post(String path, String body) throws IOException, InterruptedException {
        HttpResponse<String> response = send(SERVER, path, body);
        assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
        return JsonMapper.shared().readTree(response.body());
    }

    static JsonNode completion(String fields) throws IOException, InterruptedException {
        return post("/v1/completions", "{'prompt': '" + PROMPT + "', " + fields + "}");
    }

    static List<JsonNode> events(String body) {
        return body.lines()
                .filter(line -> line.startsWith("data: {"))
                .map(line -> JsonMapper.shared().readTree(line.substring(6)))
                .toList();
    }

    /** Waits until a claim held once: it may hold no longer when the next one looks. */
    static void await(BooleanSupplier holds) throws InterruptedException {
        for (int i = 0; i < 2000; i++) {
            if (holds.getAsBoolean()) {
                return;
            }
            Thread.sleep(5);
        }
        throw new AssertionError("expected to hold within 10 s");
    }

    static double metric(Server server, String name) {
        try {
            return send(server, "/metrics", "")
                    .body()
                    .lines()
                    .filter(line -> line.startsWith("causal4j_" + name + " "))
                    .mapToDouble(line -> Double.parseDouble(line.substring(line.lastIndexOf(' '))))
                    .sum();
        } catch (IOException | InterruptedException e) {
            throw new AssertionError(e);
        }
    }
}
