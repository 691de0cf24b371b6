package dev.causal4j.hub;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.URI;
import java.nio.channels.ClosedByInterruptException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Servers that break off, lie, refuse and wait. Each failure is one line, and nothing that is not whole is taken for whole. */
class HubFaultsTest {
    private static final ModelName TINY = ModelName.of("austen/tiny");
    private static final PullListener NONE = (_, _, _) -> {};
    private static final byte[] WEIGHTS = LoopbackHub.bytes(300_001);

    @TempDir
    Path folder;

    private Path cache;
    private LoopbackHub server;

    @BeforeEach
    void open() throws IOException {
        cache = folder.resolve("hub");
        server = new LoopbackHub();
        Map<String, byte[]> files = new LinkedHashMap<>();
        files.put("config.json", "{}".getBytes(StandardCharsets.UTF_8));
        files.put("model.safetensors", WEIGHTS);
        server.add("austen/tiny", files);
    }

    @AfterEach
    void close() throws IOException {
        server.close();
        CacheRules.check(cache);
    }

    private Pulled pull() throws Exception {
        return server.client(cache).pull(TINY, NONE);
    }

    /** A pull fails with one line, and the cache has no such model. */
    private void fails(ModelName name, String... told) throws Exception {
        assertThatThrownBy(() -> server.client(cache, LoopbackHub.TOKEN).pull(name, NONE))
                .isInstanceOf(IOException.class)
                .satisfies(e -> assertThat(e.getMessage())
                        .contains(told)
                        .contains(": expected ", ", got ", "; ")
                        .doesNotContain("\n", LoopbackHub.TOKEN, "secret"));
        assertThat(server.client(cache).find(name)).isEmpty();
    }

    private void fails(String... told) throws Exception {
        fails(TINY, told);
    }

    private void isWhole(Pulled pulled) {
        assertThat(pulled.path().resolve("model.safetensors")).hasBinaryContent(WEIGHTS);
        assertThat(incomplete()).doesNotExist();
    }

    private Path blob() {
        return cache.resolve("models--austen--tiny/blobs").resolve(LoopbackHub.hash("model.safetensors", WEIGHTS));
    }

    private Path incomplete() {
        return blob().resolveSibling(blob().getFileName() + ".incomplete");
    }

    @Test
    void aCutConnectionIsGoneOnWith() throws Exception {
        server.cuts.set(2);
        isWhole(pull());
        assertThat(server.sent).hasValueLessThan(WEIGHTS.length * 4 / 3); // except what was on its way
        assertThat(server.asked.stream()
                        .filter(each -> each.host().equals("other"))
                        .map(LoopbackHub.Asked::range))
                .hasSize(3)
                .startsWith((String) null)
                .doesNotHaveDuplicates();
    }

    @Test
    void aServerThatIsBusyIsAskedAgainWhenItSays() throws Exception {
        server.busy.set(2);
        server.retryAfter = "1";
        long start = System.nanoTime();
        isWhole(pull());
        assertThat(System.nanoTime() - start).isGreaterThan(2_000_000_000);
        server.busyStatus = 503;
        server.busy.set(4);
        server.retryAfter = "no number";
        isWhole(pull());
    }

    @Test
    void whoIsBusyForLongIsNotWaitedFor() throws Exception {
        server.busy.set(1);
        server.retryAfter = "86400";
        fails("got status 429, to wait 86400 s; try again");
        server.busy.set(1000);
        server.busyStatus = 500;
        server.retryAfter = "0";
        fails(
                "austen/tiny: expected an answer by way of " + server.url(),
                "got status 500, to wait 0 s; try again: a pull goes on where it stopped");
        assertThat(server.asked).hasSize(6);
    }

    @Test
    void afterFiveFailuresWithoutProgressAPullEndsAndTheNextGoesOn() throws Exception {
        server.cuts.set(5);
        fails("; try again: a pull goes on where it stopped");
        assertThat(server.sent).hasPositiveValue();
        long there = Files.size(incomplete());
        server.asked.clear();
        isWhole(pull());
        assertThat(server.asked).anyMatch(each -> ("bytes=" + there + "-").equals(each.range()));
    }

    @Test
    void aServerThatGivesAllInsteadOfTheRestOrNoRestBeginsAgain() throws Exception {
        server.cuts.set(1);
        server.wholes.set(1);
        isWhole(pull());
        Files.delete(blob());
        server.cuts.set(1);
        server.refusals.set(1);
        isWhole(pull());
    }

    @Test
    void aPartThatIsNotOfTheFileIsDroppedAndAllIsFetched() throws Exception {
        Files.createDirectories(blob().getParent());
        for (byte[] wrong : List.of(new byte[1000], new byte[WEIGHTS.length], new byte[WEIGHTS.length + 1])) {
            Files.deleteIfExists(blob());
            Files.write(incomplete(), wrong);
            isWhole(pull());
        }
    }

    @Test
    void aPartThatIsWholeNeedsNoTransfer() throws Exception {
        Files.createDirectories(blob().getParent());
        Files.write(incomplete(), WEIGHTS);
        isWhole(pull());
        assertThat(server.sent).hasValue(0);
    }

    @Test
    void anotherByteIsNoticedAndLeavesNothing() throws Exception {
        server.flipped = true;
        fails("model.safetensors: expected content with the hash ");
        assertThat(blob()).doesNotExist();
        assertThat(incomplete()).doesNotExist();
        server.flipped = false;
        isWhole(pull());
    }

    @Test
    void aServerThatStandsStillIsCutOff() throws Exception {
        Hub hub = server.client(cache, null, Duration.ofSeconds(2));
        server.cuts.set(4);
        server.stalls.set(1);
        assertThatThrownBy(() -> hub.pull(TINY, NONE))
                .hasMessageContaining("got nothing for 2.0 s; try again: a pull goes on where it stopped");
        assertThat(hub.find(TINY)).isEmpty();
        server.stalls.set(1);
        isWhole(hub.pull(TINY, NONE));
    }

    @Test
    void aServerThatNeverAnswersIsNotWaitedFor() throws Exception {
        try (ServerSocket silent = new ServerSocket(0)) { // connections wait to be accepted
            Map<String, String> variables = Map.of(
                    "HF_ENDPOINT", "http://127.0.0.1:" + silent.getLocalPort(), "HF_HUB_CACHE", cache.toString());
            Hub hub = new Hub(Environment.of(variables), Duration.ofMillis(200), Duration.ZERO);
            assertThatThrownBy(() -> hub.pull(TINY, NONE))
                    .hasMessageEndingWith("got nothing for 0.2 s; is there a network, and is HF_ENDPOINT right?");
        }
    }

    @Test
    void whoIsInterruptedEndsAndTheNextPullGoesOn() throws Exception {
        RemoteFile file = new RemoteFile("model.safetensors", 3, "a".repeat(64));
        try (Download download = new Download(file, folder.resolve("part"), _ -> {})) {
            Thread.currentThread().interrupt();
            assertThatThrownBy(() -> download.write(new byte[3], 0, 3)).isInstanceOf(ClosedByInterruptException.class);
            assertThat(Thread.interrupted()).isTrue();
        }
        PullListener interrupting = (path, _, _) -> {
            if (path.equals("model.safetensors")) {
                Thread.currentThread().interrupt();
            }
        };
        assertThatThrownBy(() -> server.client(cache).pull(TINY, interrupting))
                .isInstanceOf(InterruptedException.class);
        assertThat(Thread.interrupted()).isFalse();
        isWhole(pull());
    }

    @Test
    void aLengthThatIsNoNumberIsRefused() throws Exception {
        server.length = "many";
        fails("got ");
        server.length = null;
        isWhole(pull());
    }

    @Test
    void whoWasLedToAnotherHostCarriesNoTokenBack() throws Exception {
        server.back = server.url() + "/austen/tiny/resolve/" + LoopbackHub.COMMIT + "/model.safetensors";
        fails("expected at most 10 redirects, got more");
        assertThat(authorizations("/model.safetensors")).hasSize(11).startsWith("Bearer " + LoopbackHub.TOKEN);
        assertThat(authorizations("/model.safetensors").stream().skip(1)).containsOnlyNulls();
        server.back = null;
        server.asked.clear();
        server.wandering = true;
        server.moreEntries = List.of(
                "{\"type\":\"directory\",\"path\":\"a\"}",
                "{\"type\":\"directory\",\"path\":\"b\"}",
                "{\"type\":\"directory\",\"path\":\"c\"}");
        isWhole(server.client(cache, LoopbackHub.TOKEN).pull(TINY, NONE));
        assertThat(server.asked).anyMatch(each -> each.host().equals("other"));
        assertThat(authorizations("/tree/" + LoopbackHub.COMMIT))
                .containsExactly("Bearer " + LoopbackHub.TOKEN, null, null);
    }

    private List<String> authorizations(String path) {
        return server.asked.stream()
                .filter(each -> each.path().endsWith(path))
                .map(LoopbackHub.Asked::authorization)
                .toList();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "../evil.json",
                "/etc/evil.json",
                "a/../../evil.jinja",
                "a\\\\..\\\\evil.json",
                "a//b",
                "./config.json",
                "",
                "x\\u0000y",
                "x\\ny"
            })
    void aHostilePathIsRefusedBeforeAnythingIsWritten(String path) throws Exception {
        server.moreEntries =
                List.of("{\"type\":\"file\",\"oid\":\"" + "a".repeat(40) + "\",\"size\":1,\"path\":\"" + path + "\"}");
        fails("key \"path\": expected a path that stays in its folder");
        assertThat(folder).isEmptyDirectory();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{\"type\":\"file\",\"oid\":\"../../x\",\"size\":1,\"path\":\"a\"}",
                "{\"type\":\"file\",\"oid\":\"aa\",\"size\":1,\"path\":\"a\"}",
                "{\"type\":\"file\",\"size\":1,\"path\":\"a\"}",
                "{\"type\":\"file\",\"oid\":\"0123456789012345678901234567890123456789\",\"path\":\"a\"}",
                "{\"type\":\"file\",\"oid\":\"0123456789012345678901234567890123456789\",\"size\":-1,\"path\":\"a\"}",
                "{\"type\":\"file\",\"oid\":\"0123456789012345678901234567890123456789\",\"size\":1,\"path\":\"a\",\"lfs\":{\"oid\":\"1\"}}",
                "{\"path\":\"a\"}",
                "7"
            })
    void anEntryThatIsNoneIsRefusedBeforeAnythingIsWritten(String entry) throws Exception {
        server.moreEntries = List.of(entry);
        fails(server.url());
        assertThat(folder).isEmptyDirectory();
    }

    @Test
    void moreBytesThanThereIsRoomForAreRefusedBeforeOneIsFetched() throws Exception {
        server.moreEntries = List.of("{\"type\":\"file\",\"oid\":\"" + "a".repeat(40)
                + "\",\"size\":9007199254740992,\"path\":\"tokenizer.json\"}");
        fails("expected room for 900", "make room, or set HF_HOME");
        assertThat(server.files()).isZero();
    }

    @Test
    void aFullDiskIsNamed() throws Exception {
        Files.createDirectories(blob().getParent());
        Files.createSymbolicLink(incomplete(), Path.of("/dev/full"));
        fails(".incomplete: expected to be able to write this file, got No space left on device; make room");
        Files.deleteIfExists(incomplete());
        isWhole(pull());
    }

    @Test
    void theHubsRefusalsAreOneLine() throws Exception {
        assertThatThrownBy(() -> server.client(cache).pull(ModelName.of("austen/gated"), NONE))
                .hasMessage("austen/gated: expected access to a gated model, got 401 (\"Access to model austen/gated is"
                        + " restricted.\"); accept its terms on its page and set HF_TOKEN");
        fails(ModelName.of("austen/gated"), "got 403", "accept its terms on its page");
        fails(
                ModelName.of("austen/none"),
                "austen/none: expected a model of this name, got 401 (\"Repository not found\")");
        fails(ModelName.of("austen/tiny@v9"), "austen/tiny@v9: expected a branch, tag or commit, got 404");
        assertThatThrownBy(() -> server.client(cache, "hf_bad").pull(TINY, NONE))
                .hasMessageContaining(
                        "got 401 (\"Invalid credentials in Authorization header\"); check the name, and HF_TOKEN")
                .hasMessageNotContaining("hf_bad");
        assertThat(folder).isEmptyDirectory();
        server.moreEntries = List.of(
                "{\"type\":\"file\",\"oid\":\"" + "a".repeat(40) + "\",\"size\":1,\"path\":\"tokenizer.json\"}");
        fails("expected a file that it lists, got 404 (\"Entry not found\")");
    }

    @Test
    void thePageOfAProxyIsNoAnswer() throws Exception {
        server.page = true;
        fails("got a web page; does a proxy answer instead?");
        assertThat(folder).isEmptyDirectory();
        server.page = false;
        server.pageForLarge = true;
        fails("austen/tiny, localhost: expected a file, got a web page");
        server.pageForLarge = false;
        isWhole(pull());
    }

    @Test
    void withoutAServerAPullEndsAtOnce() throws Exception {
        try (Socket taken = new Socket()) {
            taken.bind(null); // to any port, and does not listen
            String nobody = "http://127.0.0.1:" + taken.getLocalPort();
            for (String endpoint : List.of(nobody, "https://nowhere.invalid")) {
                Hub hub = Hub.of(Map.of("HF_ENDPOINT", endpoint, "HF_HUB_CACHE", cache.toString()));
                assertThatThrownBy(() -> hub.pull(TINY, NONE))
                        .hasMessageStartingWith("austen/tiny: expected an answer by way of " + endpoint + ", got ")
                        .hasMessageEndingWith("; is there a network, and is HF_ENDPOINT right?");
            }
        }
    }

    @Test
    void redirectsAreBoundedAndNeverLeaveHttps() throws Exception {
        server.location = server.url() + "/austen/tiny/resolve/" + LoopbackHub.COMMIT + "/model.safetensors";
        fails("expected at most 10 redirects, got more");
        for (String to :
                List.of("file:///etc/passwd", "http://user:password@localhost/x", "http://localhost:65536/x", "\\")) {
            server.location = to;
            fails("expected a redirect to a http address, got ");
        }
        Environment environment = Environment.of(Map.of("HF_ENDPOINT", "https://hub.example"));
        try (Client client = new Client(environment, TINY, Duration.ofSeconds(1), Duration.ZERO)) {
            URI from = URI.create("https://hub.example/a/b");
            assertThat(client.target(from, "/c?d=e")).isEqualTo(URI.create("https://hub.example/c?d=e"));
            assertThat(client.target(from, "https://other.example/x")).isEqualTo(URI.create("https://other.example/x"));
            assertThatThrownBy(() -> client.target(from, "http://hub.example/c?signature=secret"))
                    .hasMessageContaining("expected a redirect to a https address, got another one of hub.example")
                    .hasMessageNotContaining("secret");
        }
    }
}
