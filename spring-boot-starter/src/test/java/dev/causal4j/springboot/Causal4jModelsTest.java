package dev.causal4j.springboot;

import static dev.causal4j.springboot.Applications.CHAT;
import static dev.causal4j.springboot.Applications.GREEDY;
import static dev.causal4j.springboot.Applications.THINKING;
import static dev.causal4j.springboot.Applications.TOOLS;
import static dev.causal4j.springboot.Applications.messages;
import static dev.causal4j.springboot.Applications.run;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import com.sun.net.httpserver.HttpServer;
import dev.causal4j.austen.AustenModel;
import dev.causal4j.generation.Engine;
import dev.causal4j.hub.Hub;
import dev.causal4j.json.Sha256;
import dev.causal4j.model.CausalLM;
import dev.causal4j.tensor.DType;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.springframework.ai.chat.model.ChatModel;
import org.springframework.ai.chat.prompt.Prompt;
import org.springframework.ai.embedding.EmbeddingModel;
import org.springframework.beans.factory.annotation.Qualifier;
import org.springframework.boot.autoconfigure.ImportAutoConfiguration;
import org.springframework.boot.context.properties.bind.Binder;
import org.springframework.boot.context.properties.source.MapConfigurationPropertySource;
import org.springframework.boot.test.system.CapturedOutput;
import org.springframework.boot.test.system.OutputCaptureExtension;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;

/** Loads: how often, from where, and how a model ends. */
@Timeout(60)
@ExtendWith(OutputCaptureExtension.class)
class Causal4jModelsTest {
    private static final String EMBEDDING = "spring.ai.causal4j.embedding.model=";
    private static final String COMMIT = "1".repeat(40);

    @TempDir
    Path folder;

    private static Causal4jModels models(Hub hub, String... properties) {
        Map<String, String> all = new HashMap<>();
        for (int i = 0; i < properties.length; i += 2) {
            all.put(Causal4jProperties.PREFIX + "." + properties[i], properties[i + 1]);
        }
        return new Causal4jModels(
                new Binder(new MapConfigurationPropertySource(all))
                        .bindOrCreate(Causal4jProperties.PREFIX, Causal4jProperties.class),
                Optional.of(hub),
                _ -> {});
    }

    private Hub hub(String address) throws IOException {
        return Hub.of(Map.of("HF_HUB_CACHE", folder.toString(), "HF_ENDPOINT", address));
    }

    private static long loads(CapturedOutput output) {
        return output.getOut()
                .lines()
                .filter(each -> each.contains("; kernels "))
                .count();
    }

    /** Beans that an application injects without and with a name. */
    @Configuration(proxyBeanMethods = false)
    @ImportAutoConfiguration(Causal4jAutoConfiguration.class)
    static class Injected {
        @Bean
        List<Object> injected(
                Engine engine,
                CausalLM model,
                @Qualifier("causal4jEmbeddingEngine") Engine embedding,
                @Qualifier("causal4jEmbeddingCausalLM") CausalLM embedded) {
            return List.of(engine, model, embedding, embedded);
        }
    }

    @Test
    void twoUsesOfAModelLoadItOnce(CapturedOutput output) {
        try (var context = run(Injected.class, CHAT, EMBEDDING + TOOLS)) {
            assertThat(loads(output)).isEqualTo(1);
            assertThat(output).contains("tools: qwen3 in f32, 2 layers of 64", "context of 16384", " threads");
            List<?> all = context.getBean("injected", List.class);
            assertThat(all.get(0))
                    .isSameAs(all.get(2))
                    .extracting(each -> ((Engine) each).model())
                    .isSameAs(all.get(1));
            assertThat(all.get(1)).isSameAs(all.get(3));
        }
    }

    @Test
    void aSecondModelIsInjectedByItsNameAlone(CapturedOutput output) {
        try (var context = run(Injected.class, CHAT, EMBEDDING + TOOLS, "spring.ai.causal4j.embedding.dtype=int8")) {
            assertThat(loads(output)).isEqualTo(2);
            List<?> all = context.getBean("injected", List.class);
            assertThat(((Engine) all.get(0)).model().dtype()).isEqualTo(DType.F32);
            assertThat(((CausalLM) all.get(3)).dtype()).isEqualTo(DType.INT8);
            assertThat(((Engine) all.get(2)).model()).isSameAs(all.get(3));
            assertThat(context.getBean(Causal4jModels.class).loaded)
                    .extracting(Causal4jModels.Loaded::name)
                    .containsExactly("tools", "tools 2");
        }
    }

    @Test
    void lazyModelsAreLoadedOnceByTheFirstOfManyCalls(CapturedOutput output) throws Exception {
        String lazy = "spring.ai.causal4j.lazy=true";
        try (var context = run(CHAT, EMBEDDING + TOOLS, lazy, GREEDY, "spring.ai.causal4j.chat.max-tokens=3")) {
            assertThat(loads(output)).isZero();
            List<CompletableFuture<String>> calls = new ArrayList<>();
            for (int i = 0; i < 4; i++) {
                calls.add(CompletableFuture.supplyAsync(
                        () -> context.getBean(ChatModel.class).call("a")));
            }
            for (CompletableFuture<String> each : calls) {
                assertThat(each.get()).isEqualTo(calls.getFirst().get());
            }
            assertThat(context.getBean(EmbeddingModel.class).dimensions()).isEqualTo(64);
            assertThat(loads(output)).isEqualTo(1);
        }
    }

    @Test
    void anEngineEndsBeforeItsModelAndStreamsWithAnError() throws Exception {
        CompletableFuture<Throwable> left = new CompletableFuture<>();
        ChatModel chat;
        EmbeddingModel embedding;
        Causal4jModels models;
        try (var context = run(CHAT, EMBEDDING + THINKING, GREEDY, "spring.ai.causal4j.engine.threads=1")) {
            chat = context.getBean(ChatModel.class);
            embedding = context.getBean(EmbeddingModel.class);
            models = context.getBean(Causal4jModels.class);
            CountDownLatch begun = new CountDownLatch(1);
            chat.stream(new Prompt("a")).subscribe(_ -> begun.countDown(), left::complete, () -> left.complete(null));
            assertThat(begun.await(10, TimeUnit.SECONDS)).isTrue();
        }
        assertThat(left.get(10, TimeUnit.SECONDS)).isNotNull();
        assertThatThrownBy(() -> chat.call("a")).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> embedding.embed("a")).isInstanceOf(IllegalStateException.class);
        assertThat(catchThrowable(() -> chat.stream(new Prompt("a")).blockLast()))
                .isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(models::chat)
                .isInstanceOf(IllegalStateException.class)
                .hasMessage("causal4j: expected an open application, got one that was closed");
    }

    @Test
    void aNameIsInTheCacheOrFetchedIfThatIsAskedFor(CapturedOutput output) throws Exception {
        Path written = Files.createDirectory(folder.resolve("written"));
        AustenModel.export(written);
        HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.createContext("/", exchange -> {
            String path = exchange.getRequestURI().getPath();
            String listing = path.contains("/tree/") ? listing(written) : "{\"sha\": \"" + COMMIT + "\"}";
            byte[] body = path.startsWith("/api/")
                    ? listing.getBytes(StandardCharsets.UTF_8)
                    : Files.readAllBytes(written.resolve(path.substring(path.lastIndexOf('/') + 1)));
            exchange.sendResponseHeaders(200, body.length);
            try (exchange) {
                exchange.getResponseBody().write(body);
            }
        });
        server.start();
        Hub hub = hub("http://127.0.0.1:" + server.getAddress().getPort());
        try (Causal4jModels never = models(hub, "chat.model", "jane/austen")) {
            assertThatThrownBy(never::chat)
                    .hasMessage(
                            "spring.ai.causal4j.chat.model=jane/austen: expected a folder, a GGUF file, or a model that"
                                    + " is whole in the cache, got none; set spring.ai.causal4j.pull=missing, or run causal4j"
                                    + " pull jane/austen");
        }
        try (Causal4jModels missing = models(hub, "chat.model", "jane/austen", "pull", "missing")) {
            assertThat(missing.chat().name()).isEqualTo("jane/austen");
            assertThat(output).contains("Fetching jane/austen into " + folder);
        } finally {
            server.stop(0);
        }
        try (Causal4jModels there = models(hub, "embedding.model", "jane/austen", "pull", "missing")) {
            assertThat(there.embedding().model().contextLength()).isEqualTo(256);
        }
    }

    @Test
    void closingEndsAPull() throws Exception {
        Path written = Files.createDirectory(folder.resolve("written"));
        AustenModel.export(written);
        CountDownLatch begun = new CountDownLatch(1);
        HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.createContext("/api/", exchange -> {
            boolean isTree = exchange.getRequestURI().getPath().contains("/tree/");
            byte[] body =
                    (isTree ? listing(written) : "{\"sha\": \"" + COMMIT + "\"}").getBytes(StandardCharsets.UTF_8);
            exchange.sendResponseHeaders(200, body.length);
            try (exchange) {
                exchange.getResponseBody().write(body);
            }
        });
        server.createContext("/", exchange -> {
            exchange.sendResponseHeaders(200, 0);
            begun.countDown();
            try (OutputStream body = exchange.getResponseBody()) { // until the client has gone
                while (true) {
                    body.write(new byte[1]);
                    body.flush();
                    Thread.sleep(10);
                }
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
        });
        server.start();
        Hub hub = hub("http://127.0.0.1:" + server.getAddress().getPort());
        CompletableFuture<Throwable> failure;
        try (Causal4jModels models = models(hub, "chat.model", "jane/austen", "pull", "missing")) {
            failure = CompletableFuture.supplyAsync(() -> catchThrowable(models::chat));
            assertThat(begun.await(60, TimeUnit.SECONDS)).isTrue();
        } finally {
            server.stop(0);
        }
        assertThat(failure.get(60, TimeUnit.SECONDS)).hasMessageContaining("expected an open application");
    }

    /** The files as the hub lists them. */
    private static String listing(Path folder) throws IOException {
        List<String> entries = new ArrayList<>();
        for (String name : List.of("config.json", "model.safetensors", "tokenizer.json")) {
            byte[] content = Files.readAllBytes(folder.resolve(name));
            entries.add("""
                    {"type": "file", "path": "%s", "size": %d, "oid": "%s", "lfs": {"oid": "%s", "size": %2$d}}""".formatted(name, content.length, COMMIT, Sha256.hex(content)));
        }
        return entries.toString();
    }

    @Test
    void whatCannotBeLoadedLeavesNothingOpen() throws Exception {
        Path none = folder.resolve("none");
        try (Causal4jModels models =
                models(hub("http://127.0.0.1:1"), "chat.model", TOOLS.toString(), "chat.adapter", none.toString())) {
            String said = messages(catchThrowable(models::chat));
            assertThat(said).startsWith("spring.ai.causal4j.chat.adapter=" + none + ": ");
            assertThat(models.loaded).isEmpty();
        }
        assertThatThrownBy(() -> models(hub("http://127.0.0.1:1"), "engine.queue", "0"))
                .hasMessageStartingWith("spring.ai.causal4j.engine: engine: expected at least 1 sequence at once");
        assertThatThrownBy(() -> models(hub("http://127.0.0.1:1"), "engine.threads", "0"))
                .hasMessage("spring.ai.causal4j.engine: threads: expected 1 to 1024, got 0");
    }
}
