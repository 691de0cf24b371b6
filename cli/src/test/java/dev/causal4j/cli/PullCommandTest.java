package dev.causal4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import dev.causal4j.austen.AustenModel;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The commands with a hub on this machine that has the embedded model. The tests of {@code hub} have its faults. */
class PullCommandTest {
    private static final String COMMIT = "0123456789abcdef0123456789abcdef01234567";
    private static final List<String> FILES = List.of("config.json", "model.safetensors", "tokenizer.json");

    @TempDir
    Path folder;

    private Path model;
    private HttpServer server;

    @BeforeEach
    void serve() throws IOException {
        model = Files.createDirectory(folder.resolve("served"));
        AustenModel.export(model);
        server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.createContext("/", this::answer);
        server.start();
    }

    @AfterEach
    void stop() {
        server.stop(0);
    }

    private void answer(HttpExchange exchange) throws IOException {
        String path = exchange.getRequestURI().getPath();
        byte[] body = path.contains("/revision/")
                ? ("{\"sha\": \"" + COMMIT + "\"}").getBytes(StandardCharsets.UTF_8)
                : path.contains("/tree/")
                        ? listing()
                        : Files.readAllBytes(model.resolve(path.substring(path.lastIndexOf('/') + 1)));
        try (exchange) {
            boolean known =
                    path.startsWith("/api/models/austen/tiny/") || path.startsWith("/austen/tiny/resolve/" + COMMIT);
            exchange.getResponseHeaders().set("X-Error-Code", known ? "" : "RepoNotFound");
            exchange.sendResponseHeaders(known ? 200 : 404, known ? body.length : -1);
            if (known) {
                exchange.getResponseBody().write(body);
            }
        }
    }

    private byte[] listing() throws IOException {
        List<String> entries = new ArrayList<>();
        for (String file : FILES) {
            byte[] content = Files.readAllBytes(model.resolve(file));
            entries.add("{\"type\": \"file\", \"path\": \"" + file + "\", \"size\": " + content.length
                    + ", \"lfs\": {\"oid\": \"" + sha256(content) + "\"}}");
        }
        return entries.toString().getBytes(StandardCharsets.UTF_8);
    }

    private static String sha256(byte[] content) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(content));
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError(e);
        }
    }

    /** Runs a command in the folder of the test, with its hub and its cache. */
    private Program.Run run(String... command) throws Exception {
        String url = "http://127.0.0.1:" + server.getAddress().getPort();
        String variables =
                "HF_ENDPOINT=" + url + " HF_TOKEN=hf_secret HF_HUB_OFFLINE= HF_HUB_CACHE='" + folder + "/cache'";
        return Launcher.BRIEF.runInShell("cd '" + folder + "' && export " + variables + " && exec \"$@\"", command);
    }

    @Test
    void aModelIsPulledAndThenRunByItsName() throws Exception {
        JsonNode pulled = run("pull", "austen/tiny", "--json").json();
        assertThat(pulled.path("fetched_bytes").asLong()).isEqualTo(9_678_018);
        server.stop(0); // no command but pull asks it
        assertThat(run("generate", "Emma was", "--temperature", "0", "--max-new-tokens", "5", "--model", "austen/tiny")
                        .done()
                        .out())
                .isEqualTo(" not to be a very\n");
        assertThat(run("rm", "austen/tiny", "--yes").done().out()).isEqualTo("austen/tiny: deleted\n");
        assertThat(Path.of(pulled.path("path").asString())).doesNotExist();
    }

    @Test
    @EnabledIfSystemProperty(named = "causal4j.whole", matches = "true")
    void eachCommandKnowsWhatIsPulled() throws Exception {
        run("generate", "Emma was", "--model", "austen/tiny")
                .refused(
                        1,
                        "austen/tiny: expected a folder, a GGUF file, or a model that is whole in the cache, got none;"
                                + " fetch it with causal4j pull austen/tiny");
        assertThat(run("list").done().out())
                .isEqualTo("0 in " + folder + "/cache; causal4j run org/name fetches one and chats with it\n");
        Path snapshot = folder.resolve("cache/models--austen--tiny/snapshots/" + COMMIT);
        assertThat(run("pull", "austen/tiny").done().out())
                .matches("\\Q" + snapshot
                        + "\\E: 3 files, 9,678,018 bytes, 9,678,018 of them fetched in [0-9.]+ seconds\n");

        JsonNode again = run("pull", "austen/tiny@main", "--json").json();
        assertThat(again.path("path").asString()).isEqualTo(snapshot.toString());
        assertThat(again.path("model").asString()).isEqualTo("austen/tiny");
        assertThat(again.path("revision").asString()).isEqualTo(COMMIT);
        assertThat(again.path("files").valueStream().map(JsonNode::asString)).containsExactlyElementsOf(FILES);
        assertThat(again.path("bytes").asLong()).isEqualTo(9_678_018);
        assertThat(again.path("fetched_bytes").asLong()).isZero();
        assertThat(again.path("seconds").asDouble()).isPositive();

        server.stop(0); // no command but pull asks it
        assertThat(run("generate", "Emma was", "--temperature", "0", "--max-new-tokens", "5", "--model", "austen/tiny")
                        .done()
                        .out())
                .isEqualTo(" not to be a very\n");
        assertThat(run("tokenizer", "encode", "Emma was", "--model", "austen/tiny", "--json")
                        .json()
                        .path("tokens"))
                .isEqualTo(JsonMapper.shared().readTree("[1749,304]"));
        assertThat(run("inspect", "--model", "austen/tiny@" + COMMIT, "--json")
                        .json()
                        .path("layers")
                        .asInt())
                .isEqualTo(5);

        Path local = Files.createDirectories(folder.resolve("austen/tiny"));
        run("inspect", "--model", "austen/tiny").refused(1, "austen/tiny/config.json");
        Repository.copyModel(local);
        assertThat(run("inspect", "--model", "austen/tiny", "--json")
                        .json()
                        .path("vocabulary_size")
                        .asInt())
                .isEqualTo(97);

        String row = " +9\\.7 +3  \\d{4}-\\d\\d-\\d\\d  austen/tiny\n";
        assertThat(run("list").done().out())
                .matches(" +MB  files  pulled +model\n" + row + "1 in \\Q" + folder + "\\E/cache\n");
        JsonNode listed = run("list", "--json").json().at("/models/0");
        assertThat(listed.path("model").asString()).isEqualTo("austen/tiny");
        assertThat(listed.path("files").valueStream().map(JsonNode::asString)).containsExactlyElementsOf(FILES);
        run("rm", "austen/tiny").refused(2, "yes: expected --yes where no terminal can be asked, got none");
        assertThat(run("rm", "austen/tiny", "--yes").done().out()).isEqualTo("austen/tiny: deleted\n");
        assertThat(snapshot).doesNotExist();
        run("rm", "austen/tiny").refused(1, "austen/tiny: expected a model in the cache, got none; see");
        run("rm", "austen/tiny", "--yes").refused(1, "austen/tiny: expected a model in the cache, got none; see");
    }

    @Test
    @EnabledIfSystemProperty(named = "causal4j.whole", matches = "true")
    void runFetchesAModelOnceAndChats() throws Exception {
        Program.Run first = run("run", "austen/tiny", "--system", "Be kind.");
        assertThat(first.status()).isZero();
        assertThat(first.err()).contains("chat template: expected one").doesNotContain("Exception");
        assertThat(folder.resolve("cache/models--austen--tiny/snapshots/" + COMMIT))
                .exists();
        server.stop(0);
        assertThat(run("run", "austen/tiny").status()).isZero();
        run("run", "austen/none").refused(1, "austen/none: expected ");
    }

    @Test
    @EnabledIfSystemProperty(named = "causal4j.whole", matches = "true")
    void aModelIsPulledAndConverted() throws Exception {
        run("pull", "austen/tiny", "--convert", "none/out")
                .refused(1, "none/out: expected a folder in one that exists");
        Files.createDirectories(folder.resolve("full/a"));
        run("pull", "austen/tiny", "--convert", "full")
                .refused(1, "full: expected a new or empty folder", "--overwrite");
        assertThat(folder.resolve("cache")).doesNotExist(); // refused before anything was fetched
        JsonNode document =
                run("pull", "austen/tiny", "--convert", "out", "--json").json();
        assertThat(document.path("converted").asString()).isEqualTo("out");
        JsonNode facts = run("inspect", "--model", "out", "--json").json();
        assertThat(facts.path("format").asString()).isEqualTo("panels");
        assertThat(facts.path("dtype").asString()).isEqualTo("bf16");
        run("pull", "austen/tiny", "--convert", "out", "--overwrite").done();
    }

    @Test
    @EnabledIfSystemProperty(named = "causal4j.whole", matches = "true")
    void whatCannotBePulledIsOneLine() throws Exception {
        Program.Run none = run("pull", "austen/none");
        none.refused(1, "austen/none: expected a model of this name, got 404; check the name");
        assertThat(none.err()).doesNotContain("hf_secret");
        run("pull", "austen/tiny", "--gguf", "Q4").refused(1, "austen/tiny: expected GGUF files that match Q4");
        run("pull", "tiny")
                .refused(2, "model: expected org/name or org/name@revision, got \"tiny\"; see causal4j pull --help");
        Program.run("pull").refused(2, "NAME");
    }
}
