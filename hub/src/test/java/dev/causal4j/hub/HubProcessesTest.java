package dev.causal4j.hub;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.net.http.HttpClient;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Pulls that are killed, and pulls at the same time. */
class HubProcessesTest {
    private static final ModelName TINY = ModelName.of("austen/tiny");
    private static final PullListener NONE = (_, _, _) -> {};
    private static final int KILLS = Boolean.getBoolean("causal4j.whole") ? 20 : 8;

    @TempDir
    Path cache;

    private LoopbackHub server;

    @BeforeEach
    void open() throws IOException {
        server = new LoopbackHub();
    }

    @AfterEach
    void close() throws IOException {
        server.close();
        CacheRules.check(cache);
    }

    /**
     * A process that pulls the model of the first argument, or GGUF files of it that match the second, when its input ends: until
     * then it starts beside another one.
     */
    static final class Child {
        private Child() {}

        public static void main(String[] arguments) throws Exception {
            String gguf = arguments.length > 1 ? arguments[1] : null;
            HttpClient.newHttpClient().close(); // loads its classes
            int _ = System.in.read();
            Hub.fromEnvironment().pull(ModelName.of(arguments[0]), gguf, NONE);
        }
    }

    /** A process that ends with 0 if the file of the first argument is locked. */
    static final class Locked {
        private Locked() {}

        public static void main(String[] arguments) throws Exception {
            try (FileChannel channel = FileChannel.open(Path.of(arguments[0]), StandardOpenOption.WRITE)) {
                System.exit(channel.tryLock() == null ? 0 : 1);
            }
        }
    }

    private Process child() throws IOException {
        return child(Child.class, TINY.toString())
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start();
    }

    private ProcessBuilder child(Class<?> program, String... arguments) {
        ProcessBuilder builder = new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:TieredStopAtLevel=1",
                "-XX:+UseSerialGC",
                "-cp",
                System.getProperty("java.class.path"),
                program.getName());
        builder.command().addAll(List.of(arguments));
        builder.environment().putAll(Map.of("HF_ENDPOINT", server.url(), "HF_HUB_CACHE", cache.toString()));
        return builder.redirectErrorStream(true);
    }

    private void isLocked(Cache.Lock lock) throws Exception {
        Process other = child(Locked.class, lock.path().toString())
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start();
        assertThat(other.waitFor(60, TimeUnit.SECONDS)).isTrue();
        assertThat(other.exitValue()).isZero();
    }

    @Test
    void aPullThatIsKilledManyTimesEndsWholeAndVerified() throws Exception {
        server.addAusten("austen/tiny");
        byte[] weights = server.content("austen/tiny", "model.safetensors");
        server.rest = 3_000_000; // at most 5 MB/s
        Random random = new Random(24);
        List<Long> sent = new ArrayList<>();
        Process next = child();
        for (int i = 0; i < KILLS; i++) {
            server.asked.clear();
            Process child = next;
            child.getOutputStream().close();
            next = child();
            boolean early = i % 2 == 0; // before or while the weights come
            long deadline = System.nanoTime() + 20_000_000_000L;
            while (server.asked.stream().noneMatch(each -> early || each.host().equals("other"))
                    && System.nanoTime() < deadline) {
                Thread.sleep(1);
            }
            Thread.sleep(random.nextInt(150));
            assertThat(child.destroyForcibly().waitFor(20, TimeUnit.SECONDS)).isTrue();
            CacheRules.check(cache);
            sent.add(server.sent.get());
            if (server.client(cache).find(TINY).isPresent()) {
                assertThat(server.client(cache).find(TINY).get().resolve("model.safetensors"))
                        .hasBinaryContent(weights);
            }
        }
        next.destroyForcibly();
        server.rest = 0;
        Pulled pulled = server.client(cache).pull(TINY, NONE);
        assertThat(pulled.path().resolve("model.safetensors")).hasBinaryContent(weights);
        assertThat(pulled.path().resolve("tokenizer.json")).isNotEmptyFile();
        assertThat(sent.stream().distinct().count())
                .as("kills during transfers: " + sent)
                .isGreaterThan(KILLS / 4);
        try (Stream<Path> blobs = Files.list(cache.resolve("models--austen--tiny/blobs"))) {
            assertThat(blobs).noneMatch(blob -> blob.toString().endsWith(".incomplete"));
        }
    }

    @Test
    void ofTwoPullsAtTheSameTimeOneFetchesAndBothEnd() throws Exception {
        server.addAusten("austen/tiny");
        server.rest = 1_000_000;
        Process child = child();
        child.getOutputStream().close();
        try (ExecutorService threads = Executors.newFixedThreadPool(2)) {
            Hub hub = Hub.of(Map.of("HF_ENDPOINT", server.url(), "HF_HUB_CACHE", cache.toString()));
            List<Future<Pulled>> pulls =
                    List.of(threads.submit(() -> hub.pull(TINY, NONE)), threads.submit(() -> hub.pull(TINY, NONE)));
            for (Future<Pulled> pull : pulls) {
                assertThat(pull.get(60, TimeUnit.SECONDS).path()).isDirectory();
            }
        }
        assertThat(child.waitFor(60, TimeUnit.SECONDS)).isTrue();
        assertThat(child.exitValue()).isZero();
        assertThat(server.sent).hasValue(server.content("austen/tiny", "model.safetensors").length);
    }

    @Test
    void whoHoldsALockAndBringsNothingIsNotWaitedForForEver() throws Exception {
        RemoteFile file = new RemoteFile("model.safetensors", 3, "a".repeat(64));
        Cache model = new Cache(TINY, cache);
        Duration patience = Duration.ofMillis(200);
        try (Cache.Lock held = model.lock(file, patience)) {
            assertThatThrownBy(() -> model.lock(file, patience))
                    .hasMessageContaining("expected to be able to lock this file, got another program that holds it");
            Thread.currentThread().interrupt();
            assertThatThrownBy(() -> model.lock(file, patience)).isInstanceOf(InterruptedException.class);
            isLocked(held);
        }
        try (Cache.Lock again = model.lock(file, patience)) {
            isLocked(again);
        }
    }

    @Test
    void aNameThatTheSystemCannotWriteIsOneLineAndOthersArePulled() throws Exception {
        server.add("austen/tiny", Map.of("tiny-Q4.gguf", new byte[3], "Großes-Q8.gguf", new byte[4]));
        for (String pattern : List.of("Q4", "Q8")) {
            ProcessBuilder child = child(Child.class, TINY.toString(), pattern);
            child.environment().put("LC_ALL", "C");
            Process process = child.start();
            process.getOutputStream().close();
            String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            assertThat(process.waitFor()).as(out).isEqualTo(pattern.equals("Q4") ? 0 : 1);
            assertThat(out)
                    .matches(
                            pattern.equals("Q4")
                                    ? ""
                                    : "(?s).*HubException: austen/tiny: expected files whose names this"
                                            + " system can write, got \"Gro.*es-Q8.gguf\"; set LC_ALL=C.UTF-8\n.*");
        }
    }

    @Test
    void aFileInPlaceOfALinkStaysWhereLinksAreNotAllowed() throws Exception {
        server.addAusten("austen/tiny");
        Path snapshot = server.client(cache).pull(TINY, NONE).path();
        Path config = snapshot.resolve("config.json");
        Path blob = config.toRealPath();
        Files.delete(config);
        Files.copy(blob, config);
        assertThat(server.client(cache).find(TINY)).contains(snapshot);
        server.client(cache).pull(TINY, NONE);
        assertThat(config).isRegularFile();
        assertThat(Files.isSymbolicLink(config)).isFalse();
        Files.write(config, new byte[1], StandardOpenOption.APPEND); // damaged: another size
        server.client(cache).pull(TINY, NONE);
        assertThat(config).isSymbolicLink();
    }
}
